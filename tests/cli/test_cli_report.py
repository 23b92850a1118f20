"""recpress-edge report and pick, as a user runs them."""

import collections
import csv
import json
import subprocess
import sys

import pytest
from records import make_record, study, write_runs

from recpress_edge.cli import build_parser
from recpress_edge.core.errors import ArtifactError, ConfigError, GateError
from recpress_edge.report import files

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")


def run(*argv):
    args = build_parser().parse_args([str(a) for a in argv])
    return args.func(args)


@pytest.fixture
def runs(tmp_path):
    return write_runs(tmp_path / "runs", study())


def test_report_writes_page_and_picture_and_prints_the_table(runs, tmp_path, capsys):
    page = tmp_path / "out" / "report.html"
    assert run("report", runs, "-o", page) == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert page.with_suffix(".png").read_bytes()[:4] == b"\x89PNG"
    out = capsys.readouterr().out
    lines = out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("soft_dim10-int8"))
    assert lines[at].split() == [
        "soft_dim10-int8", ".1378", ".0551", ".2755", "316.9", "KiB", "62.5", "µs", "1.2", "MiB",
    ]  # fmt: skip
    assert lines[at + 1] == "    bundle 707.5 KiB; on the front"
    assert "verdict    Ship soft_dim20-int8: Recall@10 .1462, NDCG@10 .0585, Recall@50 .2924" in out
    assert str(page) in out


@pytest.mark.usefixtures("undrawn")
def test_every_file_is_read_once(runs, tmp_path, monkeypatch):
    opened = collections.Counter()
    read = files.read_json
    monkeypatch.setattr(files, "read_json", lambda path: (opened.update([path.name]), read(path))[1])
    assert run("report", runs, "-o", tmp_path / "r.html") == 0
    assert set(opened) == {path.name for path in runs.rglob("*.json")}
    assert set(opened.values()) == {1}


@pytest.mark.usefixtures("undrawn")
def test_every_variant_as_csv(runs, tmp_path, capsys):
    where = tmp_path / "variants.csv"
    assert run("report", runs, "-o", tmp_path / "r.html", "--csv", where, "--json") == 0
    (section,) = json.loads(capsys.readouterr().out)["sections"]
    rows = list(csv.DictReader(where.open(newline="")))
    assert [row["name"] for row in rows] == [variant["name"] for variant in section["variants"]]
    assert [row["name"] for row in rows if row["chosen"] == "True"] == [section["winner"]]
    for row, variant in zip(rows, section["variants"], strict=True):
        assert float(row["recall@50"]) == variant["recall@50"]
        assert [float(row[f"recall@50_{end}"]) for end in ("low", "high")] == variant["recall@50_range"]
        assert int(row["seeds"]) == variant["seeds"] == len(row["runs"].split())
        assert row["device.id"] == section["conditions"]["device.id"]
    with pytest.raises(ConfigError, match=r"must end in \.csv"):
        run("report", runs, "-o", tmp_path / "q.html", "--csv", tmp_path / "variants.txt")


def tried(name, worth, **more):
    known = {"name": name, "teacher": "ease-s0-0123abcd", "recipe": "int8-dim", "file_bytes": 6000}
    ended = {"state": "done", "reason": None, "worth": worth, "valid": {"recall@10": worth, "ndcg@10": None}}
    return {**known, **ended, **more}


@pytest.mark.usefixtures("undrawn")
def test_the_report_lists_every_candidate_of_a_search(tmp_path, capsys):
    best = tried("soft_dim4", 0.3)
    facts = {
        "schema": "recpress.tune/1",
        "asked": {"data": "mine", "max_bytes": 6000},
        "shown": ["recall@10", "ndcg@10"],
        "trials": [
            tried("pop", 0.1, teacher=None),
            tried("ease", 0.4, recipe=None),
            best,
            tried("soft_dim5", None, state="pruned", reason="behind after 8 epochs", valid=None),
        ],
        "chosen": best,
        "said": ["soft_dim4 is ahead of <b>pop</b>"],
    }
    (tmp_path / "tune.json").write_text(json.dumps(facts))
    (tmp_path / "other.json").write_text(json.dumps({"schema": "recpress.tune/1", "trials": []}))
    assert run("report", tmp_path, "-o", tmp_path / "r.html") == 0
    out = capsys.readouterr().out
    assert "search     mine, at most 5.9 KiB: 3 candidates" in out
    assert "not a whole record of a search: KeyError('shown')" in " ".join(out.split())
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    order = [page.index(f"<td>{name}</td>") for name in ("soft_dim4 of ease", "pop", "soft_dim5 of ease")]
    assert order == sorted(order)
    assert "pruned: behind after 8 epochs" in page
    assert page.count('good">chosen</td>') == 1
    assert "soft_dim4 is ahead of &lt;b&gt;pop" in page


