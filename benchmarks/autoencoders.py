"""ECAE beside its own generator and Mult-VAE, and its student of one hidden layer as a history bundle.

    recpress-edge data import $RECPRESS_DATA_DIR/ml-100k/ml-100k.inter --name ml-100k-random \\
        --split loo-random --work work
    python benchmarks/autoencoders.py --data ml-100k-random --work work \\
        --out benchmarks/results/autoencoders-ml-100k.json

ECAE, its generator trained alone (method.retraining_weight 0) and Mult-VAE score by train items, on test
too. Files of students are ONNX with their evaluation rows, asked row by row: a history is what was consumed
before, on test with the valid items.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any, Final

import torch
from _bench import machine, options, run, table
from _models import dataset_facts, file_figures, made, model_figures

from recpress_edge.artifacts.contract import HISTORY
from recpress_edge.core.units import format_bytes
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.distill.students import parse_name
from recpress_edge.training.run import use_compute
from recpress_edge.training.store import TrainedModel

SCHEMA: Final = "recpress.autoencoders/1"
METRICS: Final = ("recall@10", "ndcg@10", "recall@50")
JOINT: Final = "ecae"
GENERATOR: Final = "generator alone"
TAUGHT: Final = "taught"
ALONE: Final = "alone"
HELD: Final = "history"
TEACHERS: Final[Mapping[str, Mapping[str, Any]]] = {
    JOINT: {},
    GENERATOR: {"method": {"retraining_weight": 0.0}},
    "ecae, through": {"method": {"through": True}},
    "multvae": {"method": {"batch_users": 128}},
}
KINDS: Final = (*TEACHERS, TAUGHT, ALONE, HELD)
RECIPES: Final = ("fp32", "int8-dim", "int8-item", "int4-item")
INT8: Final = ("int8-dim",)


def study(data: Dataset, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every kind with its seeds; files of the students, of seed 0 in every recipe."""
    rows = []
    for seed in range(args.seeds):
        for kind in args.kinds:
            if seed and kind not in args.repeated:
                continue
            model = one(kind, seed, data, args)
            row = {"kind": kind, "model": model.name, **model_figures(model, METRICS)}
            if kind not in TEACHERS:
                recipes = RECIPES if kind == TAUGHT and seed == 0 else INT8
                row["files"] = file_figures(model, recipes, METRICS, args.work, profile=HISTORY)
            print(f"{kind} seed {seed}: {row['test']}", file=sys.stderr, flush=True)
            rows.append(row)
    return rows


def one(kind: str, seed: int, data: Dataset, args: argparse.Namespace) -> TrainedModel:
    """The model of a kind: a teacher, a student of the ECAE of its seed, or the one with two tables."""
    work: Path = args.work
    if kind in TEACHERS:
        name = args.multvae if kind == "multvae" else args.ecae
        return made(name, data, work, role="teacher", seed=seed, **TEACHERS[kind])
    if kind == HELD:
        return made(args.history, data, work, seed=seed)
    teacher = str(made(args.ecae, data, work, role="teacher", seed=seed).folder) if kind == TAUGHT else "none"
    return made(args.student, data, work, seed=seed, teacher=teacher)


def kinds_named(text: str) -> list[str]:
    """Kinds between semicolons."""
    asked = text.split(";")
    if not set(asked) <= set(KINDS):
        raise argparse.ArgumentTypeError(f"{text!r}: known are {'; '.join(KINDS)}")
    return asked


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path("work"), out=True)
    made.add_argument("--data", required=True)
    made.add_argument("--ecae", default="ecae_dim200", help="default: %(default)s")
    made.add_argument("--multvae", default="multvae_dim200", help="default: %(default)s")
    made.add_argument("--student", default="ae_dim32", help="default: %(default)s")
    made.add_argument("--history", default="soft_dim32", help="default: %(default)s")
    made.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    made.add_argument("--kinds", type=kinds_named, default=list(KINDS), help="some, by ; (default: all)")
    made.add_argument(
        "--repeated",
        type=kinds_named,
        default=[JOINT, GENERATOR, TAUGHT],
        help="kinds that have every seed, by ; the others have seed 0",
    )
    return made


def differences(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """ECAE less its generator alone, mean test metrics over the seeds that both have."""
    sides = {
        kind: {row["seed"]: row["test"] for row in rows if row["kind"] == kind} for kind in (JOINT, GENERATOR)
    }
    seeds = sorted(set(sides[JOINT]) & set(sides[GENERATOR]))
    if not seeds:
        return {}
    gained = {m: mean(sides[JOINT][s][m] - sides[GENERATOR][s][m] for s in seeds) for m in METRICS}
    return {"seeds": seeds, **gained}


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every kind and seed, and the files of students."""
    use_compute("cpu", 1)
    data = load_dataset(args.data, args.work)
    for name in (args.student, args.history):
        parse_name(name)
    rows = study(data, args)
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "dataset": dataset_facts(data),
        "rows": rows,
        "joint_above_generator": differences(rows),
        **machine("torch", torch.__version__),
    }


def show(record: dict[str, Any]) -> str:
    """A row for each model and file."""
    rows = []
    for row in record["rows"]:
        rows.append(_cells(f"{row['kind']}: {row['model']}, seed {row['seed']}", row, None))
        rows += [_cells(f"  {file['recipe']}", file, file["file_bytes"]) for file in row.get("files", [])]
    return table(["model", "size", *METRICS], rows)


def _cells(name: str, row: dict[str, Any], size: int | None) -> list[str]:
    return [name, format_bytes(size) if size else "", *(f"{row['test'][m]:.4f}" for m in METRICS)]


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
