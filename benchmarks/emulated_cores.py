"""What a query costs on emulated Arm cores: instructions, memory, and whether the answers are the same.

    python benchmarks/emulated_cores.py --runs runs --out benchmarks/results/emulated-cores.json dist/*

For bundles made with, for example:

    recpress-edge export --data citeulike --student soft_dim10 --recipe int8-dim --format tflite

Runs what has no record in RUNS yet, so it may be stopped and started again; instruction counts are the same
on every machine. The host's own row gives its memory and answers; its times are another benchmark's matter.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Final

from _arm import CORES, counts, newest
from _bench import options, run, table

from device_bench.__main__ import main as device_bench
from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.core.errors import RecPressError
from recpress_edge.core.files import read_json
from recpress_edge.core.units import format_bytes
from recpress_edge.records.bench import (
    counts_instructions,
    find_records,
    model_memory_bytes,
    samples_of,
)

TARGETS: Final = ("host", *CORES)
# memory and answers, no timing: the shortest protocol
_HOST_FLAGS: Final = ("--processes", "1", "--seconds", "0", "--queries", "500", "--pause", "0")
_INVALID: Final = 4
HEADERS: Final = (
    "bundle",
    "file",
    "Recall@50",
    "A53 instr",
    "A76 instr",
    "peak host",
    "peak A53",
    "peak A76",
    "ids",
)


def parser() -> argparse.ArgumentParser:
    made = options(__doc__)
    made.add_argument("--runs", type=Path, default=Path("runs"), help="folder of records")
    made.add_argument("--collect", action="store_true", help="run nothing, show what there is")
    made.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """A row for each bundle, and what int8 buys on each core."""
    rows = [row_of(open_bundle(folder), args) for folder in args.bundles]
    return {"schema": "recpress.emulated-cores/1", "rows": rows, "int8": int8_verdicts(rows)}


def show(record: dict[str, Any]) -> str:
    """The table and the int8 verdicts."""
    sentences = [verdict["sentence"] for verdict in record["int8"]]
    return "\n".join([table(HEADERS, [line(row) for row in record["rows"]]), *sentences])


def row_of(bundle: Bundle, args: argparse.Namespace) -> dict[str, Any]:
    """One bundle on every target; None where there is no record."""
    on = {}
    for target in TARGETS:
        record = newest(args.runs, bundle.digest, target)
        if record is None and not args.collect:
            record_on(bundle.folder, target, args.runs)
            record = newest(args.runs, bundle.digest, target)
        on[target] = None if record is None else facts(record)
    return {
        "bundle": bundle.name,
        "bundle_sha256": bundle.digest,
        "student": bundle.provenance["student"],
        "format": bundle.contract.format,
        "recipe": bundle.contract.recipe,
        "dim": bundle.contract.dim,
        **({"core": core} if (core := bundle.provenance.get("core")) else {}),
        "file_bytes": bundle.model_bytes,
        "ids_equal": len({found["quality"]["ids_sha256"] for found in on.values() if found}) == 1,
        "apart": apart(args.runs, bundle.digest, {f["quality"]["ids_sha256"] for f in on.values() if f}),
        "missing": [target for target, found in on.items() if found is None],
        "on": on,
    }


def apart(runs: Path, digest: str, ids: Set[str]) -> dict[str, Any] | None:
    """How far two machines' float lists are apart, as ``device_bench run --on armuser:BOARD`` found it.

    From a parity record of the same bundle, in which both gave the ids of the two that are compared.
    """
    found = [read_json(path) for path in find_records(runs) if path.parent.name.startswith("armuser-")]
    for record in found:
        pair = {record["quality"]["ids_sha256"], record["host"]["ids_sha256"]}
        if record["artifact"]["bundle_sha256"] == digest and pair == ids and len(pair) == 2:
            return {"on": record["on"], **record["host"]["differences"]}
    return None


def record_on(folder: Path, target: str, runs: Path) -> None:
    """Run device_bench; a busy host does not matter, because no time is read."""
    flags = _HOST_FLAGS if target == "host" else ("--on", target)
    code = device_bench(["run", str(folder), *flags, "--runs", str(runs)])
    if code not in ((0, _INVALID) if target == "host" else (0,)):
        raise RecPressError(f"exit code {code} for {folder} on {target}")


def facts(record: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of one record, without its raw samples; a time is not among them."""
    counted = counts_instructions(record)
    return {
        "basis": record["basis"],
        "device": record["device"],
        "software": record["software"],
        "image_sha256": record.get("emulator", {}).get("image_sha256"),  # the records list what is in it
        "instructions": counts(samples_of(record)) if counted else None,
        "peak_bytes": record["memory_bytes"]["model"]["vm_hwm"],
        "private_bytes": record["memory_bytes"]["model"]["pss_anon"],
        "model_peak_bytes": model_memory_bytes(record, "vm_hwm"),
        "model_private_bytes": model_memory_bytes(record, "pss_anon"),
        "quality": record["quality"],
        "host": record.get("host"),
        "estimates": record.get("estimates", []),
    }


def int8_verdicts(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """int8 against fp32 of the same student and format on each core, and what follows."""
    verdicts = []
    for row in rows:
        fp32 = next(
            (r for r in rows if r["recipe"] == "fp32" and _variant(r) == _variant(row)),
            None,
        )
        if row["recipe"] == "fp32" or fp32 is None:
            continue
        for target in CORES:
            here, there = row["on"][target], fp32["on"][target]
            if here is None or there is None:
                continue
            smaller = fp32["file_bytes"] / row["file_bytes"]
            work = here["instructions"]["query"]["p50"] / there["instructions"]["query"]["p50"]
            core, advice = here["device"]["core"], verdict(work)
            verdicts.append(
                {
                    "bundle": row["bundle"],
                    "core": core,
                    "smaller": smaller,
                    "instructions": work,
                    "sentence": f"{row['bundle']}, {core}: {smaller:.1f}× smaller, {work:.2f}× the "
                    f"instructions: {advice}",
                }
            )
    return verdicts


def verdict(work: float) -> str:
    """What the share of the instructions says."""
    if work <= 0.95:
        return "choose it for size and speed"
    return "choose it for size" if work <= 1.05 else "choose it for size, not speed"


def _variant(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["student"], row["format"]


def line(row: Mapping[str, Any]) -> list[str]:
    """One row of the printed table."""
    on = row["on"]
    known = [found for found in on.values() if found]
    peaks = [format_bytes(on[t]["peak_bytes"]) if on[t] else "–" for t in TARGETS]
    work = [f"{on[t]['instructions']['query']['p50'] / 1000:,.0f} k" if on[t] else "–" for t in CORES]
    recall = f"{known[0]['quality']['recall@50']:.4f}" if known else "–"
    ids = f"{sameness(row)} ({len(known)})" if len(known) > 1 else "–"
    return [row["bundle"], format_bytes(row["file_bytes"]), recall, *work, *peaks, ids]


def sameness(row: Mapping[str, Any]) -> str:
    """Whether the machines rank alike; for floats, how nearly."""
    if row["ids_equal"]:
        return "equal"
    found = row["apart"]
    if found is None:
        return "differ"
    users = f"equal for {found['users_equal']:,} of {found['users']:,} users"
    return f"{users}, the others swap scores within {found['largest_gap']:.0e}"


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show))
