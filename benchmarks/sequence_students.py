"""A history that forgets beside its teacher: taught, alone, and without decays; over seeds, and as files.

    recpress-edge train --teacher sasrec_dim64 --data ml-100k-all --work work --epochs 60 --set patience=5 \\
        --set method.history_length=100 --set method.dropout=0.2
    python benchmarks/sequence_students.py --data ml-100k-all --teacher work/models/sasrec_dim64-s0-… \\
        --work work --seeds 3 --out benchmarks/results/sequences-ml-100k.json

(with RECPRESS_DATA_DIR set). Test metrics are each model's own record: full ranking after train and valid
items, which are not ranked. Files of the taught student are ONNX with its evaluation rows, asked row by row.
"""

import argparse
import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _bench import machine, options, run, table
from _models import dataset_facts, file_figures, made, model_figures

from recpress_edge.core.arrays import F64
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import paired_bootstrap
from recpress_edge.core.units import format_bytes
from recpress_edge.data.holdout import relevant_items
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.distill.students import parse_name
from recpress_edge.training.evaluate import metrics_from_ranks
from recpress_edge.training.overrides import overrides
from recpress_edge.training.ranks import held_out_ranks
from recpress_edge.training.run import use_compute
from recpress_edge.training.store import TrainedModel, load_model

SCHEMA: Final = "recpress.sequence-students/1"
KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "taught": {},
    "alone": {"teacher": "none"},
    "taught, without decays": {"method": {"decays": "none"}},
}
TAUGHT: Final = next(iter(KINDS))
USERS: Final = "ndcg_by_user"
RECIPES: Final = ("fp32", "int8-dim", "int8-item", "int4-item")
INT8: Final = ("int8-dim",)
METRICS: Final = ("recall@10", "ndcg@10", "recall@50")


def study(data: Dataset, teacher: TrainedModel, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every kind with every seed; files of the taught one, of seed 0 in every recipe."""
    rows = []
    settings = overrides(parse_name(args.student), args.set)
    for kind in args.kinds:
        for seed in range(args.seeds):
            model = made(args.student, data, args.work, seed=seed, **asked_for(kind, teacher, settings))
            row = {"kind": kind, **model_figures(model, METRICS), USERS: ndcg_by_user(model, data)}
            if kind == TAUGHT:
                recipes = args.recipes if seed == 0 else INT8
                row["files"] = file_figures(model, recipes, METRICS, args.work)
            rows.append(row)
    return rows


def asked_for(kind: str, teacher: TrainedModel, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Teacher and settings of a kind."""
    changes = KINDS[kind]
    return {
        "teacher": changes.get("teacher", str(teacher.folder)),
        "method": {**settings["method"], **changes.get("method", {})},
        "training": settings["training"],
    }


def ndcg_by_user(model: TrainedModel, data: Dataset) -> F64:
    """NDCG@10 of each test user (B,)."""
    ranks = held_out_ranks(model, data, "test")
    return metrics_from_ranks(ranks, relevant_items(data, "test"), (10,))[1]["ndcg@10"]


def kinds_named(text: str) -> list[str]:
    """Kinds by the last part of their names; the taught one is always among them."""
    asked = text.split(",")
    found = [kind for kind in KINDS if kind.split(", ")[-1] in asked]
    if len(found) != len(asked):
        raise argparse.ArgumentTypeError(f"{text!r}: known are taught, alone, without decays")
    return list(dict.fromkeys([TAUGHT, *found]))


def differences(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The taught one's NDCG@10 against each other kind's: users paired, seeds averaged, 95 % bootstrap."""
    kinds = dict.fromkeys(row["kind"] for row in rows)
    mean = {kind: np.mean([row[USERS] for row in rows if row["kind"] == kind], axis=0) for kind in kinds}
    return {
        kind: dataclasses.asdict(paired_bootstrap(mean[kind], mean[TAUGHT], stream(0, kind)))
        for kind in kinds
        if kind != TAUGHT
    }


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path("work"), out=True)
    made.add_argument("--data", required=True)
    made.add_argument("--teacher", type=Path, required=True, help="folder of a trained sasrec")
    made.add_argument("--student", default="lrh_dim16", help="default: %(default)s")
    made.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    made.add_argument(
        "--kinds",
        type=kinds_named,
        default=list(KINDS),
        help="taught,alone,without decays, or some of them (default: all)",
    )
    made.add_argument(
        "--recipes",
        type=lambda text: tuple(text.split(",")),
        default=RECIPES,
        help="files of the taught one of seed 0 (default: all)",
    )
    made.add_argument("--set", action="append", default=[], help="a setting of all students, KEY=VALUE")
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every kind and seed of the student, and its files."""
    use_compute("cpu", 1)
    data, teacher = load_dataset(args.data, args.work), load_model(args.teacher)
    rows = study(data, teacher, args)
    found = differences(rows)
    for row in rows:
        del row[USERS]
    known = teacher.metadata
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "dataset": dataset_facts(data),
        "student": args.student,
        "settings": overrides(parse_name(args.student), args.set),
        "teacher": {
            "name": teacher.name,
            "config": known["config"],
            "training": known["training"],
            "parameter_bytes": sum(array.nbytes for array in teacher.network.values()),
            **model_figures(teacher, METRICS),
        },
        "rows": rows,
        "taught_above": found,
        **machine("torch", torch.__version__),
    }


def show(record: dict[str, Any]) -> str:
    """A row for each model and file."""
    teacher = record["teacher"]
    rows = [_cells(f"teacher {teacher['name']}", teacher, teacher["parameter_bytes"])]
    for row in record["rows"]:
        rows.append(_cells(f"{row['kind']}, seed {row['seed']}", row, None))
        rows += [_cells(f"  {file['recipe']}", file, file["file_bytes"]) for file in row.get("files", [])]
    return table(["model", "size", *METRICS], rows)


def _cells(name: str, row: dict[str, Any], size: int | None) -> list[str]:
    return [name, format_bytes(size) if size else "", *(f"{row['test'][m]:.4f}" for m in METRICS)]


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
