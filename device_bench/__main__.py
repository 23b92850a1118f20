"""device_bench run | compare | check | self-test | ask | state: measure and ask a bundle, judge records."""

import argparse
import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recpress_edge import __version__
from recpress_edge.core.terminal import any_encoding, errors_in_one_line

EXIT_CODES = (
    "exit codes: 0 ok · 1 failed · 2 wrong usage · 3 budget missed, limit not survived · "
    "4 measured but invalid (throttled, loaded, unstable)"
)
STOPPED: Final = ": nothing was recorded for the bundle being measured. Run the command again."


@dataclass(frozen=True, slots=True)
class BenchCommand:
    """One command; its modules are imported when it is asked for."""

    about: str
    handler: str
    """'module:function' that takes the parsed arguments and returns the exit code."""
    options: str | None = None
    """'module:function' that adds its flags to a parser."""
    json: str | None = None
    """The help of --json, where it is taken."""


_QUIET: Final = "one JSON object on stdout, all talk on stderr"
_OBJECT: Final = "one JSON object instead of lines"
COMMANDS: Final[Mapping[str, BenchCommand]] = {
    "run": BenchCommand(
        "verify, self-test and measure bundles",
        "device_bench.commands:run_here",
        "device_bench.options:add_here_options",
        _QUIET,
    ),
    "compare": BenchCommand(
        "two records: ratios with intervals",
        "device_bench.commands:compare_records",
        "device_bench.options:add_compare_options",
        _OBJECT,
    ),
    "check": BenchCommand(
        "hold records against budgets.toml; exit 3 when one is missed",
        "device_bench.commands:check_records",
        "device_bench.options:add_check_options",
        _QUIET,
    ),
    "self-test": BenchCommand(
        "verify bundles and their answers, time nothing",
        "device_bench.commands:self_test_bundles",
        "device_bench.options:add_self_test_options",
    ),
    "ask": BenchCommand(
        "one person's recommendations from a bundle",
        "device_bench.ask:ask_bundle",
        "device_bench.ask:add_ask_options",
        _OBJECT,
    ),
    "state": BenchCommand("this machine and its state now, as JSON", "device_bench.commands:print_state"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    any_encoding()
    words = sys.argv[1:] if argv is None else argv
    asked = next((word for word in words if not word.startswith("-")), "")
    args = build_parser(asked).parse_args(words)
    with errors_in_one_line(STOPPED) as ending:
        ending.code = int(named(args.handler)(args))
    return ending.code


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The command line of device_bench. ``command``: whose options alone to load; None: everyone's."""
    parser = argparse.ArgumentParser(
        prog="device_bench", description=__doc__, epilog=EXIT_CODES, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"device_bench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, row in COMMANDS.items():
        one = commands.add_parser(name, help=row.about, allow_abbrev=False)
        one.set_defaults(handler=row.handler)
        if row.options is not None and command in (None, name):
            named(row.options)(one)
        if row.json is not None:
            one.add_argument("--json", action="store_true", help=row.json)
    return parser


def named(reference: str) -> Callable[..., Any]:
    """Import what 'module:attribute' names."""
    module, _, attribute = reference.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found


if __name__ == "__main__":
    sys.exit(main())
