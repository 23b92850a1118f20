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
import os
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from device_bench.device import device_facts
from recpress_edge.artifacts.quantize import quantize
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.cli.common import table
from recpress_edge.core.errors import RecPressError
from recpress_edge.core.files import write_json
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import paired_bootstrap
from recpress_edge.data.holdout import Split
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.distill.students import QUANTISED, create_method, parse_name, teacher_name
from recpress_edge.models.method import Factorised, Job, Method
from recpress_edge.models.quantised import stored_tables
from recpress_edge.models.teacher import Tables
from recpress_edge.training.checkpoint import CheckpointStore
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.evaluate import evaluate
from recpress_edge.training.loop import Validation, train
from recpress_edge.training.plan import ModelRequest, TrainOptions, plan_model, want
from recpress_edge.training.store import TrainedModel

SCHEMA: Final = "recpress.quantisation-aware/1"
ARMS: Final = ("trained", "fine-tuned", "quantisation-aware")
METRIC: Final = "recall@50"


def dequantised(recipe: str, tables: Tables) -> tuple[Tensor, Tensor]:
    """The tables as the exporter stores them, multiplied out; fp32 keeps them as they are."""
    stored = quantize(recipe_named(recipe), tables.user_emb, tables.item_emb)
    if stored is None:
        return torch.from_numpy(tables.user_emb), torch.from_numpy(tables.item_emb)
    fold = stored.item_scale.astype(np.float64)
    items = stored.item_q * fold
    if stored.item_row_scale is not None:
        items *= stored.item_row_scale.astype(np.float64)[:, None]
    users = stored.user_q * stored.user_scale.astype(np.float64)[:, None] / fold
    return torch.from_numpy(users.astype(np.float32)), torch.from_numpy(items.astype(np.float32))


def by_user(recipe: str, tables: Tables, data: Dataset, split: Split) -> NDArray[np.float64]:
    """Recall@50 of each user of the split."""
    return evaluate(*dequantised(recipe, tables), data, split).by_user[METRIC]


def fine_tuned(model: TrainedModel, teacher: TrainedModel | None, recipe: str, data: Dataset) -> Tables:
    """The control: the schedule of fine-tuning without its rounding, the epoch chosen as stored on valid."""
    name = parse_name(model.name).fine_tuned(recipe)
    seed = int(model.metadata["seed"])
    start = want(ModelRequest(name=str(name), seed=seed), data)
    wanted = dataclasses.replace(start, teacher=teacher)
    plan = plan_model(wanted, {wanted.start: model} if wanted.start else {}, data, Path())
    targets = teacher.teacher if teacher else None
    job = Job(data.train, name.dim, wanted.seed, wanted.training.epochs, targets, model.tables)

    def on_valid(current: Method, epoch: int) -> dict[str, float | None]:
        assert isinstance(current, Factorised)
        return evaluate(*stored_tables(recipe, *current.tables()), data, "valid").means()

    with tempfile.TemporaryDirectory() as folder:
        store = CheckpointStore(Path(folder), plan.key)
        method = create_method(name.method, job, wanted.config)
        assert isinstance(method, Method)
        state = train(
            method, wanted.training, Validation(on_valid, from_start=True), store, lambda report: None
        )
    return Tables(state.best["user_emb"].numpy(), state.best["item_emb"].numpy())


def study(student: str, recipe: str, data: Dataset, args: argparse.Namespace) -> dict[str, Any]:
    """One student and recipe: recall of the three arms on both splits, and their differences."""
    name, options = parse_name(student), TrainOptions(threads=1)
    usual = teacher_name(name, None)
    teacher = (
        ensure_model(
            ModelRequest(name=usual, role="teacher", seed=0, options=options), data, args.work, lambda e: None
        )
        if usual
        else None
    )
    model = ensure_model(
        ModelRequest(name=student, role="student", seed=0, options=options), data, args.work, lambda e: None
    )
    aware = ensure_model(
        ModelRequest(name=str(name.fine_tuned(recipe)), role="student", seed=0, options=options),
        data,
        args.work,
        lambda e: None,
    )
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
    splits: tuple[Split, ...] = ("valid", "test")
    for split in splits:
        values = dict(zip(ARMS, (by_user(recipe, arm, data, split) for arm in tables), strict=True))
        plain = by_user("fp32", tables[0], data, split)
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


def main() -> int:
    """Study every student with every recipe; print a table, write all with --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--data", default="citeulike")
    parser.add_argument("--students", nargs="+", default=["soft_dim10", "soft_dim20"], metavar="NAME")
    parser.add_argument("--recipes", nargs="+", default=list(QUANTISED), metavar="NAME")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    load = os.getloadavg()[0]
    try:
        torch.set_num_threads(1)
        data = load_dataset(args.data, args.work, lambda text: print(text, file=sys.stderr))
        results = [study(s, r, data, args) for s, r in itertools.product(args.students, args.recipes)]
        if args.out:
            record = {"schema": SCHEMA, "basis": "measured", "data": args.data, "metric": METRIC}
            record |= {"command": shlex.join(["python", *sys.argv]), "results": results}
            record |= {"device": device_facts(), "torch": torch.__version__, "numpy": np.__version__}
            record |= {"load_average": {"before": load, "after": os.getloadavg()[0]}}
            write_json(args.out, record)
    except RecPressError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(report(results))
    return 0


def report(results: list[dict[str, Any]]) -> str:
    """Two rows per student and recipe, valid and test."""
    rows = []
    for found in results:
        for split in ("valid", "test"):
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
    sys.exit(main())
