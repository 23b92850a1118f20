"""recpress-edge check: the budget gate for CI, by the same code as ``device_bench check``."""

import argparse

from device_bench.options import add_check_options
from recpress_edge.cli.common import common_options, emit, say


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser(
        "check",
        parents=[common_options()],
        help="hold records against budgets.toml",
        description="Holds the newest record of every bundle against each budget that is for it. Exit code 3 "
        "with every limit that is missed and by how much, 4 when all hold but a run is INVALID.",
    )
    add_check_options(parser)
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Exit code 0 when every limit holds."""
    from recpress_edge.records.check import read_budgets

    budgets = read_budgets(args.budget, args.only)
    if args.dry_run:
        for budget in budgets:
            say(args, f"would hold  {budget.name}: {budget.limits}")
        emit(args, {"dry_run": True, "budgets": [budget.name for budget in budgets]})
        return 0
    from device_bench.commands import check_records

    return check_records(args)
