"""A searched cell beside random ones, one operation on every edge, and a narrow transformer.

    recpress-edge train --teacher sasrec_dim64 --data ml-100k-all --work work --epochs 60 --set patience=5 \\
        --set method.history_length=100 --set method.dropout=0.2
    python benchmarks/cells.py --data ml-100k-all --teacher work/models/sasrec_dim64-s0-… --work work \\
        --seeds 3 --out benchmarks/results/cells-ml-100k.json

(with RECPRESS_DATA_DIR set). All students have the same width, teacher, epochs, windows and step size. Random
cell r is trained with seed r modulo the seeds. Test metrics are each model's own record: full ranking after
train and valid items, which are not ranked. The curve's other weights of the cost have --curve-seeds. Models
that are there are found, so a run that was stopped goes on.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch
from _bench import machine, options, run, table
from _cells import NARROW, RANDOM, SEARCHED, random_cells, transformer_macs, uniform_cell, verdicts
from _models import dataset_facts, made

from device_bench.quality import ranking_quality
from recpress_edge.artifacts.cell import Cell
from recpress_edge.core.config import load_config
from recpress_edge.core.files import read_json
from recpress_edge.core.units import format_bytes, format_share
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.device.verify import verify_bundle
from recpress_edge.jobs.export import ExportRequest
from recpress_edge.models.sequences.settings import AdaRecConfig, SASRecConfig
from recpress_edge.training.run import use_compute
from recpress_edge.training.store import TrainedModel, load_model

SCHEMA: Final = "recpress.cells/1"
METRICS: Final = ("recall@10", "ndcg@10", "recall@50")
UNIFORM: Final = ("skip", "conv3", "attention")
RECIPES: Final = ("fp32", "int8-dynamic")


def facts(model: TrainedModel) -> dict[str, Any]:
    """What a model is and reaches."""
    known = model.metadata
    return {
        "seed": known["seed"],
        "sha256": model.digest,
        "chosen_epoch": known["chosen_epoch"],
        "seconds": known["seconds"],
        "parameter_bytes": sum(array.nbytes for array in model.network.values()),
        **{split: {m: known["metrics"][split][m] for m in METRICS} for split in ("valid", "test")},
    }


def files(model: TrainedModel, work: Path) -> list[dict[str, Any]]:
    """The model as ONNX in each recipe: bytes, and what the file finds on test."""
    found = []
    for recipe in RECIPES:
        with tempfile.TemporaryDirectory(prefix="recpress-") as folder:
            out = Path(folder) / "bundle"
            asked = ExportRequest(
                student=str(model.folder), recipe=recipe, with_evaluation=True, out=out, force=True, work=work
            )
            bundle = asked.run().exported.bundle
            quality = ranking_quality(verify_bundle(bundle.folder))
            found.append(
                {
                    "recipe": recipe,
                    "file_bytes": bundle.model_bytes,
                    "history_length": bundle.contract.history_length,
                    "test": {metric: quality[metric] for metric in METRICS},
                    "gate_met": bundle.quality["parity"]["gate"]["met"],
                }
            )
    return found


class Field:
    """Trains the students that are compared."""

    def __init__(self, data: Dataset, teacher: TrainedModel, args: argparse.Namespace) -> None:
        self.data, self.teacher, self.args = data, teacher, args
        self.epochs = {"epochs": args.epochs, "evaluate_every": args.epochs}

    def rows(self) -> Iterator[dict[str, Any]]:
        """One for each student."""
        args = self.args
        for seed in range(args.seeds):
            yield self.searched(args.cost_weights[0], seed)
        for number, cell in enumerate(random_cells(args.random, args.nodes, args.cells)):
            yield self.celled(RANDOM, cell, number % args.seeds)
        for seed in range(args.seeds):
            yield self.narrow(seed)
        for name in UNIFORM:
            for seed in range(args.uniform_seeds):
                yield self.celled(f"{name} on every edge", uniform_cell(name, args.nodes, args.cells), seed)
        for weight in args.cost_weights[1:]:
            for seed in range(args.curve_seeds):
                yield self.searched(weight, seed)

    def searched(self, weight: float, seed: int) -> dict[str, Any]:
        """The cell that a search with this weight of the cost finds."""
        config = self._config(cost_weight=weight, search_epochs=self.args.search_epochs)
        model = self._student(f"adarec_dim{self.args.dim}", config, seed)
        search = model.metadata["search"]
        document = read_json(model.folder / "cell.json")
        cell = Cell(tuple(document["operations"]), document["nodes"], document["cells"])
        row = {**self._row(SEARCHED, model, cell), "cost_weight": weight, "search": search}
        if seed == 0 and weight == self.args.cost_weights[0]:
            row["files"] = files(model, self.args.work)
        return row

    def celled(self, kind: str, cell: Cell, seed: int) -> dict[str, Any]:
        """A given cell."""
        model = self._student(f"adarec_dim{self.args.dim}", self._config(cell=str(cell)), seed)
        return self._row(kind, model, cell)

    def narrow(self, seed: int) -> dict[str, Any]:
        """A transformer of one layer and the cells' width."""
        length = len(self.teacher.network["position_emb"])
        batch = max(AdaRecConfig().batch_places // length, 1)
        config = {"layers": 1, "history_length": length, "batch_users": batch, "dropout": 0.1}
        config |= {"learning_rate": self.args.learning_rate, "teacher_weight": AdaRecConfig().teacher_weight}
        model = self._student(f"sasrec_dim{self.args.dim}", config, seed)
        macs = transformer_macs(self.args.dim, load_config(SASRecConfig, config, "method"))
        return {"kind": NARROW, **facts(model), "macs_per_token": macs}

    def _config(self, **more: Any) -> dict[str, Any]:
        args = self.args
        return {"cells": args.cells, "nodes": args.nodes, "learning_rate": args.learning_rate, **more}

    def _student(self, name: str, config: Mapping[str, Any], seed: int) -> TrainedModel:
        teacher = str(self.teacher.folder)
        options: dict[str, Any] = {"teacher": teacher, "method": config, "training": self.epochs}
        model = made(name, self.data, self.args.work, seed=seed, **options)
        shown = model.metadata["metrics"]["test"]["ndcg@10"]
        print(f"{name} {dict(config)} seed {seed}: {shown:.4f}", file=sys.stderr, flush=True)
        return model

    def _row(self, kind: str, model: TrainedModel, cell: Cell) -> dict[str, Any]:
        length = model.metadata["config"]["history_length"]
        return {
            "kind": kind,
            **facts(model),
            **cell.facts(),
            "macs_per_token": cell.cost("macs", self.args.dim, length),
            "items_read": cell.items_read(length),
        }


def parser() -> argparse.ArgumentParser:
    found = options(__doc__, work=Path("work"), out=True)
    found.add_argument("--data", required=True)
    found.add_argument("--teacher", type=Path, required=True, help="folder of a trained sasrec")
    for name, default, what in (
        ("seeds", 3, ""),
        ("curve-seeds", 1, "of the other weights of the cost; "),
        ("random", 5, "random cells; "),
        ("dim", 32, ""),
        ("cells", 2, ""),
        ("nodes", 2, ""),
        ("uniform-seeds", 1, "of cells with one operation on every edge; "),
        ("epochs", 5, "of every student; "),
        ("search-epochs", 3, "at most; "),
    ):
        found.add_argument(f"--{name}", type=int, default=default, help=f"{what}default: %(default)s")
    found.add_argument("--learning-rate", type=float, default=0.02, help="default: %(default)s")
    found.add_argument(
        "--cost-weights",
        type=lambda text: tuple(map(float, text.split(","))),
        default=(0.1, 0.0, 0.3, 1.0),
        help="β, the one that is judged first (default: 0.1,0,0.3,1)",
    )
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every student, and what their figures say."""
    use_compute("cpu", 1)
    data, teacher = load_dataset(args.data, args.work), load_model(args.teacher)
    rows = list(Field(data, teacher, args).rows())
    known = teacher.metadata
    stated = {key: value for key, value in known["config"].items() if value is not None}
    config = load_config(SASRecConfig, stated, "config")
    of_teacher = {
        "name": teacher.name,
        "config": known["config"],
        "training": known["training"],
        "macs_per_token": transformer_macs(known["dim"], config),
        **facts(teacher),
    }
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "dataset": dataset_facts(data),
        "students": {key: getattr(args, key) for key in ("dim", "cells", "nodes", "epochs", "learning_rate")},
        "teacher": of_teacher,
        "rows": rows,
        "verdicts": verdicts(rows, of_teacher, args.cost_weights[0]),
        **machine("torch", torch.__version__),
    }


def show(record: dict[str, Any]) -> str:
    """A row for each student, and the verdicts."""
    teacher = record["teacher"]
    rows = [_cells(f"teacher {teacher['name']}", teacher)]
    for row in record["rows"]:
        weight = f" β {row['cost_weight']:g}" if "cost_weight" in row else ""
        rows.append(_cells(f"{row['kind']}{weight}, seed {row['seed']}", row))
    said = [f"{'yes' if v['holds'] else 'no ':<3} {v['claim']}: {v['evidence']}" for v in record["verdicts"]]
    return "\n".join([table(["model", "size", "MACs a token", *METRICS], rows), "", *said])


def _cells(name: str, row: Mapping[str, Any]) -> list[str]:
    size = format_bytes(row["parameter_bytes"])
    return [name, size, f"{row['macs_per_token']:,}", *(format_share(row["test"][m]) for m in METRICS)]


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
