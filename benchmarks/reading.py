"""Reading and importing logs of 1, 20 and 100 million rows: this repository, DuckDB alone, Polars alone.

    python benchmarks/reading.py --polars-python VENV/bin/python --out benchmarks/results/reading.json

Each subject is a process of its own with two threads, in turn, several rounds. ``read`` goes from the file
to codes of users and items in the order of the rows, ratings, times and sorted ids; ``import`` goes on to
distinct pairs, a split and files: data import here, the same job in numpy there. All must come to the same.
A sample is quiet where everything else used less than a twentieth of the machine; where it is busy, only CPU
seconds are compared. Logs are seeded (``_reading/logs.py``), and each is deleted after its turn unless --keep
is said. 100 million rows of text take 4 GB of disk, and more while they are made and read.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import ROOT, command_line, commit, options, run, table
from _reading.answer import Start
from _reading.logs import CONTAINERS, KINDS, LogShape, write_log

from device_bench.hardware import device_facts
from recpress_edge.core.errors import ConfigError, GateError, RecPressError
from recpress_edge.core.units import format_bytes
from recpress_edge.records.bench import write_record

SCHEMA: Final = "recpress.reading/1"
SUBJECTS: Final = ("ours", "duckdb", "polars")
JOBS: Final = ("read", "import")
QUIET_SHARE: Final = 0.05
MOST: Final = 1.5
"""At most so many times what the better of the others takes."""
THREADS: Final = 2
_PATHS: Final = (ROOT, ROOT / "export", ROOT / "benchmarks")
_HEADERS: Final = ("log", "bytes", "job", "subject", "wall", "CPU", "memory", "quiet", "ratio")


def parser() -> argparse.ArgumentParser:
    made = options(__doc__)
    made.add_argument("--polars-python", type=Path, help="a Python with polars and numpy; needed for polars")
    made.add_argument("--work", type=Path, default=Path("build/reading"), help="logs; default: %(default)s")
    made.add_argument("--millions", default="1,20", help="of rows, with commas (default: %(default)s)")
    for flag, known in (
        ("kinds", KINDS), ("containers", CONTAINERS), ("jobs", JOBS), ("subjects", SUBJECTS)
    ):  # fmt: skip
        made.add_argument(f"--{flag}", default=",".join(known), help="default: %(default)s")
    made.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    made.add_argument("--keep", action="store_true", help="keep the logs")
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every log, job and subject; what is known so far is printed and written after each job."""
    subjects, jobs = args.subjects.split(","), args.jobs.split(",")
    if "polars" in subjects and args.polars_python is None:
        raise ConfigError("polars needs --polars-python, a Python that has it; or leave it out of --subjects")
    args.work.mkdir(parents=True, exist_ok=True)
    shapes = itertools.product(args.millions.split(","), args.kinds.split(","), args.containers.split(","))
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "basis": "measured",
        "device": device_facts(),
        "threads": THREADS,
        "quiet_share": QUIET_SHARE,
        "versions": versions(args.polars_python),
        "cases": [],
    }
    for millions, kind, container in shapes:
        shape = LogShape(round(float(millions) * 1e6), kind, container)
        path = write_log(shape, args.work)
        facts = {"rows": shape.rows, "ids": kind, "container": container, "file_bytes": path.stat().st_size}
        for job in jobs:
            found = [facts | {"job": job} | one for one in in_turn(path, job, subjects, args)]
            record["cases"] += found
            print("\n".join("  ".join(_line(record, one)) for one in found), file=sys.stderr, flush=True)
            if args.out:
                write_record(args.out, record | {"command": command_line(), "commit": commit()})
        if not args.keep:
            path.unlink()
    return record


def versions(polars_python: Path | None) -> dict[str, str]:
    """Of what reads."""
    found = {"python": sys.version.split()[0], "numpy": version("numpy"), "duckdb": version("duckdb")}
    if polars_python is not None:
        asked = [str(polars_python), "-c", "import polars; print(polars.__version__)"]
        found["polars"] = subprocess.run(asked, capture_output=True, check=True, text=True).stdout.strip()
    return found


