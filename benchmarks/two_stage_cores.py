"""Instructions of each stage of a two-stage bundle on emulated Arm cores, and whether the lists are the same.

    recpress-edge export --student work/models/rerank_dim8-s0-… --int8 --with-evaluation --work work
    recpress-edge export --student work/models/rerank_dim8-s0-… --int8 --with-evaluation --work work \\
        --format tflite
    python benchmarks/two_stage_cores.py --runs work/runs --out benchmarks/results/two-stage-cores.json \\
        work/dist/rerank_dim8-int8 work/dist/rerank_dim8-int8-tflite

Runs what has no record in RUNS yet, so it may be stopped and started again. No time is read: instruction
counts are the same on every machine. Microseconds on a quiet machine: device_bench run BUNDLE.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from _arm import CORES, counts, newest
from _bench import options, run, table

from device_bench.__main__ import main as device_bench
from recpress_edge.artifacts.two_stages.bundle import TwoStageBundle, open_two_stage_bundle
from recpress_edge.core.errors import RecPressError
from recpress_edge.core.units import format_bytes, format_instructions
from recpress_edge.records.bench import HEADLINE, RERANK, RETRIEVE, model_memory_bytes, samples_of

SCHEMA: Final = "recpress.two-stage-cores/1"
SERIES: Final = (RETRIEVE, RERANK, HEADLINE, "end_to_end")
TOP: Final = 10
QUERIES: Final = 200


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """A row for each bundle, with every core."""
    return {
        "schema": SCHEMA,
        "basis": "emulated",
        "k": TOP,
        "rows": [row_of(open_two_stage_bundle(folder), args.runs) for folder in args.bundles],
    }


def row_of(bundle: TwoStageBundle, runs: Path) -> dict[str, Any]:
    """One bundle on both cores."""
    contract, made = bundle.contract, bundle.provenance
    return {
        "bundle": bundle.name,
        "bundle_sha256": bundle.digest,
        "dataset": made["dataset"]["name"],
        "student": made["student"],
        "first": made["first_stage"]["name"],
        "format": contract.format,
        "n_users": contract.n_users,
        "n_items": contract.n_items,
        "candidates": contract.candidates,
        "file_bytes": bundle.model_bytes,
        "on": {target: facts(record_of(bundle, target, runs)) for target in CORES},
    }


def record_of(bundle: TwoStageBundle, target: str, runs: Path) -> Mapping[str, Any]:
    """The record of a bundle on a core, made where it is missing."""
    found = newest(runs, bundle.digest, target)
    if found is None:
        asked = ["run", str(bundle.folder), "--on", target, "--runs", str(runs)]
        code = device_bench([*asked, "--k", str(TOP), "--queries", str(QUERIES)])
        found = newest(runs, bundle.digest, target)
        if code or found is None:
            raise RecPressError(f"exit code {code} for {bundle.folder} on {target}")
    return found


def facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of one record, without its raw samples."""
    known = counts({name: samples_of(record)[name] for name in SERIES})
    return {
        "core": record["device"]["core"],
        "software": record["software"],
        "instructions": known,
        "model_peak_bytes": model_memory_bytes(record, "vm_hwm"),
        "ids_equal": record["host"]["ids_equal"],
        "quality": {name: record["quality"][name] for name in ("ndcg@10", "recall@10", "first_stage")},
    }


def show(record: dict[str, Any]) -> str:
    """A row for each bundle and core."""
    rows = [
        [
            row["bundle"],
            found["core"],
            *(format_instructions(found["instructions"][name]["p50"]) for name in SERIES),
            "–" if found["model_peak_bytes"] is None else format_bytes(found["model_peak_bytes"]),
            "equal" if found["ids_equal"] else "OTHER",
        ]
        for row in record["rows"]
        for found in row["on"].values()
    ]
    return table(["bundle", "core", *SERIES, "memory", "lists"], rows)


def parser() -> argparse.ArgumentParser:
    made = options(__doc__, out=True)
    made.add_argument("--runs", type=Path, default=Path("runs"), help="folder of records")
    made.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    return made


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
