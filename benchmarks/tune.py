"""recpress-edge tune, left alone and killed in the middle: what it finds, and whether both agree.

    python benchmarks/tune.py --data work --set ml-100k=60KB --set citeulike=700KB --trials 16 --out tune.json

--data is a work folder that has the data sets. The killed search gets SIGKILL once half of its tries are
kept, in a work folder of its own, and then the same command again. Its tries, all but their seconds, must be
those of the search that was left alone, and its bundle must have the same bytes.
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
        "sets": {name: _searched(args.data, name, size, args.trials) for name, size in sets},
    }


def _searched(data: Path, name: str, size: str, trials: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="recpress-tune-") as scratch:
        whole, killed = (_work(Path(scratch) / kind, data, name) for kind in ("whole", "killed"))
        words = ["tune", "--data", name, "--max-bytes", size, "--trials", str(trials), "--json"]
        found = _answer(words, whole)
        before = _killed(words, killed, len(found["trials"]) // 2)
        again = _answer(words, killed)
        bundles = [open_bundle(work / "dist" / found["bundle"]).digest for work in (whole, killed)]
        return {
            "max_bytes": found["asked"]["max_bytes"],
            "cpu_seconds": found["cpu_seconds"],
            "chosen": found["chosen"],
            "tested": found["tested"],
            "verdict": found["verdict"],
            "tries": [_alike(trial) for trial in found["trials"]],
            "killed": {
                "tries_before": before,
                "equal_tries": list(map(_alike, found["trials"])) == list(map(_alike, again["trials"])),
                "equal_bundle": bundles[0] == bundles[1],
            },
        }


def _work(folder: Path, data: Path, name: str) -> Path:
    shutil.copytree(data / "data" / name, folder / "data" / name)
    return folder


def _command(words: list[str], work: Path) -> list[str]:
    return [sys.executable, "-m", "recpress_edge", *words, "--work", str(work)]


def _answer(words: list[str], work: Path) -> dict[str, Any]:
    done = subprocess.run(_command(words, work), capture_output=True, text=True, check=False)
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
    """GateError where a killed search found something else."""
    for name, found in record["sets"].items():
        if not (found["killed"]["equal_tries"] and found["killed"]["equal_bundle"]):
            raise GateError(f"{name}: the search that was killed and went on found something else")


if __name__ == "__main__":
    sys.exit(main())
