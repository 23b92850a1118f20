"""Latency of one bundle's model over another's: one process, the same queries, blocks in turn (A B B A).

    python benchmarks/latency_ratio.py dist/htd_dim10-int8 dist/htd_dim10-fp32-naive --out ratio.json

Two runs minutes apart differ by what else the machine did; two blocks milliseconds apart hardly do.
"""

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import Any, Final

import _bench

from device_bench.measure import BlockTimer
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.stats import percentile
from recpress_edge.core.units import format_ns

SCHEMA: Final = "recpress.latency-ratio/1"
SIDES: Final = ("first", "second")


def parser() -> argparse.ArgumentParser:
    made = _bench.options(__doc__)
    for side in SIDES:
        made.add_argument(side, type=Path)
    _bench.add_rounds(made)
    delegates = [delegate for row in FORMATS.values() for delegate in row.delegates]
    made.add_argument("--delegate", choices=delegates, help="default: the runtime's own kernels")
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Self-test both, time both in turn, and put an interval on the ratio of medians."""
    rounds, bundles = _bench.Rounds.of(args), [open_bundle(args.first), open_bundle(args.second)]
    _bench.check_same_users(bundles)
    delegates = [
        args.delegate if args.delegate in FORMATS[b.contract.format].delegates else None for b in bundles
    ]
    if args.delegate and not any(delegates):
        raise ConfigError(f"--delegate {args.delegate}: neither bundle's format has it. Leave it out.")
    runtimes = [_bench.opened(b, rounds.threads, d) for b, d in zip(bundles, delegates, strict=True)]
    timers = [BlockTimer(r.run, _bench.queries(r, b, rounds)) for r, b in zip(runtimes, bundles, strict=True)]
    samples, wait_share = _bench.time_in_turn(timers, rounds)
    sides = [
        {
            "name": bundle.name,
            "bundle_sha256": bundle.digest,
            "recipe": bundle.contract.recipe,
            "runtime": runtime.name,
            "delegate": delegate,
            "p50_ns": percentile(timer.samples, 50),
            "query_ns": timer.samples,
        }
        for bundle, runtime, delegate, timer in zip(bundles, runtimes, delegates, timers, strict=True)
    ]
    return {
        "schema": SCHEMA,
        "basis": "measured",
        **_bench.ratio_interval(samples, rounds.seed),
        "wait_share": wait_share,
        "protocol": dataclasses.asdict(rounds),
        **_bench.machine(runtimes[0].name, runtimes[0].version, **{runtimes[1].name: runtimes[1].version}),
        **dict(zip(SIDES, sides, strict=True)),
    }


def show(record: dict[str, Any]) -> str:
    """The two medians, and their ratio with its interval."""
    lines = []
    for name in SIDES:
        side = record[name]
        label = " ".join(filter(None, (side["name"], side["delegate"])))
        count = len(side["query_ns"])
        lines.append(f"{name:<8} {label:<28} p50 {format_ns(side['p50_ns'])}  ({count:,} queries)")
    over = f"95 %, over {record['protocol']['rounds']} rounds"
    lines.append(f"ratio    {_bench.in_brackets(record, 3)}  {over}")
    if record["wait_share"] is not None:
        lines.append(f"waited   {record['wait_share']:.1%} of the time for a core")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(_bench.run(parser(), measure, show))