def in_turn(path: Path, job: str, subjects: Sequence[str], args: argparse.Namespace) -> list[dict[str, Any]]:
    """One case a subject, its rounds alternating with those of the others; all must do the same."""
    samples: dict[str, list[dict[str, Any]]] = {subject: [] for subject in subjects}
    for number in range(args.rounds):
        for subject in subjects if number % 2 == 0 else reversed(subjects):
            samples[subject].append(sample(path, job, subject, args))
    results = {one["same"] for several in samples.values() for one in several}
    if len(results) > 1:
        told = {subject: several[0]["same"] for subject, several in samples.items()}
        raise RecPressError(f"{path.name}, {job}: the subjects do not come to the same: {told}")
    return [case(subject, several) for subject, several in samples.items()]


def sample(path: Path, job: str, subject: str, args: argparse.Namespace) -> dict[str, Any]:
    """What one process spends from its start to its answer."""
    python = str(args.polars_python.absolute()) if subject == "polars" else sys.executable
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, _PATHS)),
        "POLARS_MAX_THREADS": str(THREADS),
    }
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        start = Start.now()
        words = [python, f"{ROOT}/benchmarks/_reading/with_{subject}.py", start.monotonic_ns, start.busy_s]
        files = [path.absolute(), *([folder] if job == "import" else [])]
        done = subprocess.run(
            [*map(str, words), *map(str, files)], capture_output=True, text=True, env=environment, check=False
        )
    if done.returncode:
        raise RecPressError(f"{subject}, {job} {path.name}: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def case(subject: str, samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Medians of a subject; of wall-clock time only where at least half of the samples are quiet."""
    quiet = [one["wall_s"] for one in samples if one["others_share"] < QUIET_SHARE]
    return {
        "subject": subject,
        "cpu_s": float(np.median([one["cpu_s"] for one in samples])),
        "wall_s": float(np.median(quiet)) if 2 * len(quiet) >= len(samples) else None,
        "peak_memory_bytes": max(one["peak_memory_bytes"] for one in samples),
        "samples": samples,
    }


def ratio(record: Mapping[str, Any], mine: Mapping[str, Any]) -> tuple[float, str] | None:
    """A case of ours over the better of the others: by wall-clock time where all were quiet, else by CPU."""
    same = ("rows", "ids", "container", "job")
    others = [
        one
        for one in record["cases"]
        if one["subject"] != "ours" and all(one[key] == mine[key] for key in same)
    ]
    if mine["subject"] != "ours" or not others:
        return None
    by = "wall_s" if all(one["wall_s"] is not None for one in (mine, *others)) else "cpu_s"
    return mine[by] / min(one[by] for one in others), "wall" if by == "wall_s" else "CPU"


def show(record: dict[str, Any]) -> str:
    """A line a case."""
    return table(_HEADERS, [_line(record, one) for one in record["cases"]])


def _line(record: Mapping[str, Any], one: Mapping[str, Any]) -> list[str]:
    found = ratio(record, one)
    quiet = sum(sample["others_share"] < record["quiet_share"] for sample in one["samples"])
    return [
        f"{one['rows'] / 1e6:g} M {one['ids']} {one['container']}",
        format_bytes(one["file_bytes"]),
        one["job"],
        one["subject"],
        "–" if one["wall_s"] is None else f"{one['wall_s']:.1f} s",
        f"{one['cpu_s']:.1f} s",
        format_bytes(one["peak_memory_bytes"]),
        f"{quiet} of {len(one['samples'])}",
        "" if found is None else f"{found[0]:.2f} ({found[1]})",
    ]


def gate(record: dict[str, Any]) -> None:
    """GateError where an import takes more than MOST times that of the better of the others."""
    found = [(one, ratio(record, one)) for one in record["cases"] if one["job"] == "import"]
    slow = [
        f"{one['rows'] / 1e6:g} M rows of {one['container']}, {one['ids']}: {times[0]:.2f}"
        for one, times in found
        if times is not None and times[0] > MOST
    ]
    if slow:
        raise GateError(f"more than {MOST:g} times the better of DuckDB and Polars: {'; '.join(slow)}")


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show, gate))
