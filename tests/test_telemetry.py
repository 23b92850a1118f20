"""onnxruntime's vendor telemetry stays off: no extra thread, no file, no socket."""

import json
import os
import subprocess
import sys
import time

import psutil
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


def watch(command, home):
    """Run a command in an empty home: exit code, most threads of a process, every socket, every file."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_"))}
    environment = kept | {"HOME": str(home), "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    process = psutil.Popen(
        command, cwd=home, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    threads, sockets, looks = 0, set(), 0
    while process.poll() is None:
        for one in [process, *process.children(recursive=True)]:
            try:
                threads = max(threads, one.num_threads())
                sockets |= {str(connection) for connection in one.net_connections(kind="all")}
            except psutil.Error:  # it has just ended
                continue
        looks += 1
        time.sleep(0.005)
    assert looks > 20
    files = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    return process.returncode, threads, sockets, files


def test_a_whole_run_has_no_thread_no_socket_and_no_file_of_its_own(bundle, tmp_path):
    program = [sys.executable, "-m", "device_bench", "run", str(bundle.folder), "--out", "record.json"]
    code, threads, sockets, files = watch(
        [*program, "--seconds", "0.2", "--queries", "100", "--processes", "2", "--pause", "1ms"], tmp_path
    )
    assert code in (0, 4)
    assert (threads, sockets, files) == (1, set(), {"record.json"})


def test_the_watcher_would_see_it(tmp_path):
    """The counter-proof, in a child of what is watched."""
    noisy = (
        "import pathlib, socket, threading, time; kept = socket.socketpair()\n"
        "listening = socket.create_server(('127.0.0.1', 0))\n"
        "(pathlib.Path.home() / 'queue').write_text('x')\n"
        "threading.Thread(target=time.sleep, args=[0.5]).start()\n"
    )
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {noisy!r}], check=True)"
    _, threads, sockets, files = watch([sys.executable, "-c", code], tmp_path)
    assert threads == 2
    assert any("LISTEN" in text for text in sockets)
    assert files == {"queue"}
