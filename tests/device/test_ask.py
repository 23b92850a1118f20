"""One person's recommendations on the command line, as a device answers."""

import io
import json
import shutil

import numpy as np
import pytest
from bundles import make_bundle

from device_bench.__main__ import main as bench
from device_bench.ask import answer_lines
from recpress_edge import Recommender
from recpress_edge.cli import main as edge
from recpress_edge.device.recommender import Recommendations

COMMANDS = [("ask", bench), ("recommend", edge)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("asked") / "tiny").folder


@pytest.mark.parametrize(("verb", "main"), COMMANDS)
def test_both_commands_answer_as_python_does(verb, main, folder, capsys):
    assert main([verb, str(folder), "--user", "u3", "--seen", "item-5,item-9", "-k", "4", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    want = Recommender.load(folder).recommend("u3", ["item-5", "item-9"], 4)
    assert [(one["item"], one["score"]) for one in said["items"]] == list(want)
    assert said["unknown"] == []


def test_unknown_seen_items_are_left_out_and_named(folder, capsys):
    words = ["ask", str(folder), "--user", "u3", "-k", "3"]
    assert bench([*words, "--seen", "item-5"]) == 0
    known = capsys.readouterr().out
    assert bench([*words, "--seen", "gone,item-5"]) == 0
    assert capsys.readouterr().out == (known + "left out   1 seen item that the bundle does not know: gone\n")
    assert bench([*words, "--seen", "gone,item-5", "--strict"]) == 2
    assert "unknown seen item 'gone'" in capsys.readouterr().err


def test_scores_have_their_digits_below_each_other():
    found = Recommendations(["a", "b"], np.array([0.5932, 0.557681], np.float32))
    assert [line.split()[-1] for line in answer_lines(found, 2)[0].splitlines()[2:]] == [
        "0.593200",
        "0.557681",
    ]


def test_whoever_names_nothing_that_was_seen_is_told(folder, capsys):
    words = ["ask", str(folder), "--user", "u3", "-k", "3"]
    assert bench(words) == 0
    assert "a bundle knows no history: --seen names what is never to come" in capsys.readouterr().out
    assert bench([*words, "--seen", "item-5"]) == 0
    assert "--seen names" not in capsys.readouterr().out


def test_what_was_seen_comes_from_a_file_or_stdin(folder, tmp_path, capsys, monkeypatch):
    words = ["ask", str(folder), "--user", "u3", "-k", "3"]
    answers = []
    (tmp_path / "seen.txt").write_text("item-5\nitem-9\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("item-5\nitem-9\n"))
    for flags in (
        ("--seen", "item-5,item-9"),
        ("--seen-from", str(tmp_path / "seen.txt")),
        ("--seen-from", "-"),
    ):
        assert bench([*words, *flags]) == 0
        answers.append(capsys.readouterr().out)
    assert len(set(answers)) == 1


def test_fewer_are_left_than_were_asked_for(folder, capsys):
    everything = ",".join(f"item-{n}" for n in range(300) if n not in (4, 7))
    assert bench(["ask", str(folder), "--user", "u3", "--seen", everything, "-k", "5"]) == 0
    out = capsys.readouterr().out
    assert "item-4" in out
    assert "item-7" in out
    assert "left       2 items: all that are neither seen nor retired" in out


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (
            ("--user", "nobody"),
            "unknown user 'nobody': not one of the bundle's 40 users. Its users.txt lists",
        ),
        ((), "this bundle serves 40 users: say which one, for example 'u0'. Its users.txt lists their ids."),
        (("--user", "u3", "-k", "0"), "-k must be at least 1"),
        (("--user", "u3", "--seen", "item-1", "--seen-from", "x"), "both say what was seen"),
        (("--user", "u3", "--seen-from", "not there"), "--seen-from not there"),
    ],
)
def test_what_cannot_be_asked_is_wrong_usage(flags, says, folder, capsys):
    assert bench(["ask", str(folder), *flags]) == 2
    assert says in capsys.readouterr().err


def test_a_damaged_bundle_answers_nobody(folder, tmp_path, capsys):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "items.txt").write_text("item-0\n")
    assert bench(["ask", str(broken), "--user", "u3"]) == 1
    assert "items.txt" in capsys.readouterr().err


def test_an_id_may_hold_line_ends_of_unicode_and_a_mark_is_no_part_of_one(folder, tmp_path, capsys):
    (tmp_path / "seen.txt").write_bytes("\ufeffitem-5\r\nx\u2028y\n".encode())
    words = ["ask", str(folder), "--user", "u3", "--seen-from", str(tmp_path / "seen.txt"), "--json"]
    assert bench(words) == 0
    assert json.loads(capsys.readouterr().out)["unknown"] == ["x\u2028y"]


@pytest.mark.parametrize(
    "words", [("not there",), ("-k", "0"), ("--seen", "a", "--seen-from", "b"), ("--seen-from", "not there")]
)
def test_a_dry_run_refuses_what_a_run_refuses(words, folder):
    where = () if words[0] == "not there" else (str(folder),)
    for dry in ((), ("--dry-run",)):
        assert edge(["recommend", *where, *words, "--user", "u3", *dry]) == 2
