"""Two stages beside their first alone: taught, not taught, without the last items; over seeds, as one file.

    recpress-edge data import ml-100k/ml-100k.inter --name ml-100k-context --split loo-time --work work \\
        --items ml-100k/ml-100k.item --item-features year=release_year:categorical,genres=class:many \\
        --users ml-100k/ml-100k.user --user-features age:categorical,gender,occupation,zip_code:categorical \\
        --time-features hour,weekday,gap
    recpress-edge train --teacher sasrec_dim64 --data ml-100k-context --work work --epochs 60 \\
        --set patience=5 --set method.history_length=100 --set method.dropout=0.2
    python benchmarks/two_stages.py --data ml-100k-context --work work --seeds 3 \\
        --teacher work/models/sasrec_dim64-s0-… --out benchmarks/results/two-stages-ml-100k.json

(in RECPRESS_DATA_DIR). Each seed has a first stage of its own. Figures are of the int8 file, which ranks for
every user whose last item is held out; test is asked once, after validation chose the epoch. Times are
the tenth percentile of single requests, both files in turns.
"""

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _bench import machine, options, run, table
from _models import dataset_facts, made

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.two_stages.bundle import TwoStageBundle
from recpress_edge.core.arrays import F64
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import paired_bootstrap
from recpress_edge.core.units import format_bytes
from recpress_edge.data.holdout import relevant_items
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import load_dataset
from recpress_edge.device.runtime import open_runtime
from recpress_edge.device.two_stages.runtimes import OnnxTwoStages, StagedRequest
from recpress_edge.jobs.export import ExportRequest
from recpress_edge.jobs.rankers.two_stages import TwoStageExportRequest
from recpress_edge.training.evaluate import metrics_from_ranks
from recpress_edge.training.ranks import held_out_ranks
from recpress_edge.training.run import use_compute
from recpress_edge.training.store import TrainedModel, load_model

SCHEMA: Final = "recpress.two-stages/1"
TAUGHT: Final = "taught"
KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    TAUGHT: {},
    "alone": {"teacher": "none"},
    "taught, without last items": {"method": {"last_items": 0}},
}
METRICS: Final = ("ndcg@10", "recall@10", "recall@50")
GAIN: Final = "gain_by_user"
TIMED: Final = 2000
"""Requests of each file."""


