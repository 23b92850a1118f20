"""What an epoch over sequences costs: the constants of `models/sequences/forecast.py`.

    python benchmarks/sequence_costs.py --out results/sequence-costs.json

CPU nanoseconds on one thread at two sizes of the embeddings, of a place, of a place and an item that it is
compared with, and of two places of a window: what three logs of drawn items tell apart, one with short
sequences, one with a catalogue eight times as large, one with sequences of 200 items. Of each the second of
two epochs, with the usual settings. `lrh` and `adarec` are taught by a SASRec that has learned nothing, and
`adarec` has a convolution of three taps on every edge.
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

from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import create_method
from recpress_edge.models.method import NetworkMethod, TrainingInput
from recpress_edge.models.outputs import StoredNetwork
from recpress_edge.models.sequences.forecast import COSTS, DIMS, work_of
from recpress_edge.models.teacher import Teacher

SCHEMA: Final = "recpress.sequence-costs/1"
LOGS: Final = ((1000, 20, 1000), (1000, 20, 8000), (100, 200, 1000))
"""Users, items of each, and the catalogue."""
LONGEST: Final = 201


def sequences(n_users: int, length: int, n_items: int) -> Interactions:
    """Users with so many distinct items each, in an order."""
    rng = stream(0, "sequences", n_users, length, n_items)
    items = np.stack([rng.permutation(n_items)[:length] for _ in range(n_users)])
    ranks = np.tile(np.arange(length, dtype=np.int32), n_users)
    return Interactions.from_pairs(
        np.repeat(np.arange(n_users), length), items.ravel(), n_users, n_items, ranks
    )


def given_of(train: Interactions, method: str, dim: int) -> TrainingInput:
    """What the method trains on, taught where it has a teacher."""
    given = TrainingInput(train, dim, 0, 2)
    if METHODS[method].usual_teacher is None:
        return given
    made = create_method("sasrec", dataclasses.replace(given, dim=TEACHER_DIM), config_of("sasrec"))
    assert isinstance(made, NetworkMethod)
    parameters = {name: values.numpy() for name, values in made.parameters().items()}
    return dataclasses.replace(
        given, teacher=Teacher("sasrec", sequence=StoredNetwork(made.architecture(), parameters))
    )


def config_of(method: str) -> Any:
    """The usual settings; a transformer reads whole sequences."""
    config = usual_config(method, TEACHER_DIM)
    if method == "adarec":
        return dataclasses.replace(config, cell="conv3+conv3+conv3")
    return config if method == "lrh" else dataclasses.replace(config, history_length=LONGEST)


def lines_of(method: str, dim: int) -> list[float]:
    """Nanoseconds of a place, of an item compared and of a pair, none below 0."""
    config, rows, taken = config_of(method), [], []
    for size in LOGS:
        train = sequences(*size)
        made = partial(create_method, method, given_of(train, method, dim), config)
        taken.append(1e9 * min(second_s(made) for _ in range(3)))
        work = work_of(method, config, train.counts(), train.n_items)
        rows.append([work.places, work.compared, work.pairs])
        print(f"{method} {dim} {size}: {1e-9 * taken[-1]:.2f} s", file=sys.stderr, flush=True)
    return [max(float(ns), 0.0) for ns in np.linalg.solve(np.array(rows), np.array(taken))]


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every method at both dims."""
    torch.set_num_threads(1)
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "dims": list(DIMS),
        "logs": [list(size) for size in LOGS],
        "costs": {name: np.array([lines_of(name, dim) for dim in DIMS]).T.tolist() for name in args.methods},
        **machine("numpy", np.__version__),
    }


def show(record: dict[str, Any]) -> str:
    """A row for each method."""
    parts = ("a place", "an item compared", "a pair of places")
    rows = [
        [name, part, *(f"{ns:,.2f} ns" for ns in line)]
        for name, lines in record["costs"].items()
        for part, line in zip(parts, lines, strict=True)
    ]
    return table(["method", "each", *(f"dim {dim}" for dim in record["dims"])], rows)


def parser() -> argparse.ArgumentParser:
    made = options(__doc__)
    made.add_argument("--methods", nargs="+", choices=[*COSTS], default=[*COSTS])
    return made


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
