"""Latency of one bundle's model over another's: one process, the same queries, blocks in turn (A B B A).

    python benchmarks/latency_ratio.py dist/htd_dim10-int8 dist/htd_dim10-fp32-naive --out ratio.json

Two runs minutes apart differ by what else the machine did; two blocks milliseconds apart hardly do.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from device_bench.contention import ContentionWatch
from device_bench.device import device_facts, software_facts
from device_bench.measure import DISTINCT_QUERIES, BlockTimer, no_garbage_collection
from device_bench.runtimes.onnx_runtime import Feed, OnnxRuntime, import_onnxruntime
from device_bench.selftest import check_answers
from recpress_edge.core.bundle import EVALUATION_FILE, Bundle, open_bundle
from recpress_edge.core.errors import ConfigError, RecPressError
from recpress_edge.core.files import write_json
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import percentile
from recpress_edge.core.units import format_ns

SCHEMA = "recpress.latency-ratio/1"
BOOTSTRAP_DRAWS = 2000


def main() -> int:
    """Print the ratio of medians with its interval; write raw samples with --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--rounds", type=int, default=40, help="A B B A blocks (default: 40)")
    parser.add_argument("--block", type=int, default=250, help="queries per block (default: 250)")
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write the record with its raw samples here")
    args = parser.parse_args()
    try:
        record = compare(args)
        if args.out:
            write_json(args.out, record)
    except RecPressError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    for name in ("first", "second"):
        side = record[name]
        count = len(side["query_ns"])
        print(f"{name:<8} {side['name']:<28} p50 {format_ns(side['p50_ns'])}  ({count:,} queries)")
    interval = f"[{record['low']:.3f}, {record['high']:.3f}]"
    print(f"ratio    {record['ratio']:.3f}  {interval}  95 %, over {args.rounds} rounds")
    if record["wait_share"] is not None:
        print(f"waited   {record['wait_share']:.1%} of the time for a core")
    return 0


def compare(args: argparse.Namespace) -> dict[str, Any]:
    """Self-test both, time both in turn, and put an interval on the ratio of medians."""
    if min(args.rounds, args.block, args.k, args.threads) < 1:
        raise ConfigError("--rounds, --block, --k and --threads must be at least 1")
    bundles = [open_bundle(args.first), open_bundle(args.second)]
    digests = {bundle.files[EVALUATION_FILE]["sha256"] for bundle in bundles}
    if len(digests) != 1:
        raise ConfigError(
            f"{args.first} and {args.second} hold different evaluation users: no common queries"
        )
    timers = [_timer(bundle, args) for bundle in bundles]
    for timer in timers:
        timer.block(200)
        timer.forget()
    with no_garbage_collection():
        watch = ContentionWatch()
        for _ in range(args.rounds):
            for index in (0, 1, 1, 0):
                timers[index].block(args.block)
        wait_share = watch.read().wait_share
    samples = np.array([timer.samples for timer in timers]).reshape(2, args.rounds, 2 * args.block)
    low, high = ratio_interval(samples, args.seed)
    medians = [percentile(side, 50) for side in samples]
    sides = [
        {
            "name": b.name,
            "bundle_sha256": b.digest,
            "recipe": b.contract.recipe,
            "p50_ns": m,
            "query_ns": t.samples,
        }
        for b, m, t in zip(bundles, medians, timers, strict=True)
    ]
    return {
        "schema": SCHEMA,
        "basis": "measured",
        "ratio": medians[0] / medians[1],
        "low": low,
        "high": high,
        "wait_share": wait_share,
        "protocol": {name: getattr(args, name) for name in ("rounds", "block", "k", "threads", "seed")},
        "device": device_facts(),
        "software": software_facts("onnxruntime", import_onnxruntime().__version__),
        "first": sides[0],
        "second": sides[1],
    }


def _timer(bundle: Bundle, args: argparse.Namespace) -> BlockTimer[Feed]:
    runtime = OnnxRuntime(bundle.model_path, bundle.contract, args.threads)
    check_answers(runtime, bundle.selftest(), bundle.contract)
    evaluation = bundle.evaluation()
    rows = stream(args.seed, "bench queries").permutation(evaluation.users.size)[:DISTINCT_QUERIES]
    feeds = [
        runtime.prepare(int(evaluation.users[row]), evaluation.seen(row), args.k) for row in rows.tolist()
    ]
    return BlockTimer(runtime.run, [feed for feed in feeds if feed[bundle.contract.k_input][0]])


def ratio_interval(samples: "np.typing.NDArray[np.int64]", seed: int) -> tuple[float, float]:
    """95 % interval of median(first) / median(second), resampling whole rounds. samples (2, rounds, N).

    Rounds and not queries: queries of one round share whatever disturbed it.
    """
    by_round = np.median(samples, axis=2)  # (2, rounds)
    rounds = by_round.shape[1]
    draws = stream(seed, "bootstrap").integers(0, rounds, (BOOTSTRAP_DRAWS, rounds))
    ratios = np.median(by_round[0][draws], axis=1) / np.median(by_round[1][draws], axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    sys.exit(main())
