"""recpress-edge bench: measure bundles on this machine, by the same code that runs on the device."""

import argparse

from device_bench.options import add_run_options
from recpress_edge.cli.common import common_options


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "bench",
        parents=[common_options()],
        help="measure bundles: memory, latency, Recall@K",
        description="Verifies, self-tests and measures each bundle in fresh processes. Records go to runs/.",
    )
    add_run_options(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Measure; exit code 4 when a run is invalid (throttled, loaded, unstable)."""
    from device_bench.commands import run_bundles

    return run_bundles(args, args.work / "runs")
