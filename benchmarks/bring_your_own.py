"""Models of other libraries as bundles: the library's own Recall@50, the fp32 bundle's and the int8's.

    python benchmarks/bring_your_own.py --data ml-100k,citeulike --work work --out bring-your-own.json

(with RECPRESS_DATA_DIR set and the libraries installed: pip install implicit lightfm lenskit gensim recbole).
Each library trains on the train pairs and recommends to the test users with its own call, train and
validation items left out. Then its files go through ``model import`` and ``export``, and the bundles answer
the same users. ``lists alike``: for how many users the fp32 bundle's 50 items are the library's.

The gate: fp32 within .0005 of the library (float32 sums of another order may move an item past rank 50),
int8 within .002 of it, or within the hits of three users where .002 is less than these.
"""

import argparse
import importlib.metadata
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import options, run, table
from _foreign import WAYS, K, Trained
from _models import METRIC, dataset_facts

from recpress_edge.artifacts.bundle import Bundle, Evaluation
from recpress_edge.cli.common import names_of
from recpress_edge.core.arrays import I64
from recpress_edge.core.errors import GateError, unknown_name
from recpress_edge.core.metrics import recall_by_user
from recpress_edge.data.holdout import holdout
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.device.runtime import open_runtime
from recpress_edge.jobs.export import ExportRequest
from recpress_edge.jobs.model import ModelImportRequest
from recpress_export.ranking import rank

MOST: Final = {"fp32": 0.0005, "int8": 0.002}
"""Recall@50 that a bundle may differ by from the library."""
RECIPES: Final = {"fp32": "fp32", "int8": "int8-dim"}


def measured(name: str, data: Dataset, work: Path) -> dict[str, Any]:
    """One model: the library's recall, and both bundles'."""
    rows = holdout(data, "test")
    with tempfile.TemporaryDirectory() as folder:
        trained = WAYS[name].train(data, rows, Path(folder))
        imported = ModelImportRequest(
            name=name.replace(" ", "_"), data=data.name, work=work, **trained.request
        ).run()
    facts = imported.model.metadata
    made = {short: bundled(imported.model.folder, recipe, work) for short, recipe in RECIPES.items()}
    lists = {short: answers(bundle, rows) for short, bundle in made.items()}
    return {
        "model": name,
        "data": data.name,
        "package": f"{WAYS[name].package} {importlib.metadata.version(WAYS[name].package)}",
        "settings": trained.settings,
        "dim": facts["dim"],
        "read_as": facts["imported"]["library"],
        "items_without_vector": facts["imported"]["items_without_vector"],
        "test_users": int(rows.users.size),
        "library": recall(trained.lists, rows),
        "import": facts["metrics"]["test"][METRIC],
        **{short: recall(found, rows) for short, found in lists.items()},
        "gate": {short: bundle.quality["parity"]["gate"]["failure"] for short, bundle in made.items()},
        "plausibility": facts["plausibility"],
        "lists_alike": alike(trained, lists["fp32"]),
    }


def bundled(folder: Path, recipe: str, work: Path) -> Bundle:
    """The exported bundle; what its own gate says of it is recorded, not obeyed."""
    target = work / "dist" / f"{folder.name}-{recipe}"
    request = ExportRequest(student=str(folder), recipe=recipe, out=target, work=work, force=True)
    return request.run().exported.bundle


def answers(bundle: Bundle, rows: Evaluation) -> I64:
    """The lists of a bundle, asked as a device asks it (B, K)."""
    runtime = open_runtime(bundle.model_path, bundle.contract, 1)
    return np.asarray(rank(runtime, rows).items[:, :K], np.int64)


def recall(lists: I64, rows: Evaluation) -> float:
    """Recall@50 = hits / held-out items, mean over the users."""
    relevant = [rows.relevant(row).tolist() for row in range(rows.users.size)]
    return float(recall_by_user(lists, relevant).mean())


def alike(trained: Trained, lists: I64) -> int:
    """Users whose 50 items are the same, order aside."""
    return int((np.sort(trained.lists, axis=1) == np.sort(lists, axis=1)).all(axis=1).sum())


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every model on every data set."""
    wanted = names_of("models", args.models) if args.models else list(WAYS)
    for name in wanted:
        if name not in WAYS:
            raise unknown_name("model", name, list(WAYS))
    sets = [load_dataset(name, args.work) for name in names_of("data", args.data)]
    return {
        "schema": "recpress.bring-your-own/1",
        "metric": METRIC,
        "datasets": [dataset_facts(data) for data in sets],
        "python": platform.python_version(),
        "results": [measured(name, data, args.work) for data in sets for name in wanted],
    }


def show(record: dict[str, Any]) -> str:
    """A row a model."""
    headers = ["data", "model", "package", METRIC, "fp32 bundle", "int8 bundle", "lists alike"]
    rows = [
        [
            one["data"],
            one["model"],
            one["package"],
            *(f"{one[key]:.4f}" for key in ("library", "fp32", "int8")),
            f"{one['lists_alike']:,} of {one['test_users']:,}",
        ]
        for one in record["results"]
    ]
    return table(headers, rows)


def gate(record: dict[str, Any]) -> None:
    """GateError where a bundle recommends otherwise than its library."""
    for one in record["results"]:
        least = {"fp32": 0.0, "int8": 3.001 / one["test_users"]}
        for key, most in MOST.items():
            if abs(one[key] - one["library"]) > max(most, least[key]):
                raise GateError(
                    f"{one['model']} on {one['data']}: {key} {one[key]:.4f}, its library {one['library']:.4f}"
                )


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path("work"), out=True)
    made.add_argument("--data", default="ml-100k,citeulike", help="data sets, default: %(default)s")
    made.add_argument("--models", help=f"of {', '.join(WAYS)}; default: all")
    return made


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show, gate))
