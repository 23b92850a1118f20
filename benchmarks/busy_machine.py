"""Whether what a record calls trustworthy is: one bundle beside 0, 1, 2 and 8 busy processes, by turns.

    python benchmarks/busy_machine.py BUNDLE --out benchmarks/results/busy-machine.json

Start it on a quiet machine. For each figure (a percentile of a series) the median of the quiet runs that
trust it is the measure. Every run that trusts the figure, whatever ran beside it, must agree within 10 %;
else exit code 3. A run that does not trust it says why, which is counted. About 5 minutes on two cores.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from _bench import options, run, table

from device_bench.__main__ import main as device_bench
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.core.errors import GateError, InvalidRunError, RecPressError
from recpress_edge.core.stats import percentile
from recpress_edge.core.units import format_ns
from recpress_edge.device.process import dies_with_parent
from recpress_edge.records.bench import PERCENTILES, figure, read_record, samples_of

TOLERANCE: Final = 0.10
LOADS: Final = (0, 1, 2, 8)
_INVALID: Final = 4
_SETTLE_S: Final = 1.0
HEADERS: Final = ("busy", "series", "figure", "trusted", "worst", "untrusted alike", "quiet")


def parser() -> argparse.ArgumentParser:
    made = options(__doc__)
    made.add_argument("bundle", type=Path)
    made.add_argument("--busy", default=",".join(map(str, LOADS)), help="busy processes, with commas")
    made.add_argument("--rounds", type=int, default=2, help="runs of each load, by turns (default: 2)")
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Runs of every load by turns, and what follows for each figure."""
    loads = [int(load) for load in args.busy.split(",")]
    bundle = open_bundle(args.bundle)
    with tempfile.TemporaryDirectory() as folder:
        runs = [
            (load, record_beside(args.bundle, load, Path(folder) / f"{turn}-{load}.json"))
            for turn in range(args.rounds)
            for load in loads
        ]
    return {
        "schema": "recpress.busy-machine/1",
        "bundle_sha256": bundle.digest,
        "cores": os.cpu_count(),
        "device": runs[0][1]["device"],
        "tolerance": TOLERANCE,
        "runs": [facts(load, record) for load, record in runs],
        "figures": figures(runs),
    }


def show(record: dict[str, Any]) -> str:
    """A line for each load and figure."""
    return table(HEADERS, [line(row) for row in record["figures"]])


def record_beside(bundle: Path, load: int, out: Path) -> dict[str, Any]:
    """One record, made beside so many busy processes."""
    with busy(load):
        time.sleep(_SETTLE_S)
        code = device_bench(["run", str(bundle), "--out", str(out)])
    if code not in (0, _INVALID):
        raise RecPressError(f"device_bench ended with exit code {code}")
    return read_record(out)


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute without a pause."""
    command = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(command, preexec_fn=dies_with_parent()) for _ in range(count)]
    try:
        yield
    finally:
        for one in others:
            one.kill()
            one.wait()


def facts(load: int, record: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a run: every percentile, trusted or not, and the verdicts."""
    measured = {
        series: {f"p{q}_ns": percentile(samples, q) for q in PERCENTILES[series]}
        for series, samples in samples_of(record).items()
    }
    return {
        "busy": load,
        "created": record["created"],
        "valid": record["valid"],
        "invalid_reasons": record["invalid_reasons"],
        "validity": record["validity"],
        "figures": measured,
        "command": record["protocol"]["command"],
    }


def figures(runs: Sequence[tuple[int, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """For each load and figure: how many runs trust it, and how far the worst is from the quiet one."""
    rows = []
    for series, levels in PERCENTILES.items():
        for q in levels:
            quiet = [v for load, r in runs if load == 0 and (v := figure(r, series, q)) is not None]
            measure_ns = float(np.median(quiet)) if quiet else None
            for load in dict(runs):
                mine = [record for of, record in runs if of == load and series in samples_of(record)]
                if mine:
                    rows.append(_row(load, series, q, mine, measure_ns))
    return rows


def _row(
    load: int, series: str, q: int, records: Sequence[Mapping[str, Any]], quiet_ns: float | None
) -> dict[str, Any]:
    found = [figure(record, series, q) for record in records]
    trusted = [value for value in found if value is not None]
    others = [
        percentile(samples_of(record)[series], q)
        for record, value in zip(records, found, strict=True)
        if value is None
    ]
    off = [value / quiet_ns - 1 for value in trusted] if quiet_ns else []
    return {
        "busy": load,
        "series": series,
        "percentile": q,
        "runs": len(records),
        "trusted": len(trusted),
        "quiet_ns": quiet_ns,
        "trusted_ns": trusted,
        "untrusted_ns": others,
        "worst": max(off, key=abs, default=None),
        "untrusted_alike": sum(abs(value / quiet_ns - 1) <= TOLERANCE for value in others) if quiet_ns else 0,
    }


def line(row: Mapping[str, Any]) -> list[str]:
    """A row for people."""
    return [
        str(row["busy"]),
        row["series"],
        f"p{row['percentile']}",
        f"{row['trusted']} of {row['runs']}",
        "–" if row["worst"] is None else f"{row['worst']:+.1%}",
        f"{row['untrusted_alike']} of {len(row['untrusted_ns'])}",
        "–" if row["quiet_ns"] is None else format_ns(row["quiet_ns"]),
    ]


def decide(rows: Sequence[Mapping[str, Any]]) -> None:
    """GateError where a trusted figure is off; InvalidRunError where the machine was not quiet."""
    headline = [
        row for row in rows if row["busy"] == 0 and row["series"] == "query" and row["percentile"] == 50
    ]
    if not headline or headline[0]["quiet_ns"] is None:
        raise InvalidRunError(
            "no quiet run is valid, so there is nothing to measure the others by. Try later"
        )
    wrong = [row for row in rows if row["worst"] is not None and abs(row["worst"]) > TOLERANCE]
    if wrong:
        names = Counter(f"{row['series']} p{row['percentile']} beside {row['busy']}" for row in wrong)
        raise GateError(f"trusted, and off by more than {TOLERANCE:.0%}: {', '.join(names)}")


if __name__ == "__main__":
    sys.exit(run(parser(), measure, show, lambda record: decide(record["figures"])))
