"""What training costs as a log grows: CPU seconds and peak memory of each step from import to bench.

    python benchmarks/growth.py --work DIR --out growth.json
    python benchmarks/growth.py --work DIR --only-epochs --sizes 5000000 20000000 --out epochs.json

Power-law logs of `_power_law.py`: import, teacher, student of dim 32, int8 bundle, bench, each in a process
of its own. With --only-epochs (implicit must be installed) epochs of BPR are timed in turn with those of
implicit's on the same rows, one thread each.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import machine, options, run, table
from _power_law import power_law
from scipy.sparse import csr_matrix

from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import read_json
from recpress_edge.core.units import format_bytes, format_seconds
from recpress_edge.data.interactions import Interactions

SCHEMA: Final = "recpress.growth/1"
DIM: Final = 32
ROUNDS: Final = 3
MAKER: Final = Path(__file__).with_name("_power_law.py")
LOG: Final = "log"
"""The step that makes the log, which no total counts."""
SETTINGS: Final = ("method.top_items=30", "training.epochs=5", "training.evaluate_every=1")
"""Of the student: a catalogue of this size is learned in few epochs."""
INVALID: Final = 4
"""What a bench of a busy machine ends with; its cost is known all the same."""


def commands(interactions: int, teacher: str, work: Path) -> dict[str, list[str]]:
    """The commands of one size, in order."""
    name = name_of(interactions)
    here = ["--data", name, "--work", str(work)]
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    student = ["--student", f"soft_dim{DIM}", "--teacher", teacher, *settings]
    edge = [sys.executable, "-m", "recpress_edge"]
    log = str(work / f"{name}.csv")
    split = ["--name", name, "--split", "ratio:80/10/10", "--work", str(work)]
    return {
        LOG: [sys.executable, str(MAKER), "--interactions", str(interactions), "--out", log],
        "import": [*edge, "data", "import", log, *split],
        "teacher": [*edge, "train", "--teacher", teacher, *here],
        "student": [*edge, "distill", *student, *here],
        "bundle": [*edge, "export", *student, "--int8", "--out", str(work / f"{name}.bundle"), *here],
        "bench": [sys.executable, "-m", "device_bench", "run", str(work / f"{name}.bundle")],
    }


def name_of(interactions: int) -> str:
    """Name of the data set."""
    return f"power{interactions}"


def measured(command: Sequence[str]) -> dict[str, float]:
    """CPU seconds, wall seconds and peak resident bytes of a command.

    The peak is at least what this process holds, which therefore makes no log and loads no torch.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=sys.stderr)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, INVALID):
        raise ArtifactError(f"{' '.join(command)} ended with {process.returncode}, see above")
    return {
        "cpu_s": used.ru_utime + used.ru_stime,
        "wall_s": time.perf_counter() - start,
        "peak_bytes": used.ru_maxrss * 1024,
    }


def end_to_end(interactions: int, args: argparse.Namespace) -> dict[str, Any]:
    """Every step of one size."""
    manifest = args.work / "data" / name_of(interactions) / "manifest.json"
    if manifest.exists():
        raise ConfigError(f"{manifest} exists: what is found there costs nothing. Give another --work.")
    args.work.mkdir(parents=True, exist_ok=True)
    found = {}
    for step, command in commands(interactions, args.teacher, args.work).items():
        print(f"{step} of {interactions:,}", file=sys.stderr, flush=True)
        found[step] = measured(command)
    data = read_json(manifest)
    counted = [taken for step, taken in found.items() if step != LOG]
    return {
        "interactions": sum(data["interactions"].values()),
        "users": data["n_users"],
        "items": data["n_items"],
        "steps": found,
        "cpu_s": sum(taken["cpu_s"] for taken in counted),
        "peak_bytes": max(taken["peak_bytes"] for taken in counted),
    }


def epochs(interactions: int) -> dict[str, Any]:
    """CPU seconds of epochs of BPR, ours and implicit's, on the same rows: in turn, one thread each."""
    pairs = power_law(interactions)
    ours, theirs = our_epochs(pairs), implicit_epochs(pairs)
    taken: dict[str, list[float]] = {"ours_s": [], "implicit_s": []}
    for at in range(ROUNDS):
        for name, epoch in (("ours_s", ours), ("implicit_s", theirs)):
            start = time.process_time()
            epoch(at)
            taken[name].append(time.process_time() - start)
    ratio = min(taken["ours_s"]) / min(taken["implicit_s"])
    return {
        "interactions": len(pairs),
        "users": pairs.n_users,
        "items": pairs.n_items,
        **taken,
        "ratio": ratio,
    }


def our_epochs(pairs: Interactions) -> Callable[[int], None]:
    """An epoch of our BPR by its number."""
    import torch  # the other steps are measured by processes of their own, from one that has none of it

    from recpress_edge.models.bpr import BPR
    from recpress_edge.models.method import TrainingInput
    from recpress_edge.models.settings import BPRConfig
    from recpress_edge.training.loop import train_epoch

    torch.set_num_threads(1)
    method = BPR(TrainingInput(pairs, DIM, 0, ROUNDS), BPRConfig())
    return lambda epoch: train_epoch(method, epoch)


def implicit_epochs(pairs: Interactions) -> Callable[[int], None]:
    """An iteration of implicit's BPR; its first has the set-up too."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    ones = np.ones(len(pairs), np.float32)
    matrix = csr_matrix((ones, pairs.indices, pairs.indptr), shape=(pairs.n_users, pairs.n_items))
    model = BayesianPersonalizedRanking(factors=DIM, iterations=1, num_threads=1, random_state=0)
    return lambda epoch: model.fit(matrix, show_progress=False)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All sizes."""
    one = epochs if args.only_epochs else lambda size: end_to_end(size, args)
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "dim": DIM,
        "teacher": None if args.only_epochs else args.teacher,
        "sizes": [one(size) for size in args.sizes],
        **machine("numpy", np.__version__),
    }


def show(record: dict[str, Any]) -> str:
    """A row for each size."""
    rows = []
    steps = [step for step in record["sizes"][0].get("steps", ()) if step != LOG]
    for size in record["sizes"]:
        row = [f"{size['interactions']:,}"]
        if "steps" in size:
            row += [
                f"{format_seconds(taken['cpu_s'])} / {format_bytes(taken['peak_bytes'])}"
                for taken in (*(size["steps"][step] for step in steps), size)
            ]
        else:
            row += [
                f"{min(size['ours_s']):.1f} s",
                f"{min(size['implicit_s']):.1f} s",
                f"{size['ratio']:.1f}×",
            ]
        rows.append(row)
    head = [*steps, "all"] if steps else ["BPR epoch", "implicit's", "ratio"]
    return table(["interactions", *head], rows)


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path("growth"))
    made.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 5_000_000, 20_000_000])
    made.add_argument("--teacher", default="als_dim64", help="default: %(default)s")
    made.add_argument("--only-epochs", action="store_true", help="time epochs of BPR beside implicit's")
    return made


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
