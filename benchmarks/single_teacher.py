"""Every single-teacher distillation at one small size: CiteULike, Recall@50, full ranking.

By the protocol of ``recpress-edge reproduce topology``, whose bpr, ftd and htd students are found again: one
teacher, 100 epochs, no early stopping. Settings were chosen on validation, with seed 0. int8 is the exported
tables multiplied out, ranked like any other model.

    python benchmarks/single_teacher.py --work work --seeds 3 --out benchmarks/results/single-teacher.json
"""

import argparse
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Final

from _bench import options, run, table
from _models import facts, made, recall_by_user

from recpress_edge.core.metrics import THIRDS
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.studies.outcome import spread
from recpress_edge.studies.topology import DATA, EPOCHS, TEACHER, TRAINING
from recpress_edge.training.store import TrainedModel

SCHEMA: Final = "recpress.single-teacher/1"
METHODS: Final = ("bpr", "ftd", "htd", "rrd", "rd", "cd", "dcd", "unkd")
RECIPE: Final = "int8-dim"
HEADERS: Final = ("model", "valid", "test", "test over seeds", "int8", *THIRDS, "weight of the teacher")
TEACHER_WEIGHTS: Final = ("topology_weight", "list_weight", "item_weight")
"""Settings that weigh what is learned from the teacher against BPR."""


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path())
    made.add_argument("--methods", default=",".join(METHODS), metavar="A,B")
    made.add_argument("--dim", type=int, default=10, metavar="N")
    made.add_argument("--seeds", type=int, default=1, metavar="N", help="of every student")
    return made


def outcome(model: TrainedModel, data: Dataset) -> dict[str, Any]:
    """A model's own record, in short, and its Recall@50 in int8."""
    assert model.tables is not None
    return {
        **facts(model),
        "settings": model.metadata["config"],
        "test_by_popularity": model.metadata["recall_by_popularity"]["test"],
        "int8_test": float(recall_by_user(RECIPE, model.tables, data, "test").mean()),
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The teacher, and every method's student of every seed."""
    data = load_dataset(DATA, args.work)
    teacher = made(TEACHER, data, args.work, role="teacher", training=TRAINING)
    outcomes = [outcome(teacher, data)]
    for seed in range(args.seeds):
        for method in args.methods.split(","):
            source = None if method == "bpr" else str(teacher.folder)
            name = f"{method}_dim{args.dim}"
            model = made(name, data, args.work, seed=seed, training=TRAINING, teacher=source)
            outcomes.append(outcome(model, data))
    return {
        "schema": SCHEMA,
        "protocol": "CiteULike leave-one-out, full ranking, Recall@50 on test, and by the popularity of "
        f"what is to be found; dim {args.dim} students of {TEACHER} after {EPOCHS} epochs, means of "
        f"{args.seeds} seed{'s' * (args.seeds > 1)} (the teacher's is 0)",
        "python": platform.python_version(),
        "outcomes": outcomes,
    }


def rows(outcomes: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Recall@50 of every model, as it is and as int8, and by popularity: means and spread over its seeds."""
    names = dict.fromkeys(outcome["name"] for outcome in outcomes)
    return [_row([outcome for outcome in outcomes if outcome["name"] == name]) for name in names]


def _row(seeds: Sequence[dict[str, Any]]) -> list[str]:
    valid, test, int8 = ([seed[key] for seed in seeds] for key in ("valid", "test", "int8_test"))
    thirds = [[seed["test_by_popularity"][third] for seed in seeds] for third in THIRDS]
    weights = [value for name, value in seeds[0]["settings"].items() if name in TEACHER_WEIGHTS]
    return [
        seeds[0]["name"],
        f"{mean(valid):.4f}",
        f"{mean(test):.4f}",
        spread(test),
        *(f"{mean(values):.4f}" for values in (int8, *thirds)),
        " and ".join(f"{value:g}" for value in weights),
    ]


def show(record: dict[str, Any]) -> str:
    """A row for each model."""
    return table(list(HEADERS), rows(record["outcomes"]))


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
