"""The command line: one table of commands, imported when asked for; errors in one line."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from recpress_edge import __version__
from recpress_edge.core.errors import (
    OUT_OF_MEMORY,
    RecPressError,
    missing_extra,
    told_by_system,
    unknown_name,
)
from recpress_edge.core.terminal import any_encoding, print_error

# In the order of a user's work; each module has add_parser(subparsers).
COMMANDS: Final = (
    "demo",
    "doctor",
    "data",
    "train",
    "distill",
    "export",
    "bundle",
    "inspect",
    "recommend",
    "bench",
    "report",
    "pick",
    "check",
    "reproduce",
)

# Packages that an extra brings, so that a missing one names its cure.
EXTRA_OF: Final = {
    "torch": "train",
    "pooch": "train",
    "rich": "train",
    "safetensors": "all",  # training and export both need it
    "onnx": "export",
    "ai_edge_litert": "tflite",
    "flatbuffers": "tflite",
    "matplotlib": "report",
    "jinja2": "report",
}

TOUR: Final = """\
the main job, step by step:
  recpress-edge data import ratings.csv --name mine --split loo-time
  recpress-edge export --data mine --student htd_dim10 --int8
                                   (trains what is missing first)
  device_bench run dist/htd_dim10-int8     (also alone, on the device)
  recpress-edge report runs -o report.html

exit codes: 0 ok · 1 failed · 2 wrong usage · 3 gate not met ·
            4 measurement invalid
"""


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors and no abbreviated flags."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**{"allow_abbrev": False, **kwargs})  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        print_error(f"{message}. See: {self.prog} --help")
        self.exit(2)


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; importing the command modules stays light."""
    parser = Parser(
        prog="recpress-edge",
        description="From an interaction log to a recommender that fits a small device, measured.",
        epilog=TOUR,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"recpress-edge {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for name in COMMANDS:
        importlib.import_module(f"recpress_edge.cli.{name}").add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    any_encoding()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        first = arguments[0] if arguments else "--help"
        if not first.startswith("-") and first not in COMMANDS:
            raise unknown_name("command", first, COMMANDS)
        args = build_parser().parse_args(arguments or ["--help"])
        return _run(args)
    except RecPressError as error:
        print_error(str(error), error.label)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nstopped. What was finished is kept; the same command goes on from there.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print_error(told_by_system(error))
        return 1
    except MemoryError:
        print_error(OUT_OF_MEMORY)
        return 1


def _run(args: argparse.Namespace) -> int:
    from recpress_edge.cli.common import check_work

    check_work(args)
    try:
        return int(args.func(args))
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRA_OF:
            raise
        missing_extra(package, EXTRA_OF[package])
