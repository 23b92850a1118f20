"""Mutated bundles and records against every reader: a refusal with a reason, or an answer; never a crash.

    python tests/fuzz_bundles.py --count 300000 --out benchmarks/results/fuzz-bundles.json

Each case is one seeded mutation of a small bundle.
(1) This process opens it and reads every file of it but the model: anything but an ArtifactError, more than
SLOW_S, or a growth beyond GROWN is a finding.
(2) Where it opens and its model is another one, or in one case of EVERY_FORK, a child forked from a process
that has both runtimes loaded verifies it whole, within limits. That it dies is no finding; that it ends with
anything but an ArtifactError is.
(3) In one of EVERY_WORKER the worker of the verbs does so, a fresh process.
(4) One of EVERY_VERB goes through a whole command.
(5) One of EVERY_RECORD is a record, which goes through inspect, compare, check or pick.
"""

import argparse
import contextlib
import io
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bundles import make_bundle
from damage import edit_selftest
from exports import exported, items_file
from mutations import in_memory, mutate_bundle, mutate_json
from records import make_record

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.rng import stream
from recpress_edge.device.apart import self_test_apart
from recpress_edge.device.guard import Guard
from recpress_edge.device.process import WorkerError, WorkerKilledError, WorkerTimeoutError
from recpress_edge.device.verify import verify_bundle
from recpress_export.lean.strip import strip_bundle

SLOW_S, GROWN = 5.0, 500 * 2**20
EVERY_FORK, EVERY_WORKER, EVERY_VERB, EVERY_RECORD = 100, 1500, 3000, 100
FORK_MEMORY, FORK_S = 2**30, 10
GUARD = Guard(memory_bytes=2**30, time_s=20)
PRISTINE = 0
"""Time of a file that is a base's own."""
ROWS = ("users", "seen", "items", "scores")
REFUSED, ACCEPTED = "refused", "accepted"


def bases(home):
    """Small bundles of every kind that a model file has."""
    folders = [
        make_bundle(home / "plain-int8", n_users=12, n_items=80, k=10, n_tests=4).folder,
        make_bundle(home / "plain-fp32", n_users=12, n_items=80, k=10, n_tests=4, recipe="fp32").folder,
        exported(home / "onnx-int8").folder,
        strip_bundle(home / "onnx-int8", home / "onnx-lean").lean.folder,
        exported(home / "onnx-int4", "int4-item").folder,
        exported(home / "onnx-one", user="user 3").folder,
        exported(home / "tflite-int8", file_format="tflite").folder,
        exported(home / "tflite-fp32", "fp32", file_format="tflite").folder,
    ]
    for folder in folders:  # a few queries are enough, and many times as many cases fit
        edit_selftest(folder, lambda test: [test[name].__delitem__(slice(4, None)) for name in ROWS])
    return folders


class Case:
    """A folder that holds a base's files again before each case: only what a case touched is written."""

    def __init__(self, base, folder):
        self.name, self.folder = base.name, folder
        self.files = {path.name: path.read_bytes() for path in base.iterdir()}

    def restore(self):
        """Whatever was written, linked or removed has another time than PRISTINE, or is no plain file."""
        self.folder.mkdir(exist_ok=True)
        there = {}
        for entry in os.scandir(self.folder):
            found = entry.stat(follow_symlinks=False)
            kept = stat.S_ISREG(found.st_mode) and found.st_mtime_ns == PRISTINE and entry.name in self.files
            if kept and found.st_nlink == 1:
                there[entry.name] = found
            elif entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)  # noqa: PTH108 - quick
        for name in self.files.keys() - there.keys():
            path = self.folder / name
            path.write_bytes(self.files[name])
            os.utime(path, ns=(PRISTINE, PRISTINE))
        return self.folder


def read_here(folder):
    """Everything but the model, in this process."""
    bundle = open_bundle(folder)
    bundle.selftest()
    bundle.evaluation()
    bundle.user_ids()
    bundle.item_ids()


