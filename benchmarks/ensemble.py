"""What an ensemble of teachers buys a small student: CiteULike, Recall@50, full ranking.

Trains what is missing (members, ensemble, students), then reads every figure from the models' own records;
int8 is the exported tables multiplied out, ranked like any other model.

    python benchmarks/ensemble.py --work work --out benchmarks/results/ensemble.json
"""

import argparse
import platform
import shlex
import sys
from pathlib import Path
from statistics import mean
from typing import Any, Final

from quantisation_aware import METRIC, by_user

from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.cli.common import table
from recpress_edge.core.files import write_json
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.distill.students import parse_name
from recpress_edge.studies.study import spread
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.store import TrainedModel

SCHEMA: Final = "recpress.ensemble/1"
ENSEMBLE: Final = "ensemble:bpr_dim200+soft_dim200+ease"
RECIPE: Final = "int8-dim"


def facts(model: TrainedModel) -> dict[str, Any]:
    """A model's own record, in short."""
    metrics = model.metadata["metrics"]
    return {
        "name": model.name,
        "seed": model.metadata["seed"],
        "sha256": model.digest,
        "chosen_epoch": model.metadata["chosen_epoch"],
        "seconds": model.metadata["seconds"],
        **{split: metrics[split][METRIC] for split in ("valid", "test")},
    }


def student(name: str, seed: int, teacher: TrainedModel, data: Dataset, work: Path) -> dict[str, Any]:
    """A student of the ensemble as float32 and as int8."""
    options = TrainOptions(teacher=str(teacher.folder))
    model = ensure_model(
        ModelRequest(name=name, role="student", seed=seed, options=options), data, work, lambda event: None
    )
    assert model.tables is not None
    recipe, dim = recipe_named(RECIPE), parse_name(name).dim
    row_bytes = data.n_items * recipe.item_row_bytes(dim) + data.n_users * recipe.user_row_bytes(dim)
    return {
        **facts(model),
        "int8_test": float(by_user(RECIPE, model.tables, data, "test").mean()),
        "int8_table_bytes": row_bytes,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path())
    parser.add_argument(
        "--member", action="append", default=[], metavar="FOLDER", help="as in recpress-edge train"
    )
    parser.add_argument("--students", default="soft_dim10,soft_dim32", metavar="A,B")
    parser.add_argument("--seeds", type=int, default=3, metavar="N")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    data = load_dataset("citeulike", args.work)
    options = TrainOptions(members=tuple(args.member))
    ensemble = ensure_model(
        ModelRequest(name=ENSEMBLE, role="teacher", seed=0, options=options),
        data,
        args.work,
        lambda event: None,
    )
    students = [
        student(name, seed, ensemble, data, args.work)
        for name in args.students.split(",")
        for seed in range(args.seeds)
    ]
    members = [
        {
            "name": known["name"],
            "valid": known["metrics"]["valid"][METRIC],
            "test": known["metrics"]["test"][METRIC],
        }
        for known in ensemble.metadata["members"]
    ]
    rows = [
        [m["name"], "", f"{m['valid']:.4f}", f"{m['test']:.4f}", "", ""] for m in [*members, facts(ensemble)]
    ]
    for name in args.students.split(","):
        of = [s for s in students if s["name"] == name]
        tests = [s["test"] for s in of]
        rows.append(
            [
                name,
                spread(tests),
                f"{mean(s['valid'] for s in of):.4f}",
                f"{mean(tests):.4f}",
                f"{mean(s['int8_test'] for s in of):.4f}",
                f"{of[0]['int8_table_bytes']:,}",
            ]
        )
    print(table(["model", "test over seeds", "valid", "test", "int8 test", "int8 bytes"], rows))
    if args.out:
        record = {
            "schema": SCHEMA,
            "command": shlex.join(["python", "benchmarks/ensemble.py", *sys.argv[1:]]),
            "metric": METRIC,
            "dataset": {"name": data.name, "digest": data.digest(), "protocol": data.protocol},
            "python": platform.python_version(),
            "members": members,
            "ensemble": facts(ensemble),
            "students": students,
        }
        write_json(args.out, record)


if __name__ == "__main__":
    main()
