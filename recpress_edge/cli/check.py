"""recpress-edge check: the budget gate for CI, by the same code as ``device_bench check``."""

import argparse

from device_bench.commands import check_records
from device_bench.options import add_check_options
from recpress_edge.cli.common import add_common_options, emit, say
from recpress_edge.records.check import read_budgets


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Holds the newest record of every bundle against each budget that is for it. Exit code 3 "
        "with every limit that is missed and by how much, 4 when all hold but a run is INVALID."
    )
    add_common_options(parser)
    add_check_options(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when every limit holds."""
    budgets = read_budgets(args.budget, args.only)
    if args.dry_run:
        for budget in budgets:
            say(args, f"would hold  {budget.name}: {budget.limits}")
        emit(args, {"dry_run": True, "budgets": [budget.name for budget in budgets]})
        return 0
    return check_records(args)