def outcome_of(work):
    """What came of it: refused, accepted, or the error that should not be."""
    try:
        work()
    except ArtifactError as error:
        return REFUSED if error.fault else f"no fault: {error}"
    except Exception as error:  # that is what is sought
        return f"{type(error).__name__}: {error}"[:300]
    return ACCEPTED


def verify_in_fork(folder):
    """What a child says that verifies it, or how it died."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        resource.setrlimit(resource.RLIMIT_DATA, (FORK_MEMORY, FORK_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (FORK_S, FORK_S))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.alarm(3 * FORK_S)
        said = outcome_of(lambda: verify_bundle(folder))
        os.write(writing, said.encode(errors="replace")[:400])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return f"died: {signal.Signals(-code).name}" if code < 0 else said


def verify_apart(folder):
    """What the verbs do."""
    try:
        self_test_apart(folder, GUARD)
    except WorkerTimeoutError:
        return "time limit"
    except WorkerKilledError:
        return "memory limit or killed"
    except WorkerError as error:
        return "worker failed" if "crashed with" in str(error) else f"{type(error).__name__}: {error}"[:300]
    except ArtifactError:
        return REFUSED
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    return ACCEPTED


VERBS = (
    ("device_bench", "self-test", "{}", "--time-limit", "20s", "--memory-limit", "1G"),
    ("device_bench", "run", "{}", "--dry-run"),
    ("recpress_edge", "inspect", "{}"),
    ("recpress_edge", "inspect", "{}", "--json"),
    (
        "recpress_edge",
        "bundle",
        "update",
        "{}",
        "--items",
        "{home}/items.npz",
        "--out",
        "{home}/updated",
        "--force",
    ),
    ("recpress_edge", "bundle", "update", "{}", "--items", "{home}/items.npz", "--dry-run"),
    ("recpress_edge", "bundle", "rollback", "{home}/current"),
)


def verb(folder, home, number):
    """One whole command, in a process of its own; what it printed must be lines that a person can read."""
    module, *words = VERBS[number % len(VERBS)]
    if words[1:2] == ["rollback"]:
        shutil.rmtree(home / "current.previous", ignore_errors=True)
        shutil.copytree(folder, home / "current.previous", symlinks=True)
    command = [sys.executable, "-m", module, *(word.format(folder, home=home) for word in words)]
    try:
        done = subprocess.run(command, capture_output=True, cwd=home, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return f"{' '.join(words[:2])}: no end"
    text = (done.stdout + done.stderr).decode(errors="surrogateescape")
    steering = [c for c in text if not c.isprintable() and c != "\n"]
    if done.returncode not in (0, 1, 2, 3) or "Traceback" in text or steering:
        return f"{' '.join(words[:2])}: exit {done.returncode} {steering[:3]} {text[-300:]}"
    return f"exit {done.returncode}"


def record_outcome(record, home, number):
    """A mutated record through one command, in this process."""
    from device_bench.__main__ import main as bench
    from recpress_edge.cli import main

    file = home / "record.json"
    file.write_text(json.dumps(record))
    calls = (
        (main, ["inspect", str(file)]),
        (main, ["pick", str(file), "--max-bytes", "1GB"]),
        (bench, ["compare", str(file), str(home / "good.json")]),
        (bench, ["check", str(file), "--budget", str(home / "budgets.toml")]),
    )
    call, words = calls[number % len(calls)]
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = call(words)
    except BaseException as error:
        return f"{words[0]}: {type(error).__name__}: {error}"[:300]
    text = out.getvalue() + err.getvalue()
    if code not in (0, 1, 2, 3, 4) or any(not c.isprintable() and c != "\n" for c in text):
        return f"{words[0]}: exit {code}: {text[-300:]!r}"
    return f"exit {code}"


class Run:
    """Counts of what came of the cases, and the findings."""

    def __init__(self, home, seed):
        self.home, self.seed = home, seed
        self.bases = bases(home)
        self.folders = [Case(base, home / f"case-{base.name}") for base in self.bases]
        self.counts = {name: Counter() for name in ("in process", "forked", "worker", "verbs", "records")}
        self.findings, self.cases, self.slowest_s = [], 0, 0.0
        items_file(home / "items.npz", retire_ids=["item-3"])
        shutil.copytree(self.bases[2], home / "current")
        (home / "good.json").write_text(json.dumps(make_record(queries=60)))
        (home / "budgets.toml").write_text("[budget.any]\nmin_recall_at_50 = 0.1\n")

    def note(self, stage, said, fine, number, what):
        self.counts[stage][said if fine else "finding"] += 1
        if not fine:
            self.findings.append({"case": number, "stage": stage, "done": what, "said": said})

    def case(self, number):
        rng = stream(self.seed, f"fuzz {number}")
        base = self.folders[int(rng.integers(len(self.folders)))]
        folder = base.restore()
        what, model = mutate_bundle(folder, rng)
        what = f"{base.name}: {what}"
        before, start = peak(), time.perf_counter()
        said = outcome_of(lambda: read_here(folder))
        took = time.perf_counter() - start
        self.slowest_s = max(self.slowest_s, took)
        fine = said in (REFUSED, ACCEPTED) and took < SLOW_S and peak() - before < GROWN
        self.note("in process", said, fine, number, what)
        if (said == ACCEPTED and model) or number % EVERY_FORK == 0:
            said = verify_in_fork(folder)
            self.note("forked", said, said in (REFUSED, ACCEPTED) or said.startswith("died"), number, what)
        if number % EVERY_WORKER == 0:
            said = verify_apart(folder)
            known = (REFUSED, ACCEPTED, "time limit", "memory limit or killed", "worker failed")
            self.note("worker", said, said in known, number, what)
        if number % EVERY_VERB == 0:
            said = verb(folder, self.home, number // EVERY_VERB)
            self.note("verbs", said, said.startswith("exit"), number, what)
        if number % EVERY_RECORD == 0:
            record = mutate_json(make_record(queries=60), rng)
            said = record_outcome(record, self.home, number // EVERY_RECORD)
            self.note("records", said, said.startswith("exit"), number, "record")
        self.cases += 1

    def facts(self, seconds, command):
        return {
            "command": command,
            "seed": self.seed,
            "cases": self.cases,
            "through": {name: sum(counts.values()) for name, counts in self.counts.items()},
            "came of it": {name: dict(counts.most_common()) for name, counts in self.counts.items()},
            "slowest_in_process_s": round(self.slowest_s, 3),
            "peak_resident_bytes": peak(),
            "seconds": round(seconds),
            "cpu_seconds": round(cpu_seconds()),
            "findings": self.findings[:200],
        }


def cpu_seconds():
    """Of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def peak():
    """Bytes that this process held at most (its own, not those of its children)."""
    with open("/proc/self/status") as file:  # noqa: PTH123
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case (default: 0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="end after so long")
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--scratch", type=Path, default=in_memory(), help="where bundles are spoilt (default: %(default)s)"
    )
    args = parser.parse_args()
    import ai_edge_litert.interpreter
    import onnxruntime  # noqa: F401 - so that children have both

    del ai_edge_litert
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))  # then it writes what it has
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=args.scratch) as home:
        run = Run(Path(home), args.seed)
        for number in range(args.first, args.first + args.count):
            if time.perf_counter() - start > 60 * args.minutes or stop:
                break
            run.case(number)
            if number % 2000 == 1999:
                print(f"{number + 1}: {len(run.findings)} findings", file=sys.stderr, flush=True)
        facts = run.facts(time.perf_counter() - start, f"python {' '.join(sys.argv)}")
    text = json.dumps(facts, indent=2, ensure_ascii=True) + "\n"
    if args.out:
        args.out.write_text(text)
    print(text)
    return 1 if run.findings else 0


if __name__ == "__main__":
    sys.exit(main())
