"""Latency of one bundle's model over another's: one process, the same queries, blocks in turn (A B B A).

    python benchmarks/latency_ratio.py dist/htd_dim10-int8 dist/htd_dim10-fp32-naive --out ratio.json

Two runs minutes apart differ by what else the machine did; two blocks milliseconds apart hardly do.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_bench.contention import total
from device_bench.hardware import device_facts, software_facts
from device_bench.measure import DISTINCT_QUERIES, BlockTimer, no_garbage_collection
from recpress_edge.artifacts.bundle import EVALUATION_FILE, Bundle, open_bundle
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.core.errors import ConfigError, RecPressError
from recpress_edge.core.files import write_json
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import percentile
from recpress_edge.core.units import format_ns
from recpress_edge.device.runtime import Feed, Runtime, open_runtime
from recpress_edge.device.verify import check_answers

SCHEMA = "recpress.latency-ratio/1"
BOOTSTRAP_DRAWS = 2000


@dataclass(frozen=True, slots=True)
class Protocol:
    """How the two are timed."""

    rounds: int = 40
    """A B B A blocks."""
    block: int = 250
    """Queries per block."""
    k: int = 50
    threads: int = 1
    seed: int = 0


def main() -> int:
    """Print the ratio of medians with its interval; write raw samples with --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    for field in dataclasses.fields(Protocol):
        parser.add_argument(f"--{field.name}", type=int, default=field.default, help="default: %(default)s")
    parser.add_argument(
        "--delegate",
        choices=FORMATS["tflite"].delegates,
        help="for tflite bundles (default: the built-in kernels)",
    )
    parser.add_argument("--out", type=Path, help="write the record with its raw samples here")
    args = parser.parse_args()
    try:
        protocol = Protocol(
            **{field.name: getattr(args, field.name) for field in dataclasses.fields(Protocol)}
        )
        record = compare(args.first, args.second, protocol, args.delegate)
        if args.out:
            write_json(args.out, record)
    except RecPressError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    for name in ("first", "second"):
        side = record[name]
        count = len(side["query_ns"])
        label = " ".join(filter(None, (side["name"], side["delegate"])))
        print(f"{name:<8} {label:<28} p50 {format_ns(side['p50_ns'])}  ({count:,} queries)")
    interval = f"[{record['low']:.3f}, {record['high']:.3f}]"
    print(f"ratio    {record['ratio']:.3f}  {interval}  95 %, over {args.rounds} rounds")
    if record["wait_share"] is not None:
        print(f"waited   {record['wait_share']:.1%} of the time for a core")
    return 0


def compare(first: Path, second: Path, protocol: Protocol, delegate: str | None = None) -> dict[str, Any]:
    """Self-test both, time both in turn, and put an interval on the ratio of medians."""
    if min(protocol.rounds, protocol.block, protocol.k, protocol.threads) < 1:
        raise ConfigError("--rounds, --block, --k and --threads must be at least 1")
    bundles = [open_bundle(first), open_bundle(second)]
    digests = {bundle.files[EVALUATION_FILE]["sha256"] for bundle in bundles}
    if len(digests) != 1:
        raise ConfigError(f"{first} and {second} hold different evaluation users: no common queries")
    delegates = [delegate if delegate in FORMATS[b.contract.format].delegates else None for b in bundles]
    if delegate and not any(delegates):
        raise ConfigError(f"--delegate {delegate} is for tflite bundles; neither is one. Leave it out.")
    runtimes = [_open(b, protocol, d) for b, d in zip(bundles, delegates, strict=True)]
    timers = [BlockTimer(r.run, queries(r, b, protocol)) for r, b in zip(runtimes, bundles, strict=True)]
    samples, wait_share = time_in_turn(timers, protocol)
    ratio, low, high = ratio_interval(samples, protocol.seed)
    medians = [percentile(side, 50) for side in samples]
    sides = [
        {
            "name": b.name,
            "bundle_sha256": b.digest,
            "recipe": b.contract.recipe,
            "runtime": r.name,
            "delegate": d,
            "p50_ns": m,
            "query_ns": t.samples,
        }
        for b, r, d, m, t in zip(bundles, runtimes, delegates, medians, timers, strict=True)
    ]
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "ratio": ratio,
        "low": low,
        "high": high,
        "wait_share": wait_share,
        "protocol": dataclasses.asdict(protocol),
        "device": device_facts(),
        "software": software_facts(runtimes[0].name, runtimes[0].version)
        | {runtimes[1].name: runtimes[1].version},
        "first": sides[0],
        "second": sides[1],
    }


def _open(bundle: Bundle, protocol: Protocol, delegate: str | None) -> Runtime:
    runtime = open_runtime(bundle.model_path, bundle.contract, protocol.threads, delegate)
    check_answers(runtime, bundle.selftest(), bundle.contract)
    return runtime


def queries(runtime: Runtime, bundle: Bundle, protocol: Protocol) -> list[Feed]:
    """The evaluation users' requests in a seeded order, as the inputs of ``runtime``."""
    evaluation, contract = bundle.rows(), bundle.contract
    rows = stream(protocol.seed, "bench queries").permutation(evaluation.users.size)[:DISTINCT_QUERIES]
    return [
        runtime.prepare(int(evaluation.users[row]), evaluation.seen(row), protocol.k)
        for row in rows.tolist()
        if np.union1d(evaluation.seen(row), contract.retired).size < contract.n_items
    ]


def time_in_turn(
    timers: Sequence[BlockTimer[Feed]], protocol: Protocol
) -> tuple[NDArray[np.int64], float | None]:
    """Nanoseconds (timers, rounds, 2 · block), and the share of time spent waiting for a core."""
    for timer in timers:
        timer.block(200)
        timer.forget()
    with no_garbage_collection():
        for _ in range(protocol.rounds):
            for timer in (*timers, *reversed(timers)):
                timer.block(protocol.block)
    wait_share = total(timer.counts for timer in timers).wait_share
    shape = (len(timers), protocol.rounds, 2 * protocol.block)
    return np.array([timer.samples for timer in timers]).reshape(shape), wait_share


def ratio_interval(samples: "np.typing.NDArray[np.int64]", seed: int) -> tuple[float, float, float]:
    """First over second, median over rounds of each round's median, with its 95 % interval.

    Rounds and not queries are resampled: queries of one round share whatever disturbed it.
    samples (2, rounds, N) -> (ratio, low, high)
    """
    by_round = np.median(samples, axis=2)  # (2, rounds)
    rounds = by_round.shape[1]
    draws = stream(seed, "bootstrap").integers(0, rounds, (BOOTSTRAP_DRAWS, rounds))
    ratios = np.median(by_round[0][draws], axis=1) / np.median(by_round[1][draws], axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    ratio = np.median(by_round[0]) / np.median(by_round[1])
    return float(ratio), float(low), float(high)


if __name__ == "__main__":
    sys.exit(main())
