"""device_bench run | compare | check | self-test | ask | state: measure and ask a bundle, judge records."""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from device_bench.ask import add_ask_options
from device_bench.options import add_check_options, add_run_options
from recpress_edge import __version__
from recpress_edge.core.printable import json_text, printable
from recpress_edge.core.terminal import any_encoding, errors_in_one_line, stdout_encoding
from recpress_edge.device.guard import add_guard_options, guard_of

EXIT_CODES = (
    "exit codes: 0 ok · 1 failed · 2 wrong usage · 3 budget missed, limit not survived · "
    "4 measured but invalid (throttled, loaded, unstable)"
)
STOPPED = ": nothing was recorded for the bundle being measured. Run the command again."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    any_encoding()
    args = build_parser().parse_args(argv)
    with errors_in_one_line(STOPPED) as ending:
        ending.code = int(args.handler(args))
    return ending.code


def build_parser() -> argparse.ArgumentParser:
    """The command line of device_bench."""
    parser = argparse.ArgumentParser(
        prog="device_bench", description=__doc__, epilog=EXIT_CODES, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"device_bench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="verify, self-test and measure bundles", allow_abbrev=False)
    add_run_options(run)
    run.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of records (default: runs)"
    )
    run.add_argument("--json", action="store_true", help="one JSON object on stdout, all talk on stderr")
    run.add_argument(
        "--dry-run", action="store_true", help="verify the bundles, say what would be measured, and stop"
    )
    run.set_defaults(handler=_run)

    both = commands.add_parser("compare", help="two records: ratios with intervals", allow_abbrev=False)
    both.add_argument("first", type=Path, metavar="A.json")
    both.add_argument("second", type=Path, metavar="B.json")
    both.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    both.set_defaults(handler=_compare)

    gate = commands.add_parser(
        "check", help="hold records against budgets.toml; exit 3 when one is missed", allow_abbrev=False
    )
    add_check_options(gate)
    gate.add_argument("--json", action="store_true", help="one JSON object on stdout, all talk on stderr")
    gate.set_defaults(handler=_check)

    test = commands.add_parser(
        "self-test", help="verify bundles and their answers, time nothing", allow_abbrev=False
    )
    test.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    add_guard_options(test)
    test.set_defaults(handler=_self_test)

    asking = commands.add_parser("ask", help="one person's recommendations from a bundle", allow_abbrev=False)
    add_ask_options(asking)
    asking.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    asking.set_defaults(handler=_ask)

    state = commands.add_parser("state", help="this machine and its state now, as JSON", allow_abbrev=False)
    state.set_defaults(handler=_state)
    return parser


def _run(args: argparse.Namespace) -> int:
    from device_bench.commands import run_bundles

    return run_bundles(args, args.runs)


def _compare(args: argparse.Namespace) -> int:
    from device_bench.compare import compare, comparison_lines
    from recpress_edge.records.bench import whole

    with whole(f"{args.first} or {args.second}"):
        found = compare(args.first, args.second)
    if args.json:
        print(json_text(dataclasses.asdict(found), encoding=stdout_encoding()))
    else:
        print("\n".join(map(printable, comparison_lines(found))))
    return 0


def _check(args: argparse.Namespace) -> int:
    from device_bench.commands import check_records

    return check_records(args)


def _self_test(args: argparse.Namespace) -> int:
    from device_bench.commands import self_test_bundles

    return self_test_bundles(args.bundles, guard_of(args))


def _ask(args: argparse.Namespace) -> int:
    from device_bench.ask import ask_bundle

    return ask_bundle(args)


def _state(_: argparse.Namespace) -> int:
    from device_bench.device import device_facts
    from device_bench.state import read_state

    print(json_text({"device": device_facts(), "state": read_state()}, indent=2, encoding=stdout_encoding()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
