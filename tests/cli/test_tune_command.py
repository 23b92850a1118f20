"""recpress-edge tune: what it says, and how it ends."""

import json

import pytest

from recpress_edge.cli import main
from recpress_edge.data import resolve
from recpress_edge.data.synthetic import synthetic
from recpress_edge.jobs.tune import run
from recpress_edge.jobs.tune.trial import TrialRequest

pytest.importorskip("optuna", reason="the extra tune is not installed")
WORDS = ["tune", "--max-bytes", "6KB", "--trials", "4", "--teachers", "ease"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    data = synthetic(n_users=60, n_items=90)
    monkeypatch.setattr(resolve, "load_dataset", lambda name, work, say: data)
    monkeypatch.setattr(run, "PLAIN_BASELINES", ("puresvd",))


def test_every_candidate_a_verdict_and_the_bundle(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*WORDS, "--work", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 80 or str(tmp_path) in line for line in out.splitlines()), out
    assert "students: 4 done, 0 pruned, 0 failed" in " ".join(out.split())
    (head,) = [line for line in out.splitlines() if line.startswith("candidate")]
    assert head.split() == ["candidate", "recipe", "bytes", "R@10", "N@10", "worth"]
    assert sum(line.endswith("*") for line in out.splitlines()) == 1
    assert "verdict    soft_dim" in out
    assert "exported" in out
    (bundle,) = (tmp_path / "dist").iterdir()
    assert bundle.name in out.partition("recpress-edge inspect")[2].partition("device_bench run")[0]


def test_a_dry_run_states_bytes_and_writes_nothing(tmp_path, capsys):
    assert main([*WORDS, "--work", str(tmp_path), "--dry-run", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [shape["recipe"] for shape in found["shapes"]] == ["int8-dim", "int4-item"]
    assert all(5500 < shape["file_bytes"] <= 6000 for shape in found["shapes"])
    assert found["trials"] == 4
    assert not any(tmp_path.iterdir())


def test_json_is_the_file(tmp_path, capsys):
    assert main([*WORDS, "--work", str(tmp_path), "--trials", "1", "--json"]) == 0
    (file,) = (tmp_path / "tune").glob("*/tune.json")
    answer, known = json.loads(capsys.readouterr().out), json.loads(file.read_text())
    assert {**answer, "wall_seconds": 0} == {**known, "wall_seconds": 0}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--max-bytes", "much"], "is not a size"),
        (["--hours", "0"], "must be above 0"),
        (["--max-bytes", "1KB"], "the smallest, int8-dim at dim 2, has"),
        (["--on", "hots"], "Did you mean 'host'"),
    ],
)
def test_wrong_usage_is_two(words, says, tmp_path, capsys):
    try:
        code = main([*WORDS, "--work", str(tmp_path), *words])
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert says in capsys.readouterr().err


def test_an_interrupt_keeps_all_and_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    real = TrialRequest.run

    def stops_at_a_student(request, on_event):
        if request.kind == "student":
            raise KeyboardInterrupt
        return real(request, on_event)

    monkeypatch.setattr(TrialRequest, "run", stops_at_a_student)
    words = [*WORDS, "--work", str(tmp_path)]
    assert main(words) == 130
    said = capsys.readouterr()
    assert f"stopped    to go on:\nnext       recpress-edge {' '.join(words)}" in said.out
    assert "What was finished is kept; the same command goes on from there." in said.err
    assert len(list((tmp_path / "tune/trials").iterdir())) >= 2