def study(data: Dataset, teacher: TrainedModel, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Every kind with every seed, as a model and as its file."""
    rows = []
    for kind in args.kinds.split(";"):
        for seed in range(args.seeds):
            changes = KINDS[kind]
            method = {"first": args.first, **changes.get("method", {})}
            asked = changes.get("teacher", str(teacher.folder))
            model = made(args.student, data, args.work, seed=seed, teacher=asked, method=method)
            first = made(args.first, data, args.work, seed=seed)
            with tempfile.TemporaryDirectory(prefix="recpress-") as folder:
                rows.append({"kind": kind, **row(model, first, data, args, Path(folder))})
    return rows


def row(
    model: TrainedModel, first: TrainedModel, data: Dataset, args: argparse.Namespace, folder: Path
) -> dict[str, Any]:
    """What a model and its file reach, and how long a request takes."""
    asked = TwoStageExportRequest(student=str(model.folder), out=folder / "both", force=True, work=args.work)
    bundle = asked.run().exported.bundle
    known, stages = model.metadata, bundle.quality["stages"]
    return {
        "seed": known["seed"],
        "sha256": model.digest,
        "first_sha256": first.digest,
        "chosen_epoch": known["chosen_epoch"],
        "seconds": known["seconds"],
        "lists": known["first_stage"]["lists"],
        "as_trained": known["first_stage"]["gain"],
        "file": stages["gain"],
        "gate_met": stages["gate"]["met"],
        "model_bytes": bundle.model_bytes,
        "bundle_bytes": bundle.total_bytes,
        GAIN: gain_by_user(model, first, data),
        **({"us": times(bundle, first, args, folder)} if known["seed"] == 0 else {}),
    }


def gain_by_user(model: TrainedModel, first: TrainedModel, data: Dataset) -> F64:
    """NDCG@10 of both stages above the first, of each test user (B,), as trained."""
    ndcg = [
        metrics_from_ranks(held_out_ranks(one, data, "test"), relevant_items(data, "test"), (10,))[1][
            "ndcg@10"
        ]
        for one in (first, model)
    ]
    return np.asarray(ndcg[1] - ndcg[0])


def times(
    bundle: TwoStageBundle, first: TrainedModel, args: argparse.Namespace, folder: Path
) -> dict[str, float]:
    """Microseconds of one request: the first stage as a file of its own, for 10 items and for all candidates,
    and both stages.
    """
    alone = ExportRequest(
        student=str(first.folder), recipe="int8-dim", out=folder / "first", force=True, work=args.work
    ).run()
    one = open_bundle(alone.exported.bundle.folder)
    single, both = (
        open_runtime(one.model_path, one.contract, 1),
        OnnxTwoStages(bundle.model_path, bundle.contract),
    )
    rng, contract = stream(0, "two stages timed"), bundle.contract
    taken: dict[str, list[int]] = {"first, 10 items": [], "first, all candidates": [], "both": []}
    for _ in range(TIMED):
        user = int(rng.integers(contract.n_users)) if contract.n_users else None
        seen = rng.permutation(contract.n_items)[:50]
        width = np.zeros(contract.width, np.int32)
        request = StagedRequest(user, seen.astype(np.int64), width, contract.candidates, 10)
        feeds = [single.prepare(user, seen, k) for k in (10, contract.candidates)]
        _time(taken["first, 10 items"], lambda feed=feeds[0]: single.run(feed))
        _time(taken["first, all candidates"], lambda feed=feeds[1]: single.run(feed))
        _time(taken["both"], lambda request=request: both.rank(request))
    return {name: float(np.percentile(of, 10)) / 1000 for name, of in taken.items()}


def _time(into: list[int], work: Callable[..., Any]) -> None:
    started = time.perf_counter_ns()
    work()
    into.append(time.perf_counter_ns() - started)


def over_seeds(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What each kind adds to NDCG@10 on test, as trained: users paired, seeds averaged, 95 % bootstrap."""
    found = {}
    for kind in dict.fromkeys(row["kind"] for row in rows):
        gained = np.mean([row[GAIN] for row in rows if row["kind"] == kind], axis=0)
        found[kind] = dataclasses.asdict(paired_bootstrap(np.zeros_like(gained), gained, stream(0, kind)))
    return found


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, work=Path("work"), out=True)
    made.add_argument("--data", required=True)
    made.add_argument("--teacher", type=Path, required=True, help="folder of a trained sasrec")
    made.add_argument("--student", default="rerank_dim8", help="default: %(default)s")
    made.add_argument("--first", default="soft_dim32", help="default: %(default)s")
    made.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    made.add_argument("--kinds", default=";".join(KINDS), help="with ; between (default: all)")
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every kind and seed, and its file."""
    use_compute("cpu", 1)
    data, teacher = load_dataset(args.data, args.work), load_model(args.teacher)
    rows = study(data, teacher, args)
    found = over_seeds(rows)
    for one in rows:
        del one[GAIN]
    known = teacher.metadata
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "dataset": dataset_facts(data),
        "fields": [
            column.name
            for table in (data.features.tables() if data.features else {}).values()
            for column in table.columns
        ],
        "student": args.student,
        "first": args.first,
        "teacher": {
            "name": teacher.name,
            "sha256": teacher.digest,
            "test": {metric: known["metrics"]["test"][metric] for metric in METRICS},
        },
        "rows": rows,
        "added_over_seeds": found,
        **machine("torch", torch.__version__),
    }


def show(record: dict[str, Any]) -> str:
    """A row for each model."""
    rows = []
    for one in record["rows"]:
        test = one["file"]["test"]
        gain = test["ndcg@10"]
        rows.append(
            [
                f"{one['kind']}, seed {one['seed']}",
                *(f"{test[m]['first']:.4f} → {test[m]['both']:.4f}" for m in METRICS),
                f"{gain['gain']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]",
                f"{test['found']:.4f}",
                format_bytes(one["bundle_bytes"]),
            ]
        )
    return table(["kind", *METRICS, "NDCG@10 added", "found", "bundle"], rows)


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
