"""onnxruntime's vendor telemetry stays off: no extra thread, no file, no socket."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from bundles import make_bundle

PROBE = """
import json, os, sys, time
from pathlib import Path
before = len(os.listdir("/proc/self/task"))
from recpress_edge.device.onnx_runtime import OnnxRuntime
from recpress_edge.artifacts.bundle import open_bundle
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


ROOT = Path(__file__).parents[2]
# A plugin of pytest, and what the entries below run in: a stand-in for onnxruntime, which never loads here,
# that notes by whom it is imported and whether the variable was set.
NOTES = """
import importlib.abc, importlib.util, os, sys

asked = []

class StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "onnxruntime":
            asked.append(os.environ.get("ORT_DISABLE_TELEMETRY"))
            return importlib.util.spec_from_loader(name, self, is_package=True)

    def exec_module(self, module):
        module.__version__ = "1.99.0"
        module.__getattr__ = attribute

def attribute(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (), {})

sys.meta_path.insert(0, StandIn())
sys.modules.pop("onnxruntime", None)

def pytest_sessionfinish():
    print("ASKED", asked)
"""


def run_with_notes(tmp_path, *command):
    """A Python command without the variable, in an empty home: its output, and the files it left there."""
    home, notes = tmp_path / "home", tmp_path / "notes"
    home.mkdir()
    notes.mkdir()
    (notes / "ort_notes.py").write_text(NOTES)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORT_", "XDG_", "PYTEST"))}
    path = os.pathsep.join(map(str, (notes, ROOT, ROOT / "export", ROOT / "tests", ROOT / "benchmarks")))
    done = subprocess.run(
        [sys.executable, *command],
        env=kept | {"HOME": str(home), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


IMPORTERS = [
    path
    for path in sorted((ROOT / "tests").rglob("test_*.py"))
    if re.search("^(from|import) onnxruntime", path.read_text(), re.MULTILINE)
]


def test_every_test_file_finds_the_variable_set_when_it_imports_onnxruntime(tmp_path):
    assert IMPORTERS
    for path in IMPORTERS:  # alone: before it no package of ours has set it
        (tmp_path / path.stem).mkdir()
        said, files = run_with_notes(
            tmp_path / path.stem,
            *("-m", "pytest", "-p", "ort_notes", "-p", "no:cacheprovider", "--collect-only", "-q", str(path)),
        )
        asked = json.loads(re.search(r"ASKED (\[.*?\])", said)[1].replace("'", '"'))
        assert set(asked) == {"1"}
        assert not [name for name in files if "matplotlib" not in name]


ENTRIES = [
    *(
        path
        for folder in ("benchmarks", "examples/android_stub/tools")
        for path in sorted((ROOT / folder).glob("*.py"))
        if re.search("^(from|import) (device_bench|recpress_|onnxruntime)", path.read_text(), re.MULTILINE)
        and path.name != "tensorflow_judge.py"  # needs an environment of its own
    ),
    *(ROOT / name / "__init__.py" for name in ("recpress_edge", "device_bench", "export/recpress_export")),
]


# Imports one entry after the other as if each were the first, but that our modules below the packages, once
# executed, are only found again: each is imported after its package, which sets the variable.
EACH_ENTRY = """
import importlib.abc, importlib.util, os, sys, ort_notes

OURS = ("recpress_edge", "recpress_export", "device_bench")
kept = {}

class Again(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name in kept:
            return importlib.util.spec_from_loader(name, self, is_package=hasattr(kept[name], "__path__"))

    def create_module(self, spec):
        return kept[spec.name]

    def exec_module(self, module):
        pass

sys.meta_path.insert(0, Again())
for path in sys.argv[1:]:
    os.environ.pop("ORT_DISABLE_TELEMETRY", None)
    for name in [n for n in sys.modules if n.partition(".")[0] in (*OURS, "onnxruntime")]:
        module = sys.modules.pop(name)
        if name.startswith(tuple(f"{package}." for package in OURS)):
            kept[name] = module
    sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location("entry", path)
    module = sys.modules["entry"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    import onnxruntime  # as soon as it would load from now on

    if ort_notes.asked.pop() != "1" or set(ort_notes.asked) - {"1"}:
        print("UNSET", path)
"""


def test_every_entry_sets_it_before_onnxruntime_can_load(tmp_path):
    said, files = run_with_notes(tmp_path, "-c", EACH_ENTRY, *map(str, ENTRIES))
    assert "UNSET" not in said
    assert len(ENTRIES) > 15
    assert not [name for name in files if "matplotlib" not in name]
