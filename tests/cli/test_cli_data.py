"""The data command as a user meets it: exit codes, words, files."""

import argparse
import json
import subprocess
import sys

import pytest

from recpress_edge.cli import data as command
from recpress_edge.core.errors import ConfigError, StorageError


@pytest.fixture
def run(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("RECPRESS_DATA_DIR", raising=False)

    def run(*argv):
        parser = argparse.ArgumentParser()
        command.add_options(parser)
        args = parser.parse_args([*map(str, argv), "--work", str(tmp_path / "work")])
        code = args.func(args)
        out = capsys.readouterr()
        return code, out.out, out.err

    return run


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    rows = "".join(f"u{user},i{item},{1 + item},{100 + item}\n" for user in range(4) for item in range(5))
    path.write_text("user_id,item_id,rating,timestamp\n" + rows + "u0,i0,1,999\n")
    return path


def test_import_then_stats_then_list(run, log, tmp_path):
    code, out, _ = run("import", log, "--name", "shop", "--split", "loo-time", "--min-rating", "2")
    assert code == 0
    assert "header, comma-separated, user = column 1 (user_id)" in out
    assert "5 rated too low; 16 of 21 rows stay" in out
    assert "4 users × 4 items" in out
    assert "recpress-edge export --data shop --student soft_dim32 --int8" in out
    manifest = json.loads((tmp_path / "work/data/shop/manifest.json").read_text())
    assert manifest["protocol"] == "leave-one-out by time"
    assert manifest["interactions"] == {"train": 8, "valid": 4, "test": 4}
    code, out, _ = run("stats", "shop")
    assert code == 0
    assert manifest["digest"] in out
    _, out, _ = run("list")
    assert "shop" in out
    assert "ml-1m" in out
    assert "GroupLens terms" in out


def test_json_is_one_object_and_talk_goes_to_stderr(run, log):
    _, out, err = run("import", log, "--name", "shop", "--json")
    assert json.loads(out)["rows"]["removed_duplicates"] == 1
    assert "next" in err
    assert json.loads(run("stats", "shop", "--json")[1])["n_users"] == 4
    names = [entry["name"] for entry in json.loads(run("list", "--json")[1])["datasets"]]
    assert names[:2] == ["synthetic", "shop"]
    assert "citeulike" in names


def test_dry_run_writes_nothing(run, log, tmp_path):
    for argv in (("import", log, "--name", "shop", "--dry-run"), ("fetch", "ml-1m", "--dry-run")):
        code, out, _ = run(*argv)
        assert code == 0
        assert "would write" in out
    assert not (tmp_path / "work").exists()
    with pytest.raises(ConfigError, match="only reads"):
        run("stats", "synthetic", "--dry-run")


def test_given_files(run, tmp_path):
    for shift, part in enumerate(("train", "valid", "test")):
        (tmp_path / part).write_text("".join(f"{user}\t{(user + shift) % 3}\n" for user in range(3)))
    argv = ("import", tmp_path / "train", "--name", "x", "--format", "delimited")
    given = (*argv, "--valid-file", tmp_path / "valid", "--test-file", tmp_path / "test")
    code, out, _ = run(*given)
    assert code == 0
    assert "given files" in out
    for extra, message in (
        (("--seed", "1"), "remove --seed"),
        (("--min-user", "2"), "remove --min-rating"),
        (("--split", "loo-random"), "remove --split loo-random"),
    ):
        with pytest.raises(ConfigError, match=message):
            run(*given, "--force", *extra)
    with pytest.raises(ConfigError, match="needs --test-file too"):
        run(*argv, "--force", "--valid-file", tmp_path / "valid")
    with pytest.raises(ConfigError, match="no such file"):
        run(*argv, "--force", "--test-file", tmp_path / "nowhere")
    assert json.loads(run("stats", "x", "--json")[1])["interactions"] == {"train": 3, "valid": 3, "test": 3}


def test_names_are_protected(run, log):
    for name, message in (
        ("synthetic", "built in"),
        ("ml-1m", "names a public set"),
        ("../x", "cannot name"),
    ):
        with pytest.raises(ConfigError, match=message):
            run("import", log, "--name", name)
    run("import", log, "--name", "shop")
    with pytest.raises(ConfigError, match="exists already"):
        run("import", log, "--name", "shop")
    assert run("import", log, "--name", "shop", "--force")[0] == 0


def test_loo_time_without_times(run, tmp_path):
    (tmp_path / "log").write_text("1,2\n1,3\n1,4\n2,3\n")
    with pytest.raises(ConfigError, match="needs timestamps"):
        run("import", tmp_path / "log", "--name", "x", "--split", "loo-time")


def test_a_damaged_set_is_listed_as_such(run, log, tmp_path):
    run("import", log, "--name", "shop")
    (tmp_path / "work/data/shop/manifest.json").write_text("{")
    code, out, _ = run("list")
    assert code == 0
    assert "damaged" in out


def test_a_work_folder_that_cannot_be_written(run, log, tmp_path):
    (tmp_path / "work").write_text("a file")
    with pytest.raises(StorageError, match="cannot write"):
        run("import", log, "--name", "shop")


def test_the_import_says_what_was_left_out_and_asked_and_what_ties_decide(run, tmp_path):
    lines = ["user_id;item_id;event;timestamp"]
    lines += [f"u{user};i{item};buy;1600000000" for user in range(3) for item in (7, 1, 4, 2, 9)]
    lines += ["u0;i8;view;1600000000", "NULL;i1;buy;1600000000", ";i1;buy;1600000000"]
    (tmp_path / "log.csv").write_text("\n".join(lines))
    argv = ("import", tmp_path / "log.csv", "--name", "shop", "--split", "loo-time", "--only", "event=buy")
    answers = ("--missing", "NULL", "--skip-bad-lines", "10%", "--separator", ";")
    code, out, _ = run(*argv, *answers)
    assert code == 0
    assert "left out   1 that cannot be read, 1 by --only or --where, 1 without an id" in out
    assert "ties       the items held out of 3 of 3 users (100%) are decided by a tie in time" in out
    assert "times from 2020-09-13 to 2020-09-13" in out
    manifest = json.loads((tmp_path / "work/data/shop/manifest.json").read_text())
    assert manifest["rows"]["left_out_bad_lines"] == 1
    assert manifest["rows"]["left_out_not_chosen"] == 1
    assert manifest["rows"]["left_out_missing"] == 1
    assert manifest["asked"]["only"] == ["event=buy"]
    assert manifest["asked"]["missing"] == ["NULL"]
    assert manifest["split"]["tied_users"] == 3
    assert "ties       the items held out of 3 of 3" in run("stats", "shop")[1]
    stats = json.loads(run("stats", "shop", "--json")[1])
    assert {key: stats[key] for key in ("ties", "rows", "split", "asked", "strangers", "sources")} == {
        key: manifest[key] for key in ("ties", "rows", "split", "asked", "strangers", "sources")
    }


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (("--separator", "&"), "--separator '&': known are tab"),
        (("--only", "event"), "--only 'event'"),
        (("--skip-bad-lines", "lots"), "--skip-bad-lines 'lots'"),
        (("--encoding", "klingon"), "no such encoding"),
        (("--encoding", "punycode"), "is not punycode"),
        (("--licence", "two\nlines"), "one line of plain text"),
        (("--licence", "\udcff"), "one line of plain text"),
        (("--seed", "-1"), "must not be negative"),
    ],
)
def test_flags_that_make_no_sense(run, log, extra, message):
    with pytest.raises(ConfigError, match=message):
        run("import", log, "--name", "shop", *extra)


def test_importing_the_module_is_light():
    code = (
        "import sys, recpress_edge.cli.data; "
        "bad = {'torch', 'onnx', 'scipy', 'polars', 'pooch', 'rich'} & set(sys.modules); "
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_users_before_the_cut_are_said_once_and_not_as_users_with_few_items(run, log):
    _, out, _ = run("import", log, "--name", "shop", "--split", "time:60/20/20", "--dry-run")
    assert "one cut in time" in out
    assert "too few items" not in out
