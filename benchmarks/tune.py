"""recpress-edge tune, left alone, killed in the middle, and on a cluster: what it finds, and if all agree.

    python benchmarks/tune.py --data work --set six-ml-100k=60KB --trials 16 --out tune.json

--data is a work folder that has the data sets. The killed search gets SIGKILL once half of its tries are
kept, in a work folder of its own, and then the same command again. Its tries, all but their seconds, must be
those of the search that was left alone, and its bundle must have the same bytes; so must those of a search
on a Ray cluster of two nodes on this machine (--beside cluster, extra ray).
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from _bench import machine, options, run, table
from _cluster import cluster, environment, models_on

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.core.errors import GateError, RecPressError
from recpress_edge.core.units import format_recall
from recpress_edge.jobs.tune.trial import TRIALS

SCHEMA: Final = "recpress.tune-bench/1"
LOOK_S: Final = 0.2


def main() -> int:
    """Search each set twice and print what was found."""
    parser = options(__doc__)
    parser.add_argument("--data", type=Path, required=True, metavar="WORK", help="has the data sets")
    parser.add_argument("--set", action="append", required=True, metavar="NAME=SIZE", help="may be repeated")
    parser.add_argument("--beside", default="killed", metavar="A,B", help="killed, cluster (default: killed)")
    parser.add_argument("--trials", type=int, default=16, metavar="N", help="default: %(default)s")
    return run(parser, measure, show, gate)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """A record of all sets."""
    sets = [asked.partition("=")[::2] for asked in args.set]
    return {
        "schema": SCHEMA,
        "basis": "measured",
        **machine("optuna", version("optuna"), torch=version("torch")),
        "trials": args.trials,
        "sets": {name: _searched(args, name, size) for name, size in sets},
    }


def _searched(args: argparse.Namespace, name: str, size: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="recpress-tune-") as scratch:
        whole, killed = (_work(Path(scratch) / kind, args.data, name) for kind in ("whole", "killed"))
        words = ["tune", "--data", name, "--max-bytes", size, "--trials", str(args.trials), "--json"]
        found = _answer(words, whole)
        beside = {}
        if "killed" in args.beside.split(","):
            before = _killed(words, killed, len(found["trials"]) // 2)
            again = _answer(words, killed)
            beside["killed"] = {"tries_before": before, **_equal(found, whole, again, killed)}
        if "cluster" in args.beside.split(","):
            facts, there, asks = _on_cluster(words, Path(scratch), args.data, name)
            beside["cluster"] = facts | _equal(found, whole, there, asks)
        return {
            "max_bytes": found["asked"]["max_bytes"],
            "cpu_seconds": found["cpu_seconds"],
            "chosen": found["chosen"],
            "tested": found["tested"],
            "verdict": found["verdict"],
            "tries": [_alike(trial) for trial in found["trials"]],
            **beside,
        }


def _equal(found: dict[str, Any], whole: Path, other: dict[str, Any], work: Path) -> dict[str, bool]:
    """Whether another search has the same tries and the same bundle."""
    bundles = [open_bundle(folder / "dist" / found["bundle"]).digest for folder in (whole, work)]
    return {
        "equal_tries": list(map(_alike, found["trials"])) == list(map(_alike, other["trials"])),
        "equal_bundle": bundles[0] == bundles[1],
    }


def _on_cluster(
    words: list[str], scratch: Path, data: Path, name: str
) -> tuple[dict[str, Any], dict[str, Any], Path]:
    """What is said of the cluster, what the search found there, and the work folder of who asked."""
    home, work = scratch / "ray", _work(scratch / "asks", data, name)
    home.mkdir()
    started = time.monotonic()
    with cluster(home) as address:
        found = _answer([*words, "--ray", address], work, environment(home, "asks"))
        facts = {"ray": version("ray"), "models_on_nodes": models_on(home)}
    return facts | {"wall_seconds": round(time.monotonic() - started, 1)}, found, work


def _work(folder: Path, data: Path, name: str) -> Path:
    shutil.copytree(data / "data" / name, folder / "data" / name)
    return folder


def _command(words: list[str], work: Path) -> list[str]:
    return [sys.executable, "-m", "recpress_edge", *words, "--work", str(work)]


def _answer(words: list[str], work: Path, environ: dict[str, str] | None = None) -> dict[str, Any]:
    done = subprocess.run(_command(words, work), capture_output=True, text=True, check=False, env=environ)
    if done.returncode:
        raise RecPressError(f"{' '.join(words)} failed: {done.stderr[-2000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _killed(words: list[str], work: Path, after: int) -> int:
    """Start a search and kill it once so many tries are kept; how many were."""
    trials = work / TRIALS
    process = subprocess.Popen(
        _command(words, work), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL
    )
    while process.poll() is None and len(list(trials.glob("*.json"))) < after:
        time.sleep(LOOK_S)
    process.kill()
    process.wait()
    return len(list(trials.glob("*.json")))


def _alike(trial: dict[str, Any]) -> dict[str, Any]:
    """A try without what the clock says."""
    return {key: value for key, value in trial.items() if key not in ("seconds", "cpu_seconds")}


def show(record: dict[str, Any]) -> str:
    """The sets as a table."""
    rows = []
    for name, found in record["sets"].items():
        gains = [
            f"{format_recall(gain['student'])} / {format_recall(gain['baseline'])} {gain['stand']}"
            for gain in found["verdict"]["gains"].values()
        ]
        rows.append([name, f"{found['max_bytes']:,}", found["verdict"]["stand"], *gains])
    metrics = next(iter(record["sets"].values()))["verdict"]["gains"]
    return table(["data", "bytes", "student", *metrics], rows)


def gate(record: dict[str, Any]) -> None:
    """GateError where another search found something else."""
    whose = {"killed": "that was killed and went on", "cluster": "on the cluster"}
    for name, found in record["sets"].items():
        for kind in whose.keys() & found.keys():
            if not (found[kind]["equal_tries"] and found[kind]["equal_bundle"]):
                raise GateError(f"{name}: the search {whose[kind]} found something else")


if __name__ == "__main__":
    sys.exit(main())
