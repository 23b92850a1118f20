"""--on armvm with the real emulator: what `make test-armvm` runs. Nothing here is ever skipped.

The bundle is made in the run, from seeded tables, and must be the very file that the committed figure is
for. After a change of runtime, kernel or bench that is meant to move the figure, write it again:

    RECPRESS_ARMVM_WRITE=1 make test-armvm
"""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from exports import make_source
from published import validator

from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.stats import percentile
from recpress_edge.records.bench import read_any_record, read_record
from recpress_export.build import build
from recpress_export.gates import Gate
from recpress_export.subjects.all_users import AllUsers

pytestmark = pytest.mark.armvm
QUICKLY = ("--processes", "3", "--seconds", "0")
"""A process is three seconds of emulation, and each of the thousand queries takes as many instructions."""
EXPECTED = Path(__file__).parents[1] / "fixtures" / "armvm.json"
TOLERANCE = 0.02
TARGET = "armvm:cortex-a53"
ANY = Gate(min_overlap=0.0, max_recall_loss=1.0, max_ndcg_loss=1.0, max_item_shift=1.0, lost_users=0)


def made(folder, n_users, n_items, dim, recipe, file_format="onnx"):
    source = make_source(folder / "model", n_users, n_items, dim)
    source = dataclasses.replace(source, file_format=file_format)
    return build(AllUsers(source), RECIPES[recipe], folder / "bundle", gate=ANY).bundle


def start(*arguments, cwd):
    return subprocess.Popen(
        [sys.executable, "-m", "device_bench", "run", *map(str, arguments)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def records(folder):
    return sorted(folder.rglob("*.json"), key=lambda path: path.stat().st_mtime)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return made(tmp_path_factory.mktemp("armvm"), 200, 4000, 16, "int8-dim")


@pytest.fixture(scope="module")
def two(bundle, tmp_path_factory):
    """The same command twice."""
    runs = tmp_path_factory.mktemp("runs")
    for _ in range(2):
        process = start(bundle.folder, "--on", TARGET, *QUICKLY, "--runs", runs, cwd=runs)
        talk, _ = process.communicate(timeout=1500)
        assert process.returncode == 0, talk
    return [read_record(path) for path in records(runs)]


def test_the_same_command_counts_the_same_to_the_byte(two):
    first, second = two
    assert json.dumps(first | {"created": ""}) == json.dumps(second | {"created": ""})


def test_the_record_is_whole_and_the_ids_are_the_host_s(two):
    validator("bench-1").validate(two[0])
    assert two[0]["host"]["ids_equal"]
    assert two[0]["valid"]
    assert two[0]["device"]["arch"] == "aarch64"
    memory = two[0]["memory_bytes"]
    assert 0 < memory["idle"]["pss_anon"] < memory["model"]["pss_anon"] < memory["model"]["vm_hwm"]


def test_instructions_per_query_are_the_committed_ones(two, bundle):
    found = {
        "target": TARGET,
        "model_sha256": two[0]["artifact"]["model_sha256"],
        "instructions_p50": percentile(two[0]["instructions"]["query"], 50),
        "software": two[0]["software"],
    }
    if os.environ.get("RECPRESS_ARMVM_WRITE"):
        EXPECTED.write_text(json.dumps(found, indent=2) + "\n")
    expected = json.loads(EXPECTED.read_text())
    assert found["model_sha256"] == expected["model_sha256"], "not the file that the figure is for"
    counted, committed = found["instructions_p50"], expected["instructions_p50"]
    assert abs(counted / committed - 1) <= TOLERANCE, (
        f"{counted:,.0f} instructions a query, committed {committed:,.0f}; "
        f"software {found['software']}, committed {expected['software']}"
    )


def test_memory_that_runs_out_is_an_outcome(tmp_path):
    large = made(tmp_path, 20, 60_000, 256, "fp32")  # 59 MiB that the runtime holds twice
    process = start(large.folder, "--on", TARGET, "--memory", "256M", "--runs", "runs", cwd=tmp_path)
    talk, _ = process.communicate(timeout=1500)
    assert process.returncode == 3, talk
    (path,) = records(tmp_path / "runs")
    record = read_any_record(path)
    validator("survival-1").validate(record)
    assert record["outcome"] == "out of memory"
    assert "OUT OF MEMORY" in talk


@pytest.mark.parametrize(("board", "format_name"), [("pi5", "onnx"), ("zero2", "tflite")])
def test_a_board_gives_this_machine_s_answers(tmp_path, board, format_name):
    small = made(tmp_path, 100, 1000, 16, "int8-dim", format_name)
    process = start(small.folder, "--on", f"armuser:{board}", "--runs", "runs", cwd=tmp_path)
    talk, _ = process.communicate(timeout=1500)
    assert process.returncode == 0, talk
    (path,) = records(tmp_path / "runs")
    record = json.loads(path.read_text())
    validator("parity-1").validate(record)
    assert record["host"]["ids_equal"]
    assert "memory_bytes" not in record
    assert {one["part"] for one in record["skipped"]} == {"memory", "latency"}  # the plugin was compiled
    assert 0 < record["profile"]["simd_share"] < 1


def emulators(process):
    return [child for child in process.children(recursive=True) if "qemu" in child.name()]


def test_a_killed_bench_leaves_no_emulator(bundle, tmp_path):
    process = start(bundle.folder, "--on", TARGET, "--runs", "runs", cwd=tmp_path)
    bench, end = psutil.Process(process.pid), time.monotonic() + 300
    while not (running := emulators(bench)):
        assert process.poll() is None
        assert time.monotonic() < end, "the emulator was never started"
        time.sleep(0.2)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not psutil.wait_procs(running, timeout=10)[1]
    assert not list(tmp_path.rglob("*.json"))


def test_a_missing_tool_is_said_and_is_no_pass(bundle, tmp_path):
    """Without apt and with an empty cache there is nothing to run."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(sys.executable)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "device_bench",
            "run",
            bundle.folder,
            "--on",
            TARGET,
            "--cache",
            tmp_path / "c",
        ],
        env={**os.environ, "PATH": str(tmp_path / "bin")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("skipped: install ")
    assert shutil.which("apt-get")  # it is this test's doing, not the machine's
