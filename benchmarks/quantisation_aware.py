"""What fine-tuning with a recipe's rounding gains, per byte of an item, on real data.

    python benchmarks/quantisation_aware.py --work work --out benchmarks/results/quantisation-aware.json

(with RECPRESS_DATA_DIR set). For each student and recipe three models are stored by the exporter's own
quantiser: the student as trained; fine-tuned without rounding; and fine-tuned with it (distill --quantise).
The second is the control: it trains as long, and its epoch too is chosen on valid as stored. Recall@50 of the
stored tables, differences with paired bootstrap intervals over users. Nothing is chosen on the test split.
"""

import argparse
import dataclasses
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _bench import options, run, table
from _models import METRIC, made, recall_by_user
from numpy.typing import NDArray

from device_bench.hardware import device_facts
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import paired_bootstrap
from recpress_edge.data.holdout import Split
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.distill.students import QUANTISED, create_method, parse_name, teacher_name
from recpress_edge.models.method import ClosedForm, Factorised, Method, TrainingInput
from recpress_edge.models.outputs import Tables
from recpress_edge.models.qat import stored_tables
from recpress_edge.training.checkpoint import CheckpointStore
from recpress_edge.training.evaluate import evaluate
from recpress_edge.training.loop import Validation, train
from recpress_edge.training.plan import ModelRequest, plan_model, want
from recpress_edge.training.store import TrainedModel

SCHEMA: Final = "recpress.quantisation-aware/1"
ARMS: Final = ("trained", "fine-tuned", "quantisation-aware")
SPLITS: Final[tuple[Split, ...]] = ("valid", "test")


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path("work"))
    made.add_argument("--data", default="citeulike")
    made.add_argument("--students", nargs="+", default=["soft_dim10", "soft_dim20"], metavar="NAME")
    made.add_argument("--recipes", nargs="+", default=list(QUANTISED), metavar="NAME")
    return made


def fine_tuned(model: TrainedModel, teacher: TrainedModel | None, recipe: str, data: Dataset) -> Tables:
    """The control: the schedule of fine-tuning without its rounding, the epoch chosen as stored on valid."""
    name = parse_name(model.name).fine_tuned(recipe)
    tree = want(ModelRequest(name=str(name), seed=int(model.metadata["seed"])), data)
    wanted = dataclasses.replace(tree, teacher=teacher)
    plan = plan_model(wanted, {wanted.start: model} if wanted.start else {}, data, Path())
    targets = teacher.teacher if teacher else None
    given = TrainingInput(data.train, name.dim, wanted.seed, wanted.training.epochs, targets, model.tables)

    def on_valid(current: Method | ClosedForm, epoch: int) -> dict[str, float | None]:
        assert isinstance(current, Factorised)
        return evaluate(*stored_tables(recipe, *current.tables()), data, "valid").means()

    with tempfile.TemporaryDirectory() as folder:
        store = CheckpointStore(Path(folder), plan.key)
        method = create_method(name.method, given, wanted.config)
        assert isinstance(method, Method)
        state = train(
            method, wanted.training, Validation(on_valid, from_start=True), store, lambda report: None
        )
    return Tables(state.best["user_emb"].numpy(), state.best["item_emb"].numpy())


def study(student: str, recipe: str, data: Dataset, work: Path) -> dict[str, Any]:
    """One student and recipe: recall of the three arms on both splits, and their differences."""
    name = parse_name(student)
    usual = teacher_name(name, None)
    teacher = made(usual, data, work, role="teacher", threads=1) if usual else None
    model = made(student, data, work, threads=1)
    aware = made(str(name.fine_tuned(recipe)), data, work, threads=1)
    tables = (
        Tables(model.user_emb, model.item_emb),
        fine_tuned(model, teacher, recipe, data),
        Tables(aware.user_emb, aware.item_emb),
    )
    result: dict[str, Any] = {
        "student": student,
        "recipe": recipe,
        "item_row_bytes": recipe_named(recipe).item_row_bytes(name.dim),
        "learning_rate": aware.metadata["config"]["learning_rate"],
        "epochs": aware.metadata["training"]["epochs"],
        "chosen_epoch": aware.metadata["chosen_epoch"],
        "seconds": aware.metadata["seconds"],
    }
    for split in SPLITS:
        values = dict(zip(ARMS, (recall_by_user(recipe, arm, data, split) for arm in tables), strict=True))
        plain = recall_by_user("fp32", tables[0], data, split)
        result[split] = {
            "users": int(plain.size),
            "fp32": float(plain.mean()),
            **{arm: float(v.mean()) for arm, v in values.items()},
            "gain": {
                f"{after} over {before}": difference(
                    values[before], values[after], f"{student} {recipe} {split}"
                )
                for before, after in itertools.combinations(ARMS, 2)
            },
        }
    return result


def difference(before: NDArray[np.float64], after: NDArray[np.float64], purpose: str) -> dict[str, float]:
    """Mean change with its 95 % interval."""
    interval = paired_bootstrap(before, after, stream(0, purpose))
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every student with every recipe."""
    torch.set_num_threads(1)
    data = load_dataset(args.data, args.work, lambda text: print(text, file=sys.stderr))
    pairs = itertools.product(args.students, args.recipes)
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "data": args.data,
        "metric": METRIC,
        "results": [study(student, recipe, data, args.work) for student, recipe in pairs],
        "device": device_facts(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def show(record: dict[str, Any]) -> str:
    """Two rows for each student and recipe, valid and test."""
    rows = []
    for found in record["results"]:
        for split in SPLITS:
            side = found[split]
            gain = side["gain"][f"{ARMS[2]} over {ARMS[0]}"]
            rows.append(
                [
                    f"{found['student']} {found['recipe']} {split}",
                    str(found["item_row_bytes"]),
                    *(f"{side[arm]:.4f}" for arm in ("fp32", *ARMS)),
                    f"{gain['mean']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]",
                ]
            )
    return table(["recall@50", "bytes/item", "fp32", *ARMS, "gain over trained"], rows)


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
