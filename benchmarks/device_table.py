"""What int8 keeps and costs, for several students: the table in the README.

    python benchmarks/device_table.py --work work --out benchmarks/results/citeulike-int8.json

(with RECPRESS_DATA_DIR set). Trains what is missing, exports fp32 and int8, measures every bundle with
device_bench, and times int8 against the naive fp32 file (Gather, MatMul, mask, TopK) of the same student in
one process, blocks in turn.
"""

import argparse
import dataclasses
import datetime
import shlex
import sys
from pathlib import Path
from typing import Any, Final

from latency_ratio import Protocol as RatioProtocol
from latency_ratio import compare

from device_bench.lanes.targets import parse_target
from device_bench.options import Protocol, Request
from device_bench.protocol import run_bundle
from recpress_edge.cli import main as recpress_edge
from recpress_edge.cli.common import table
from recpress_edge.core.bundle import open_bundle
from recpress_edge.core.errors import RecPressError
from recpress_edge.core.results import model_memory_bytes, record_path, summarise, write_record
from recpress_edge.core.units import format_bytes
from recpress_edge.training.cache import is_folder
from recpress_edge.training.store import load_model
from recpress_export.source import bundle_stem

STUDENTS: Final = (*(f"{method}_dim{dim}" for dim in (10, 20) for method in ("bpr", "ftd", "htd", "soft")),)
METRIC: Final = "recall@50"
HEADERS: Final = (
    "student",
    "fp32 file",
    "int8 file",
    "ratio",
    "R@50 fp32",
    "R@50 int8",
    "overlap@50",
    "latency int8/fp32",
)


def main() -> int:
    """Print the table and write every figure behind it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="citeulike")
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--out", type=Path, help="write the rows here as JSON")
    parser.add_argument(
        "students",
        nargs="*",
        metavar="STUDENT",
        help=f"names or folders (default: {' '.join(STUDENTS)})",
    )
    args = parser.parse_args()
    try:
        rows = [measure(student, args) for student in args.students or STUDENTS]
    except RecPressError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(table(HEADERS, [line(row) for row in rows]))
    if args.out:
        command = shlex.join(["python", *sys.argv])
        write_record(args.out, {"schema": "recpress.device-table/1", "command": command, "rows": rows})
    return 0


def measure(student: str, args: argparse.Namespace) -> dict[str, Any]:
    """Both bundles of one student: files, recall on test, memory, latency and its ratio."""
    model = load_model(Path(student)) if is_folder(student) else None
    name = bundle_stem(model.name, model.metadata["seed"]) if model else student
    folders = {}
    for recipe in ("fp32", "int8"):
        folders[recipe] = args.work / "dist" / f"{name}-{recipe}"
        flags = ["--int8"] if recipe == "int8" else []
        command = ["export", "--student", student, "--data", args.data, "--work", str(args.work), *flags]
        code = recpress_edge(command)
        if code:
            raise RecPressError(f"exit code {code} from: recpress-edge {shlex.join(command)}")
    records = {recipe: record_of(folder, args.work / "runs") for recipe, folder in folders.items()}
    timed = compare(folders["int8"], folders["fp32"], RatioProtocol(rounds=20, block=50))
    bundle = open_bundle(folders["int8"])
    return {
        "student": name,
        "teacher": (bundle.provenance["teacher"] or {}).get("name"),
        "chain": bundle.quality["chain"],
        "parity": bundle.quality["parity"],
        "recipes": {recipe: facts(record) for recipe, record in records.items()},
        "latency": timed,
    }


def record_of(folder: Path, runs: Path) -> dict[str, Any]:
    """Measure a bundle by the full protocol and keep the record with its raw samples."""
    request = Request(parse_target("host"), Protocol(), {})
    record = run_bundle(folder, request.protocol, print, request.command(folder))
    created = datetime.datetime.now(datetime.UTC)
    digest = record["artifact"]["bundle_sha256"]
    write_record(record_path(runs, record["device"]["id"], digest, created), record)
    return record


def facts(record: dict[str, Any]) -> dict[str, Any]:
    """The figures of one record, without its raw samples, which stay in the record's file."""
    return {
        "file_bytes": record["artifact"]["file_bytes"],
        "bundle_sha256": record["artifact"]["bundle_sha256"],
        "quality": record["quality"],
        "model_memory_bytes": model_memory_bytes(record, "vm_hwm"),
        "query": dataclasses.asdict(summarise(record["latency_ns"]["query"])),
        "valid": record["valid"],
        "invalid_reasons": record["invalid_reasons"],
        "state": record["state"],
    }


def line(row: dict[str, Any]) -> list[str]:
    """One row of the printed table."""
    fp32, int8 = row["recipes"]["fp32"], row["recipes"]["int8"]
    timed = row["latency"]
    return [
        row["student"],
        format_bytes(fp32["file_bytes"]),
        format_bytes(int8["file_bytes"]),
        f"{int8['file_bytes'] / fp32['file_bytes']:.3f}",
        f"{fp32['quality'][METRIC]:.4f}",
        f"{int8['quality'][METRIC]:.4f}",
        f"{row['parity']['overlap']['overlap@50']['mean']:.4f}",
        f"{timed['ratio']:.2f} [{timed['low']:.2f}, {timed['high']:.2f}]",
    ]


if __name__ == "__main__":
    sys.exit(main())
