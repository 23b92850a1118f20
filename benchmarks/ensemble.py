"""What the usual teachers together give a small student: CiteULike, full ranking.

Trains what is missing (members, ensemble, students), then reads every figure from the models' own records;
int8 is the exported tables multiplied out, ranked like any other model.

    python benchmarks/ensemble.py --work work --out benchmarks/results/ensemble.json
"""

import argparse
import platform
import sys
from pathlib import Path
from statistics import mean
from typing import Any, Final

from _bench import options, run, table
from _models import METRIC, dataset_facts, dequantised, facts, made

from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import parse_name
from recpress_edge.studies.outcome import spread
from recpress_edge.training.evaluate import evaluate
from recpress_edge.training.store import TrainedModel

SCHEMA: Final = "recpress.ensemble/2"
ENSEMBLE: Final = str(METHODS["soft"].usual_teacher)
RECIPE: Final = "int8-dim"


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path())
    made.add_argument("--students", default="soft_dim10,soft_dim32", metavar="A,B")
    made.add_argument("--seeds", type=int, default=3, metavar="N")
    return made


def trained(model: TrainedModel) -> dict[str, Any]:
    """A model's own record, in short, with what its training took."""
    return facts(model) | {key: model.metadata[key] for key in ("chosen_epoch", "seconds")}


def student(name: str, seed: int, teacher: TrainedModel, data: Dataset, work: Path) -> dict[str, Any]:
    """A student of the ensemble as float32 and as int8."""
    model = made(name, data, work, seed=seed, teacher=str(teacher.folder))
    assert model.tables is not None
    recipe, dim = recipe_named(RECIPE), parse_name(name).dim
    row_bytes = data.n_items * recipe.item_row_bytes(dim) + data.n_users * recipe.user_row_bytes(dim)
    return {
        **trained(model),
        "int8_test": evaluate(*dequantised(RECIPE, model.tables), data, "test").means(),
        "int8_table_bytes": row_bytes,
    }


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Members, ensemble, and students of every seed."""
    data = load_dataset("citeulike", args.work)
    ensemble = made(ENSEMBLE, data, args.work, role="teacher")
    return {
        "schema": SCHEMA,
        "metric": METRIC,
        "dataset": dataset_facts(data),
        "python": platform.python_version(),
        "members": [
            {"name": known["name"]} | {split: known["metrics"][split][METRIC] for split in ("valid", "test")}
            for known in ensemble.metadata["members"]
        ],
        "ensemble": trained(ensemble),
        "students": [
            student(name, seed, ensemble, data, args.work)
            for name in args.students.split(",")
            for seed in range(args.seeds)
        ],
    }


def show(record: dict[str, Any]) -> str:
    """Members, ensemble, and each student's means over its seeds."""
    rows = [
        [m["name"], "", f"{m['valid']:.4f}", f"{m['test']:.4f}", "", ""]
        for m in [*record["members"], record["ensemble"]]
    ]
    for name in dict.fromkeys(one["name"] for one in record["students"]):
        seeds = [one for one in record["students"] if one["name"] == name]
        means = [f"{mean(one[key] for one in seeds):.4f}" for key in ("valid", "test")]
        means.append(f"{mean(one['int8_test'][METRIC] for one in seeds):.4f}")
        rows.append(
            [name, spread([one["test"] for one in seeds]), *means, f"{seeds[0]['int8_table_bytes']:,}"]
        )
    return table(["model", "test over seeds", "valid", "test", "int8 test", "int8 bytes"], rows)


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
