"""device_bench from the command line, on small bundles: records, what is shown, refusals."""

import copy
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import numpy as np
import pytest
from bench_commands import QUICK, SCHEMA, bench, called
from bundles import make_bundle
from records import as_counted, judged, make_record, with_pauses

from device_bench.__main__ import main
from device_bench.lanes import host
from device_bench.show import record_lines
from recpress_edge.core.files import sha256_bytes, sha256_file
from recpress_edge.core.metrics import ndcg_at_k, recall_at_k
from recpress_edge.device.verify import verify_bundle
from recpress_edge.records.bench import figure, read_record

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from busy_machine import busy


@pytest.fixture(scope="module", params=["int8-dim", "fp32"])
def measured(request, tmp_path_factory):
    """One real run: (bundle, finished process, path of its record)."""
    home = tmp_path_factory.mktemp("bench")
    bundle = make_bundle(home / "tiny", recipe=request.param)
    done = bench("run", "tiny", *QUICK, cwd=home)
    assert done.returncode in (0, 4), done.stderr  # 4: this machine is too busy, which is for it to say
    (path,) = (home / "runs").rglob("*.json")
    return bundle, done, path


def test_the_record_keeps_to_its_schema(measured):
    bundle, done, path = measured
    record = read_record(path)
    jsonschema.Draft202012Validator(SCHEMA).validate(record)
    assert done.returncode == (0 if record["valid"] else 4)
    assert path.name.endswith(f"Z-{bundle.digest[:8]}.json")
    assert path.parent.name == record["device"]["id"]
    assert record["artifact"]["file_bytes"] == bundle.model_path.stat().st_size
    assert record["artifact"]["model_sha256"] == sha256_file(bundle.model_path)
    assert len(record["latency_ns"]["load"]) == 2
    assert min(len(record["latency_ns"][name]) for name in ("query", "end_to_end")) >= 100
    assert sum(record["latency_ns"]["query"]) >= 0.05e9
    assert len(record["latency_ns"]["paced"]) == 200
    assert record["protocol"]["pause_ns"] == 1_000_000
    assert record["validity"].keys() == record["latency_ns"].keys()
    assert all(judged["wait_share"] is not None for judged in record["validity"].values())
    assert record["memory_bytes"]["idle"]["vm_hwm"] < record["memory_bytes"]["model"]["vm_hwm"]
    assert "2 processes: the full protocol asks for at least 10" in record["warnings"]


def test_quality_is_what_the_answers_give(measured):
    bundle, _, path = measured
    verified, found = verify_bundle(bundle.folder), read_record(path)["quality"]
    users = verified.evaluation.users.tolist()
    lists = [verified.runtime.recommend(u, verified.evaluation.seen(r), 50)[0] for r, u in enumerate(users)]
    relevant = [verified.evaluation.relevant(r).tolist() for r in range(len(users))]
    topk = np.stack(lists)
    for k in (10, 20, 50):
        assert found[f"recall@{k}"] == recall_at_k(topk[:, :k], relevant)
        assert found[f"ndcg@{k}"] == ndcg_at_k(topk[:, :k], relevant)
    assert found["users"] == len(users)
    assert found["ids_sha256"] == sha256_bytes(topk.astype("<i8").tobytes())


def test_people_see_every_part(measured):
    _, done, path = measured
    labels = {line.split("  ")[0].strip() for line in done.stdout.splitlines() if line}
    wanted = {
        "bundle",
        "verified",
        "device",
        "cold",
        "warm",
        "paced",
        "memory",
        "quality",
        "basis",
        "wrote",
        "next",
    }
    assert wanted <= labels
    assert str(path.relative_to(path.parents[2])) in done.stdout
    assert "median of 2 fresh processes" in done.stdout
    assert "measured" in done.stdout


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.pop("selftest"),
        lambda r: r.update(extra=1),
        lambda r: r.update(basis="guessed"),
        lambda r: r["latency_ns"].update(query=[1.5]),
        lambda r: r["latency_ns"].update(load=[]),
        lambda r: r["quality"].update({"recall@50": 1.2}),
        lambda r: r["artifact"].update(bundle_sha256="abc"),
        lambda r: r["state"]["before"].update(throttled="yes"),
        lambda r: r.pop("validity"),
        lambda r: r["validity"].pop("load"),
        lambda r: r["validity"]["query"].update(trusted=[51]),
        lambda r: r["validity"]["query"].pop("wait_share"),
        lambda r: r["latency_ns"].update(paced=[]),
        lambda r: r["device"].pop("cpu_id"),
        lambda r: r["device"].pop("int8_flags"),
        lambda r: r.update(valid=True, invalid_reasons=["throttled"]),
        lambda r: r.update(valid=False, invalid_reasons=[]),
        lambda r: r["protocol"].update(clock="instructions"),
        lambda r: r.update(instructions=r["latency_ns"]),
        lambda r: as_counted(r).update(basis="measured"),
    ],
)
def test_the_schema_refuses(measured, change):
    record = copy.deepcopy(read_record(measured[2]))
    change(record)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(record)


