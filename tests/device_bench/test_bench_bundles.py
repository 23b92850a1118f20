"""device_bench from the command line: its runtimes, self-tests, damaged bundles, runs that are stopped."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import psutil
import pytest
from bench_commands import QUICK, SCHEMA, bench, called
from bundles import make_bundle
from damage import accident, edit_selftest
from exports import make_source

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.rng import stream
from recpress_edge.records.bench import differences, read_record
from recpress_export.build import build
from recpress_export.gates import Gate
from recpress_export.subjects.all_users import AllUsers


@pytest.fixture
def folder(pristine, tmp_path):
    """A fresh copy that a test may damage."""
    return Path(shutil.copytree(pristine, tmp_path / "tiny"))


@pytest.fixture(scope="module")
def tflite(tmp_path_factory):
    """A bundle as export writes it."""
    return export_to(tmp_path_factory.mktemp("tflite"), "tflite")


def export_to(home, file_format):
    gate = Gate(min_overlap=0.0, max_recall_loss=1.0, max_ndcg_loss=1.0, max_item_shift=1.0, lost_users=0)
    source = dataclasses.replace(make_source(home / "model"), file_format=file_format)
    return build(AllUsers(source), RECIPES["int8-dim"], home / f"tiny-{file_format}", gate=gate).bundle.folder


@pytest.fixture(scope="module", params=["onnx", "tflite"])
def exported(request, tflite, tmp_path_factory):
    """A bundle of either format as export writes it."""
    return tflite if request.param == "tflite" else export_to(tmp_path_factory.mktemp("onnx"), "onnx")


def test_a_tflite_bundle_is_exact_without_and_within_tolerance_with_a_delegate(tflite, tmp_path):
    records = {}
    for delegate in ([], ["--delegate", "xnnpack"]):
        done = called("run", tflite, *QUICK, *delegate, "--json", cwd=tmp_path)
        assert done.returncode in (0, 4), done.stderr
        (run,) = json.loads(done.stdout)["runs"]
        records[bool(delegate)] = run["record"]
        jsonschema.Draft202012Validator(SCHEMA).validate(run["record"])
    plain, xnnpack = records[False], records[True]
    assert plain["selftest"] == {"queries": 64, "exact": True}
    assert xnnpack["selftest"]["exact"] is False
    assert 0.95 <= xnnpack["selftest"]["overlap"] <= 1
    assert "delegate" not in plain["protocol"]
    assert xnnpack["protocol"]["delegate"] == "xnnpack"
    assert xnnpack["protocol"]["command"].endswith("--delegate xnnpack")
    assert differences(plain, xnnpack) == []  # compared side by side, each under its own name
    for record in records.values():
        assert record["artifact"]["format"] == "tflite"
        assert record["software"]["ai-edge-litert"]
        assert "onnxruntime" not in record["software"]


def test_the_reference_is_a_runtime_like_any_other(exported, tmp_path):
    """Equal answers in the record, and its own label, under which it stands beside other runtimes."""
    paths = []
    for flags in ([], ["--runtime", "reference"]):
        done = called("run", exported, *QUICK, *flags, "--json", cwd=tmp_path)
        assert done.returncode in (0, 4), done.stderr
        (run,) = json.loads(done.stdout)["runs"]
        jsonschema.Draft202012Validator(SCHEMA).validate(run["record"])
        paths.append(tmp_path / run["path"])
    own, reference = map(read_record, paths)
    assert reference["software"]["runtime"] == "numpy-reference"
    assert reference["protocol"]["runtime"] == "reference"
    assert "runtime" not in own["protocol"]
    assert reference["protocol"]["command"].endswith("--runtime reference")
    assert (reference["quality"], reference["selftest"]) == (own["quality"], own["selftest"])
    assert differences(own, reference) == []


@pytest.mark.parametrize("flags", [("--delegate", "xnnpack"), ("--threads", "2")])
def test_what_the_reference_cannot_do_is_refused(tflite, flags, tmp_path):
    done = called("run", tflite, *QUICK, "--runtime", "reference", *flags, cwd=tmp_path)
    assert done.returncode == 2
    assert "--runtime reference: it computes on one thread and has no --delegate" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_delegate_for_another_format_is_refused(pristine, tmp_path):
    done = called("run", pristine, *QUICK, "--delegate", "xnnpack", cwd=tmp_path)
    assert done.returncode == 2
    assert "--delegate xnnpack is for tflite bundles" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_self_test_of_a_tflite_bundle_loads_no_other_runtime(tflite):
    code = (
        "import sys; from recpress_edge.device.verify import verify_bundle; from pathlib import Path; "
        "found = verify_bundle(Path(sys.argv[1])); print(len(found.test.users), 'answers as expected'); "
        "assert 'onnxruntime' not in sys.modules and 'ai_edge_litert' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, tflite], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "64 answers as expected" in done.stdout


def test_a_self_test_as_json_is_one_object(pristine, tmp_path):
    done = bench("self-test", pristine, pristine, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    bundle = open_bundle(pristine)
    facts = {"bundle": bundle.name, "sha256": bundle.digest, "files": len(bundle.files)}
    answers = len(bundle.selftest().users)
    assert json.loads(done.stdout) == {"bundles": [{**facts, "answers": answers}] * 2}
    assert done.stderr.count("answers as expected") == 2


def test_state_and_self_test(pristine, tmp_path):
    state = json.loads(bench("state", cwd=tmp_path).stdout)
    jsonschema.Draft202012Validator({**SCHEMA["properties"]["device"], "$defs": SCHEMA["$defs"]}).validate(
        state["device"]
    )
    done = bench("self-test", pristine, cwd=tmp_path)
    assert done.returncode == 0
    assert "8 answers as expected" in done.stdout


def swap_answer(value):
    items = value["items"][5]
    items[0], items[1] = items[1], items[0]


@pytest.mark.parametrize("recipe", ["int8-dim", "fp32"])
def test_wrong_answers_are_found_before_anything_is_timed(recipe, tmp_path):
    folder = make_bundle(tmp_path / "tiny", recipe=recipe).folder
    edit_selftest(folder, swap_answer)
    open_bundle(folder)  # nothing wrong with its digests
    done = called("run", folder, *QUICK, cwd=tmp_path)
    assert done.returncode == 1
    assert "self-test failed at user 5" in done.stderr
    assert "rank 1 is item" in done.stderr
    assert "Nothing was timed" in done.stderr
    assert "cold" not in done.stderr + done.stdout
    assert list(tmp_path.rglob("runs/**/*.json")) == []


@pytest.mark.parametrize("index", [0, 1, 2])
def test_corruption_on_the_command_line(folder, index, tmp_path):
    accident(folder, stream(index, "corruption"))
    done = called("run", folder, *QUICK, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1  # one line, no traceback
    assert not (tmp_path / "runs").exists()


def test_no_bundle_at_all(tmp_path):
    done = called("run", tmp_path / "nothing", cwd=tmp_path)
    assert done.returncode == 2
    assert f"no such file or folder: {tmp_path / 'nothing'}" in done.stderr
    (tmp_path / "empty").mkdir()
    done = called("run", tmp_path / "empty", cwd=tmp_path)
    assert done.returncode == 1
    assert "is not a bundle" in done.stderr
    assert "recpress-edge export" in done.stderr


def test_a_place_that_cannot_be_written_is_found_before_measuring(pristine, tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    done = called("run", pristine, *QUICK, cwd=tmp_path)
    assert done.returncode == 1
    assert "cannot write" in done.stderr
    assert "self-test passed" not in done.stderr
    assert (tmp_path / "runs").read_text() == "a file where the folder should be"


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_no_process_and_no_record(pristine, tmp_path, number):
    program = [
        sys.executable,
        "-m",
        "device_bench",
        "run",
        str(pristine),
        "--seconds",
        "60",
        "--processes",
        "1",
    ]
    bench_process = subprocess.Popen(
        program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while not (workers := psutil.Process(bench_process.pid).children()) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(bench_process.pid, number)
    _, err = bench_process.communicate(timeout=30)
    assert bench_process.returncode == 130
    assert "nothing was recorded" in err
    assert psutil.wait_procs(workers, timeout=5)[1] == []
    assert list(tmp_path.rglob("runs/**/*.json")) == []
