"""What an epoch of each method costs for each thing that it goes over: the constants of forecasts.

    python benchmarks/epoch_costs.py --out results/epoch-costs.json

CPU nanoseconds on one thread at two sizes of the embeddings: the second of two epochs with the usual settings
on a power-law log of `_power_law.py`, taught by ALS where a method has a teacher. Left out: `sasrec`, which
needs the order of interactions, and `hetcomp`, which needs trajectories.
"""

import argparse
import dataclasses
import sys
import time
from typing import Any, Final

import numpy as np
import torch
from _bench import machine, options, run, table
from _power_law import power_law

from recpress_edge.distill.students import create_method, parse_name
from recpress_edge.models.closed.als import ALS
from recpress_edge.models.forecast import COSTS, DIMS, counts_of
from recpress_edge.models.method import Method, TrainingInput
from recpress_edge.models.outputs import Tables
from recpress_edge.models.settings import ALSConfig
from recpress_edge.models.teacher import Teacher
from recpress_edge.training.loop import train_epoch
from recpress_edge.training.plan import TrainOptions, settings_of

SCHEMA: Final = "recpress.epoch-costs/1"
TEACHER_DIM: Final = 64


def ns_of(name: str, given: TrainingInput) -> list[float]:
    """CPU nanoseconds of the second epoch for each thing that the method goes over, at each dim."""
    found = []
    for dim in DIMS:
        method_name, _, softmax = name.partition(" ")
        model = parse_name(f"{method_name}_dim{dim}", "student")
        config, _ = settings_of(model, "student", TrainOptions())
        if softmax:
            config = dataclasses.replace(config, softmax=softmax)
        some = dataclasses.replace(given, dim=dim)
        if not model.entry.needs:
            some = dataclasses.replace(some, teacher=None)
        method = create_method(method_name, some, config)
        assert isinstance(method, Method)
        train_epoch(method, 0)
        begun = time.process_time()
        train_epoch(method, 1)
        taken = time.process_time() - begun
        print(f"{name} {dim}: {taken:.2f} s", file=sys.stderr, flush=True)
        found.append(1e9 * taken / counts_of(given.train)[COSTS[name][0]])
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All methods that learn in epochs on one log."""
    torch.set_num_threads(1)
    train = power_law(args.interactions)
    teacher = ALS(TrainingInput(train, TEACHER_DIM, 0, 1), ALSConfig(iterations=4))
    teacher.fit()
    tables = Tables(*(table.numpy() for table in teacher.tables()))
    given = TrainingInput(train, TEACHER_DIM, 0, 2, Teacher("als", tables))
    costs = {name: ns_of(name, given) for name in args.methods}
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "interactions": len(train),
        "users": train.n_users,
        "items": train.n_items,
        "dims": list(DIMS),
        "costs": {name: {"driver": COSTS[name][0], "ns": ns} for name, ns in costs.items()},
        **machine("numpy", np.__version__),
    }


def show(record: dict[str, Any]) -> str:
    """A row for each method."""
    rows = [
        [name, cost["driver"], *(f"{ns:,.2f} ns" for ns in cost["ns"])]
        for name, cost in record["costs"].items()
    ]
    return table(["method", "for each of", *(f"dim {dim}" for dim in record["dims"])], rows)


def parser() -> argparse.ArgumentParser:
    made = options(__doc__)
    made.add_argument("--interactions", type=int, default=20_000)
    made.add_argument("--methods", nargs="+", choices=[*COSTS], default=[*COSTS])
    return made


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