def test_instructions_are_never_shown_as_time(measured):
    record = as_counted(copy.deepcopy(read_record(measured[2])))
    del record["instructions"]["paced"], record["validity"]["paced"], record["protocol"]["pause_ns"]
    record["validity"] = make_record()["validity"]  # whatever this machine was doing
    jsonschema.Draft202012Validator(SCHEMA).validate(record)
    cold, *warm = [line for line in record_lines(record) if line.startswith(("cold", "warm"))]
    assert all("instr" in line and not re.search(r"\d (ns|µs|ms|s)\b", line) for line in (cold, *warm))


def test_a_run_beside_busy_processes_is_invalid_and_says_why(pristine, tmp_path):
    """Twice as many as there are cores: nothing of it may be called valid."""
    with busy(2 * (os.cpu_count() or 1)):
        time.sleep(0.3)
        done = called(
            "run", pristine, *QUICK, "--processes", "1", "--seconds", "0.5", "--out", "run.json", cwd=tmp_path
        )
    assert done.returncode == 4, done.stderr
    record = read_record(tmp_path / "run.json")
    assert not record["valid"]
    assert any(reason.startswith("query: loaded: ") for reason in record["invalid_reasons"])
    assert figure(record, "query", 50) is None
    assert figure(record, "paced", 50) is None
    assert figure(record, "import", 50) is None
    assert "INVALID" in done.stdout


def test_two_bundles_as_json_on_stdout(pristine, tmp_path):
    done = called("run", pristine, pristine, *QUICK, "--json", cwd=tmp_path)
    assert done.returncode in (0, 4), done.stderr
    runs = json.loads(done.stdout)["runs"]
    assert len({run["path"] for run in runs}) == 2  # same second or not: neither replaced the other
    for run in runs:
        assert read_record(tmp_path / run["path"]) == run["record"]
    assert runs[0]["record"]["quality"] == runs[1]["record"]["quality"]


def test_an_invalid_run_is_kept_and_exits_4(measured, monkeypatch, tmp_path, capsys):
    record = read_record(measured[2]) | {"valid": False, "invalid_reasons": ["throttled during the run"]}
    monkeypatch.setattr(host, "measure_bundle", lambda *_: record)
    assert main(["run", str(measured[0].folder), "--runs", str(tmp_path)]) == 4
    (path,) = tmp_path.rglob("*.json")
    assert read_record(path)["invalid_reasons"] == ["throttled during the run"]
    out, err = capsys.readouterr()
    assert "INVALID" in out
    assert "throttled during the run" in out
    assert "not for the headline" in err


def test_a_narrow_terminal_gets_whole_words(measured, monkeypatch, tmp_path, capsys):
    record = read_record(measured[2]) | {"valid": True}
    record["warnings"] = ["the quick brown fox jumps over the lazy dog, " * 3]
    monkeypatch.setattr(host, "measure_bundle", lambda *_: record)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(measured[0].folder), "--runs", "runs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 60 and len(line.split()) > 1] == []  # a path is one word
    assert any(line.startswith(" " * 11) and "fox" in line for line in lines)


def test_no_figure_is_shown_that_cannot_be_relied_on():
    record = with_pauses(make_record(), [200_000] * 50)
    record["latency_ns"]["query"][-1] = 18_100_000
    record["validity"]["query"] = judged(50, 90, 95, reasons=("p99 is decided by waiting for a core",))
    record["validity"]["load"] = judged(reasons=("loaded: the process waited",))
    lines = record_lines(record)
    cold, warm, ids, paced = [line for line in lines if line.startswith(("cold", "warm", "paced"))]
    assert "import 90.0 ms · load 8.1 ms? · first query 900.0 µs" in cold
    assert re.search(r"p50 +5\S+ µs +p90 +\S+ µs +p99 +–  \(2,000 queries\)", warm)
    assert "–" not in ids
    assert re.search(
        r"each after 100\.0 ms +p50 200\.0 µs +p90 200\.0 µs +p95 200\.0 µs +\(50 queries", paced
    )
    assert "doubtful   query: p99 is decided by waiting for a core" in lines
    assert "doubtful   load: loaded: the process waited" in lines


def test_every_reason_for_which_a_figure_is_withheld_is_told():
    record = make_record()
    record["validity"]["query"] = judged(50, 90, reasons=("p95 is not settled", "p99 is not settled"))
    lines = record_lines(record)
    assert [line for line in lines if line.startswith("doubtful")] == [
        "doubtful   query: p95 is not settled",
        "doubtful   query: p99 is not settled",
    ]
    assert "basis      measured; valid" in lines


def test_a_headline_without_its_reasons_twice():
    record = make_record(reasons=("query: loaded: x",))
    record["validity"]["query"] = judged(reasons=("loaded: x",))
    lines = record_lines(record)
    assert lines.count("invalid    query: loaded: x") == 1
    assert not [line for line in lines if line.startswith("doubtful")]