@pytest.mark.usefixtures("undrawn")
def test_nothing_is_overwritten_without_force(runs, tmp_path):
    page = tmp_path / "report.html"
    page.write_text("mine")
    with pytest.raises(ConfigError, match="--force"):
        run("report", runs, "-o", page)
    assert page.read_text() == "mine"
    picture = tmp_path / "other.png"
    picture.write_text("mine too")
    with pytest.raises(ConfigError, match="--force"):
        run("report", runs, "-o", tmp_path / "new.html", "--png", picture)
    assert not (tmp_path / "new.html").exists()
    assert run("report", runs, "-o", page, "--force") == 0


def test_page_and_picture_must_differ(runs, tmp_path):
    with pytest.raises(ConfigError, match="same file"):
        run("report", runs, "-o", tmp_path / "report.png")


@pytest.mark.usefixtures("undrawn")
def test_json_on_stdout_is_one_object(runs, tmp_path, capsys):
    assert run("report", runs, "-o", tmp_path / "r.html", "--max-bytes", "400KiB", "--json") == 0
    captured = capsys.readouterr()
    answer = json.loads(captured.out)
    (section,) = answer["sections"]
    assert section["winner"] == "soft_dim10-int8"
    assert "verdict" in captured.err
    assert {v["name"]: v["seeds"] for v in section["variants"]}["soft_dim20-int8"] == 3


def test_dry_run_writes_nothing(runs, tmp_path):
    assert run("report", runs, "-o", tmp_path / "r.html", "--dry-run") == 0
    assert not (tmp_path / "r.html").exists()


def test_no_runs_is_an_error_with_the_cure(tmp_path):
    with pytest.raises(ArtifactError, match="recpress-edge bench"):
        run("report", tmp_path, "-o", tmp_path / "r.html")


def test_only_invalid_runs_still_make_a_page(tmp_path, capsys):
    runs = write_runs(tmp_path / "runs", [make_record(reasons=("throttled",))])
    assert run("report", runs, "-o", tmp_path / "r.html") == 0
    assert "invalid: throttled" in capsys.readouterr().out
    assert not (tmp_path / "r.png").exists()


def test_json_names_no_picture_where_none_was_drawn(tmp_path, capsys):
    runs = write_runs(tmp_path / "runs", [make_record(reasons=("throttled",))])
    assert run("report", runs, "-o", tmp_path / "r.html", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["page"], found["png"]) == (str(tmp_path / "r.html"), None)


def test_pick_prints_margins_and_nearest_misses(runs, capsys):
    assert run("pick", runs, "--max-bytes", "400KiB", "--max-p95", "70us") == 0
    out = capsys.readouterr().out
    assert "pick       soft_dim10-int8: Recall@10 .1378, NDCG@10 .0551, Recall@50 .2755" in out
    assert "No baseline of its bytes is among these records" in out
    assert "baseline   recpress-edge export --student svd_dim10 --int8 --data citeulike" in out
    assert "file 316.9 KiB ≤ 400.0 KiB (83.1 KiB left)" in out
    worth = "Recall@10 .1462, NDCG@10 .0585, Recall@50 .2924"
    near = f"near miss  soft_dim20-int8: {worth}, file 613.8 KiB > 400.0 KiB (213.8 KiB over)"
    assert near in out.replace("\n" + " " * 11, " ")


def test_pick_without_an_answer_fails_the_gate(runs, capsys):
    with pytest.raises(GateError, match="nothing fits") as error:
        run("pick", runs, "--max-bytes", "1KiB", "--json")
    assert error.value.exit_code == 3
    (section,) = json.loads(capsys.readouterr().out)["sections"]
    assert section["winner"] is None
    assert [miss["constraint"] for miss in section["nearest_misses"]] == ["file_bytes"]


@pytest.mark.parametrize("argv", [[], ["--max-p95", "5"], ["--max-bytes", "lots"]])
def test_pick_needs_a_budget_that_it_understands(runs, argv):
    with pytest.raises(ConfigError):
        run("pick", runs, *argv)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("columns", [80, 60])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_broken(tmp_path, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.chdir(tmp_path)
    records = [*study(), *(make_record(name=f"soft_dim10-s{n}-int8-tflite-history", seed=n) for n in (7, 8))]
    records += [make_record("htd_dim8", paced_p95_ns=246_000, reasons=("unstable: " + "so much " * 30,))]
    write_runs(tmp_path / "runs", records)
    for command in (["report", "runs", "-o", "r.html"], ["pick", "runs", "--max-bytes", "400KiB"]):
        assert run(*command) == 0
        out = capsys.readouterr().out
        assert max(map(len, out.splitlines())) <= columns
        for name in ("soft_dim10-int8", "soft_dim20-int8", "Recall@50"):
            assert name in out
        assert "-\n" not in out


def test_pick_needs_no_package_of_the_report(runs):
    code = (
        "import sys; sys.modules.update(jinja2=None, matplotlib=None)\n"
        "from recpress_edge.cli import main\n"
        f"sys.exit(main(['pick', {str(runs)!r}, '--max-bytes', '400KiB']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "pick       soft_dim10-int8: Recall@10" in done.stdout


def test_importing_the_commands_stays_light():
    code = (
        "import sys, recpress_edge.cli.report, recpress_edge.cli.pick; "
        "assert not {'matplotlib', 'jinja2', 'torch', 'rich'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
