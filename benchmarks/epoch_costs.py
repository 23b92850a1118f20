"""What an epoch of each method costs for each thing that it goes over: the constants of forecasts.

    python benchmarks/epoch_costs.py --out results/epoch-costs.json

CPU nanoseconds on one thread at two sizes of the embeddings: the second of two epochs, or of two passes, with
the usual settings on a power-law log of `_power_law.py`, taught by ALS where a method has a teacher;
`hetcomp` goes along two stages of each of three. Models of sequences: `sequence_costs.py`.
"""

import argparse
import dataclasses
import sys
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from _bench import machine, options, run, table
from _costs import TEACHER_DIM, second_s, usual_config
from _power_law import power_law

from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.lists import best_unobserved
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import create_method
from recpress_edge.models.closed.als import ALS
from recpress_edge.models.forecast import COSTS, DIMS, counts_of
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import RANKING_LENGTH, Tables, Trajectory
from recpress_edge.models.settings import ALSConfig
from recpress_edge.models.teacher import Teacher

SCHEMA: Final = "recpress.epoch-costs/1"
TEACHERS: Final = ("first", "second", "third")
"""Of hetcomp."""


def taught(train: Interactions) -> TrainingInput:
    """The log, and ALS as teacher, and as several in stages."""
    teacher = ALS(TrainingInput(train, TEACHER_DIM, 0, 1), ALSConfig(iterations=4))
    teacher.fit()
    tables = Tables(*(table.numpy() for table in teacher.tables()))
    lists = best_unobserved(tables, train, min(RANKING_LENGTH, train.n_items))
    places = (np.arange(len(train)) - train.indptr[train.users()]).astype(np.int32)
    stages = Trajectory(np.stack([lists, lists]), np.stack([places, places]), (1, 2))
    several = tuple(Teacher(name, tables, trajectory=stages) for name in TEACHERS)
    return TrainingInput(train, TEACHER_DIM, 0, 2, Teacher("als", tables), teachers=several)


def ns_of(name: str, given: TrainingInput) -> list[float]:
    """CPU nanoseconds of the second epoch for each thing that the method goes over, at each dim."""
    found = []
    for dim in DIMS:
        method, _, softmax = name.partition(" ")
        config = usual_config(method, dim)
        if softmax:
            config = dataclasses.replace(config, softmax=softmax)
        some = dataclasses.replace(given, dim=dim)
        if not METHODS[method].needs:
            some = dataclasses.replace(some, teacher=None)
        taken = second_s(partial(create_method, method, some, config))
        print(f"{name} {dim}: {taken:.2f} s", file=sys.stderr, flush=True)
        found.append(1e9 * taken / counts_of(given.train)[COSTS[name][0]])
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All methods on one log."""
    torch.set_num_threads(1)
    train = power_law(args.interactions)
    given = taught(train)
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
