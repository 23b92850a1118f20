"""What formats and recipes of click bundles cost: bytes of the file, and AUC and log loss on test.

    python benchmarks/click_bundles.py --work work --models deepfm_dim8-s0-1a2b3c4d --out click-bundles.json

Each model folder below WORK/models is exported in every recipe of every format, and the numbers in the file
are judged on all test rows; then by each budget of bytes.
"""

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from _bench import options, run, table

from recpress_edge.artifacts.clicks.contract import FORMAT_RECIPES
from recpress_edge.artifacts.clicks.metrics import click_metrics
from recpress_edge.cli.common import names_of
from recpress_edge.core.errors import GateError
from recpress_edge.core.progress import silent
from recpress_edge.core.units import format_bytes
from recpress_edge.data.features.fit import encode_rows, labelled_rows
from recpress_edge.data.interactions import Dataset
from recpress_edge.device.clicks.runtimes import numpy_clicks
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.rankers.clicks import ClickExportRequest
from recpress_edge.training.clicks.stored import stored_clicks
from recpress_edge.training.store import TrainedModel, load_model
from recpress_export.clicks.build import of_requests

SCHEMA: Final = "recpress.click-bundles/2"
BUDGETS: Final = ("24KiB", "64KiB", "128KiB")
METRICS: Final = ("auc", "logloss", "gauc", "calibration_error")


def parser() -> argparse.ArgumentParser:
    found = options(__doc__, work=Path("work"))
    found.add_argument("--models", required=True, metavar="FOLDER,FOLDER", help="names below WORK/models")
    return found


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """One entry a model."""
    folders = [args.work / "models" / name for name in names_of("models", args.models)]
    found = [_of_model(args, load_model(folder)) for folder in folders]
    return {"schema": SCHEMA, "basis": "measured", "models": found}


def _of_model(args: argparse.Namespace, model: TrainedModel) -> dict[str, Any]:
    facts = model.metadata
    data = load_data(facts["dataset"]["name"], args.work, silent)
    files = [
        _of_file(args.work, model, data, {"format": file_format, "recipe": recipe})
        for file_format, recipes in FORMAT_RECIPES.items()
        for recipe in recipes
    ]
    return {
        **{"name": model.name, "seed": facts["seed"], "data": data.name, "n_items": data.n_items},
        "layers": facts["architecture"]["layers"],
        "teacher": facts["teacher"]["name"] if facts["teacher"] else None,
        "trained": {name: facts["metrics"]["test"][name] for name in METRICS},
        "files": files,
        "fits": [_of_budget(args.work, model, budget) for budget in BUDGETS],
    }


def _of_budget(work: Path, model: TrainedModel, budget: str) -> dict[str, Any]:
    """What ``--fit`` takes, and what it does not."""
    print(f"{model.folder.name} --fit {budget}", file=sys.stderr, flush=True)
    try:
        with tempfile.TemporaryDirectory(prefix="recpress-clicks-") as folder:
            asked = ClickExportRequest(
                student=str(model.folder), fit=budget, work=work, out=Path(folder) / "b"
            )
            result = asked.run()
    except GateError as error:
        return {"budget": budget, "recipe": None, "error": str(error)}
    bundle, tried = result.exported.bundle, [asdict(one) for one in result.tried]
    clicks = bundle.quality["clicks"]
    found = {"budget": budget, "recipe": bundle.contract.recipe, "file_bytes": bundle.model_bytes}
    return {**found, "tried": tried, "valid": {part: clicks[part] for part in ("before", "after")}}


def _of_file(work: Path, model: TrainedModel, data: Dataset, how: dict[str, Any]) -> dict[str, Any]:
    print(f"{data.name} {model.folder.name} {how}", file=sys.stderr, flush=True)
    known = labelled_rows(data)
    at = known.part("test")
    fields = stored_clicks(model).scorers[0].layout.fields
    with tempfile.TemporaryDirectory(prefix="recpress-clicks-") as folder:
        asked = ClickExportRequest(
            student=str(model.folder), **how, work=work, out=Path(folder) / "b", force=True
        )
        bundle = asked.run().exported.bundle
        stored = numpy_clicks(bundle.model_path, bundle.contract)
        size, gate = bundle.model_bytes, bundle.quality["clicks"]["gate"]["met"]
    logits = stored.logits(of_requests(fields, encode_rows(fields, data, "test")), known.items[at])
    measured = {**how, "file_bytes": size, "gate_met": gate}
    return measured | {"test": click_metrics(known.users[at], known.labels[at], logits)}


def show(record: dict[str, Any]) -> str:
    """A line a model and recipe."""
    rows = [
        [
            one["name"],
            "-".join(map(str, one["layers"])),
            file["format"],
            file["recipe"],
            format_bytes(file["file_bytes"]),
            *(f"{file['test'][name]:.4f}" for name in METRICS),
        ]
        for one in record["models"]
        for file in one["files"]
    ]
    return table(["model", "layers", "format", "recipe", "file", *METRICS], rows)


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