@pytest.fixture
def lost_runs(measured, monkeypatch, tmp_path):
    """A run whose folder of records cannot be written any more when the measurement is over."""
    runs, elsewhere = tmp_path / "runs", tmp_path / "tmp"

    def measure_bundle(*_):
        shutil.rmtree(runs)
        runs.write_text("the disk is gone")
        return read_record(measured[2])

    elsewhere.mkdir()
    monkeypatch.setattr(host, "measure_bundle", measure_bundle)
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere))
    return runs, elsewhere


def test_a_measurement_that_cannot_be_written_is_kept_elsewhere(measured, lost_runs, capsys):
    runs, elsewhere = lost_runs
    assert main(["run", str(measured[0].folder), "--runs", str(runs)]) == 1
    (path,) = elsewhere.rglob("*.json")
    assert read_record(path) == read_record(measured[2])
    err = capsys.readouterr().err
    assert f"cannot write {runs}" in err
    assert str(path) in err


def test_a_measurement_that_can_be_written_nowhere_is_printed(measured, lost_runs, capsys):
    runs, elsewhere = lost_runs
    elsewhere.rmdir()
    elsewhere.write_text("this disk too")
    assert main(["run", str(measured[0].folder), "--runs", str(runs)]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out) == read_record(measured[2])
    assert "kept: on standard output" in err


def test_a_disk_that_is_nearly_full_is_found_before_measuring(pristine, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=2**30, free=20 * 2**20))
    monkeypatch.setattr(host, "measure_bundle", lambda *_: pytest.fail("measured"))
    assert main(["run", str(pristine), str(pristine), "--runs", str(tmp_path)]) == 1
    assert "20.0 MiB free; 2 records may take 32.0 MiB. Nothing was measured" in capsys.readouterr().err


def test_an_error_of_the_system_is_one_line(pristine, tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise OSError(28, "No space left on device", str(tmp_path / "x"))

    monkeypatch.setattr(host, "measure_bundle", fail)
    assert main(["run", str(pristine), "--runs", str(tmp_path / "runs")]) == 1
    assert capsys.readouterr().err == f"error: No space left on device: {tmp_path / 'x'}\n"


def test_check_names_and_skips_what_is_no_record(measured, tmp_path, capsys):
    shutil.copy(measured[2], tmp_path / "good.json")
    (tmp_path / "survival.json").write_text('{"schema": "recpress.survival/1", "outcome": "fine"}')
    (tmp_path / "cut.json").write_text("{")
    budget = tmp_path / "budgets.toml"
    budget.write_text('[budget.any]\nmax_bytes = "1GB"\n')
    code = main(["check", str(tmp_path), "--budget", str(budget)])
    assert code == (0 if read_record(measured[2])["valid"] else 4)
    out, err = capsys.readouterr()
    assert "file" in out
    assert [line.split(":")[1].strip() for line in err.splitlines() if line.startswith("skipped")] == [
        str(tmp_path / "cut.json"),
        str(tmp_path / "survival.json"),
    ]


def test_a_board_that_throttles_during_a_real_run(pristine, tmp_path, monkeypatch):
    """A stand-in for vcgencmd: all is well at first, and under-voltage at the end."""
    program, asked = tmp_path / "bin" / "vcgencmd", tmp_path / "asked"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n[ "$1" = get_throttled ] || exit 1\n'
        f"if [ -e {asked} ]; then echo throttled=0x50005; else echo throttled=0x0; touch {asked}; fi\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    done = called("run", pristine, *QUICK, cwd=tmp_path)
    assert done.returncode == 4
    (path,) = (tmp_path / "runs").rglob("*.json")
    record = read_record(path)
    assert not record["valid"]
    assert (record["state"]["before"]["throttled"], record["state"]["after"]["throttled"]) == (
        "0x0",
        "0x50005",
    )
    assert any(reason.startswith("throttled during the run") for reason in record["invalid_reasons"])
    jsonschema.Draft202012Validator(SCHEMA).validate(record)


def test_wrong_usage(pristine, tmp_path):
    taken = tmp_path / "taken.json"
    taken.write_text("precious")
    for arguments, says in (
        (["--out", taken], "exists already"),
        (["--force"], "--force only goes with --out"),
        (["--k", "0"], "--k must be at least 1"),
        (["--seconds", "nan"], "--seconds"),
        ([pristine, "--out", tmp_path / "new.json"], "--out names one file but there are 2 bundles"),
    ):
        done = called("run", pristine, *arguments, cwd=tmp_path)
        assert done.returncode == 2, arguments
        assert says in done.stderr
    assert taken.read_text() == "precious"
    assert list(tmp_path.rglob("*.json")) == [taken]


def test_dry_run_measures_nothing(pristine, tmp_path):
    done = called("run", pristine, "--dry-run", cwd=tmp_path)
    assert done.returncode == 0
    assert f"device_bench run {pristine} --k 50" in done.stdout
    assert list(tmp_path.iterdir()) == []
