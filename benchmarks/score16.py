"""What 16-bit scores cost: int8-dim and score16 against the float32 file of the same student.

    python benchmarks/score16.py --set citeulike --set six-ml-100k --set six-beauty --out score16.json

Each student is exported in both recipes; the record holds what the exports measured on validation users:
overlap with the lists of float32, and the metrics before and after with the interval of their difference.
Students are trained where they are missing.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from _bench import options, run, table

from recpress_edge.jobs.export import ExportRequest

SCHEMA: Final = "recpress.score16/1"
RECIPES: Final = ("int8-dim", "score16")
DIMS: Final = (10, 20, 32)


def parser() -> argparse.ArgumentParser:
    found = options(__doc__, work=Path("work"))
    found.add_argument("--set", action="append", required=True, metavar="NAME", help="may be repeated")
    found.add_argument(
        "--method", default="soft", metavar="NAME", help="of the students; default: %(default)s"
    )
    found.add_argument("--dims", type=int, nargs="+", default=list(DIMS), metavar="D")
    found.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """One entry a student and recipe."""
    found = []
    for name in args.set:
        for dim in args.dims:
            for seed in range(args.seeds):
                for recipe in RECIPES:
                    print(f"{name} {args.method}_dim{dim} seed {seed} {recipe}", file=sys.stderr, flush=True)
                    one = {"set": name, "dim": dim, "seed": seed, "recipe": recipe}
                    found.append(one | _measured(args, name, f"{args.method}_dim{dim}", seed, recipe))
    return {"schema": SCHEMA, "basis": "measured", "files": found}


def _measured(args: argparse.Namespace, data: str, student: str, seed: int, recipe: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="recpress-score16-") as folder:
        asked = ExportRequest(
            student=student, seed=seed, data=data, recipe=recipe, work=args.work, out=Path(folder) / "bundle",
            force=True,
        )  # fmt: skip
        parity = asked.run().exported.bundle.quality["parity"]
    return {
        "student": student,
        "users": parity["users"],
        "overlap": {name: value["mean"] for name, value in parity["overlap"].items()},
        "change": parity["change"],
        "gate_met": parity["gate"]["met"],
    }


def show(record: dict[str, Any]) -> str:
    """Means over the seeds."""
    rows = []
    keys = dict.fromkeys((one["set"], one["dim"]) for one in record["files"])
    for name, dim in keys:
        row = [name, str(dim)]
        for recipe in RECIPES:
            found = [
                one
                for one in record["files"]
                if (one["set"], one["dim"], one["recipe"]) == (name, dim, recipe)
            ]
            row += [f"{_mean([one['overlap']['overlap@50'] for one in found]):.4f}"]
            row += [f"{_mean([one['change'][m]['after'] for one in found]):.4f}" for m in METRICS]
        rows.append(row)
    return table(["set", "dim", *(f"{recipe} {what}" for recipe in RECIPES for what in SHOWN)], rows)


METRICS: Final = ("recall@50", "ndcg@10")
SHOWN: Final = ("overlap@50", "Recall@50", "NDCG@10")


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
