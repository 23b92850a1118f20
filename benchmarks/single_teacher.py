"""Every single-teacher distillation at one small size: CiteULike, Recall@50, full ranking.

By the protocol of ``recpress-edge reproduce topology``, whose bpr, ftd and htd students are found again: one
teacher, 100 epochs, no early stopping. Settings were chosen on validation, with seed 0. int8 is the exported
tables multiplied out, ranked like any other model.

    python benchmarks/single_teacher.py --work work --seeds 3 --out benchmarks/results/single-teacher.json
"""

import argparse
import platform
from pathlib import Path
from typing import Any, Final

from methods_page import SINGLE_TEACHER, single_teacher_rows
from quantisation_aware import by_user
from recording import command_line

from recpress_edge.cli.common import table
from recpress_edge.core.files import write_json
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.studies.topology import DATA, EPOCHS, METRIC, TEACHER
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.store import TrainedModel

SCHEMA: Final = "recpress.single-teacher/1"
METHODS: Final = ("bpr", "ftd", "htd", "rrd", "rd", "cd", "dcd", "unkd")
RECIPE: Final = "int8-dim"
TRAINING: Final = {"epochs": EPOCHS, "keep": "last"}


def facts(model: TrainedModel, data: Dataset) -> dict[str, Any]:
    """A model's own record, in short, and its Recall@50 in int8."""
    known = model.metadata
    assert model.tables is not None
    return {
        "name": model.name,
        "seed": known["seed"],
        "sha256": model.digest,
        "settings": known["config"],
        **{split: known["metrics"][split][METRIC] for split in ("valid", "test")},
        "test_by_popularity": known["recall_by_popularity"]["test"],
        "int8_test": float(by_user(RECIPE, model.tables, data, "test").mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path())
    parser.add_argument("--methods", default=",".join(METHODS), metavar="A,B")
    parser.add_argument("--dim", type=int, default=10, metavar="N")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="of every student")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    data = load_dataset(DATA, args.work)

    def made(name: str, role: Any, seed: int, teacher: str | None = None) -> TrainedModel:
        options = TrainOptions(training=TRAINING, teacher=teacher)
        return ensure_model(
            ModelRequest(name=name, role=role, seed=seed, options=options),
            data,
            args.work,
            lambda event: None,
        )

    teacher = made(TEACHER, "teacher", 0)
    outcomes = [facts(teacher, data)]
    for seed in range(args.seeds):
        for method in args.methods.split(","):
            source = None if method == "bpr" else str(teacher.folder)
            outcomes.append(facts(made(f"{method}_dim{args.dim}", "student", seed, source), data))
    print(table(list(SINGLE_TEACHER), single_teacher_rows(outcomes)))
    if args.out:
        record = {
            "schema": SCHEMA,
            "command": command_line(),
            "protocol": "CiteULike leave-one-out, full ranking, Recall@50 on test, and by the popularity of "
            f"what is to be found; dim {args.dim} students of {TEACHER} after {EPOCHS} epochs, means of "
            f"{args.seeds} seed{'s' * (args.seeds > 1)} (the teacher's is 0)",
            "python": platform.python_version(),
            "outcomes": outcomes,
        }
        write_json(args.out, record)


if __name__ == "__main__":
    main()
