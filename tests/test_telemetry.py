"""onnxruntime's vendor telemetry stays off: no extra thread, no file, no socket."""

import json
import os
import subprocess
import sys

import pytest
from bundles import make_bundle

PROBE = """
import json, os, sys, time
from pathlib import Path
before = len(os.listdir("/proc/self/task"))
from device_bench.runtimes.onnx_runtime import OnnxRuntime
from recpress_edge.core.bundle import open_bundle
bundle = open_bundle(Path(sys.argv[1]))
runtime = OnnxRuntime(bundle.model_path, bundle.contract)
for user in range(20):
    runtime.recommend(user, [0, 1], 10)
time.sleep(0.5)  # a telemetry thread would have opened its files and connections by now
def target(fd):
    try: return os.readlink(f"/proc/self/fd/{fd}")
    except OSError: return ""
print(json.dumps({
    "set": os.environ.get("ORT_DISABLE_TELEMETRY"),
    "threads_before": before,
    "threads": len(os.listdir("/proc/self/task")),
    "sockets": [t for t in map(target, os.listdir("/proc/self/fd")) if t.startswith("socket:")],
}))
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("telemetry") / "tiny-int8")


def probe(bundle, home, program=PROBE):
    # as a user would start it: without the variable, in a home folder that has never seen onnxruntime
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_"))}
    environment = kept | {"HOME": str(home), "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    out = subprocess.run(
        [sys.executable, "-c", program, str(bundle.folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        cwd=home,
    )
    return json.loads(out.stdout)


def test_nothing_but_the_query_runs(bundle, tmp_path):
    found = probe(bundle, tmp_path)
    assert found["set"] == "1"
    assert found["threads"] == found["threads_before"] == 1
    assert found["sockets"] == []
    assert list(tmp_path.rglob("*")) == []  # no cache, no identifier, no queue on disk


def test_the_probe_would_see_it(bundle, tmp_path):
    """The same probe around a program that does all three (not telemetry itself: tests send nothing)."""
    noisy = (
        "import socket, threading, time, pathlib\n"
        "kept = socket.socket()\n"
        "(pathlib.Path.home() / 'queue').write_text('x')\n"
        "threading.Timer(0, time.sleep, [1]).start()\n"
    )
    found = probe(bundle, tmp_path, PROBE.replace("time.sleep(0.5)", f"exec({noisy!r}); time.sleep(0.5)"))
    assert found["threads"] == found["threads_before"] + 1
    assert len(found["sockets"]) == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["queue"]
