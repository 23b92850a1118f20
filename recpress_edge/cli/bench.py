"""recpress-edge bench: measure bundles on this machine, by the same code that runs on the device."""

import argparse

from device_bench.commands import run_bundles
from device_bench.options import add_run_options
from recpress_edge.cli.common import add_common_options


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Verifies, self-tests and measures each bundle in fresh processes. Records go to runs/."
    )
    add_common_options(parser)
    add_run_options(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Measure; exit code 4 when a run is invalid (throttled, loaded, unstable)."""
    return run_bundles(args, args.work / "runs")
