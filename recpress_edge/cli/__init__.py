"""The command line: one table of commands, each imported when it is chosen; errors in one line."""

import argparse
import importlib
import itertools
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NoReturn

from recpress_edge import __version__
from recpress_edge.core.errors import ConfigError, missing_extra, unknown_name
from recpress_edge.core.install import extra_of
from recpress_edge.core.terminal import any_encoding, errors_in_one_line, print_error

COMMANDS: Final[Mapping[str, str]] = {
    # name -> what it does, in the order of a user's work. The module or package recpress_edge.cli.NAME has
    # add_options(parser), which sets func(args) -> exit code.
    "demo": "the whole job on synthetic data, in a few minutes",
    "doctor": "what is installed and what this machine can do",
    "data": "list, fetch, inspect and import interaction logs",
    "train": "train a teacher on the interactions alone",
    "distill": "distil a small student; a missing teacher is trained first",
    "models": "what is trained, with its figures",
    "compare": "two models on the same users: which is better, and how sure that is",
    "settings": "every setting of a model, as a configuration file",
    "model": "bring a model that another program trained",
    "tune": "from a log and a budget to the bundle to ship",
    "export": "student -> checked bundle that a device can run",
    "bundle": "update, strip, sign, patch or roll back a bundle",
    "inspect": "what is inside a bundle, a model or a record",
    "recommend": "ask a bundle: the best unseen items of one person",
    "web": "serve the page of a web bundle to this machine, and open it",
    "bench": "measure bundles: memory, latency, Recall@K",
    "report": "Pareto report of bench records as one offline HTML file",
    "pick": "the best variant within a budget",
    "check": "hold records against budgets.toml",
    "reproduce": "a published study, run again next to its published figures",
}

TOUR: Final = """\
the main job, step by step:
  recpress-edge data import ratings.csv --name mine --split loo-time
  recpress-edge export --data mine --student soft_dim32 --int8
                                   (trains what is missing first)
  device_bench run dist/soft_dim32-int8    (also alone, on the device)
  recpress-edge report runs -o report.html

exit codes: 0 ok · 1 failed · 2 wrong usage · 3 gate not met ·
            4 measurement invalid
"""
STOPPED: Final = ". What was finished is kept; the same command goes on from there."


MAY_BE_EMPTY: Final = ("--seen", "--missing", "--user")
"""Flags whose empty value says something; of others it is mostly a variable of the shell without a value."""


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors and no abbreviated flags; an unknown flag is its own command's error.

    ``module``: what has ``add_options(parser)``, imported when the parser is asked for the first time.
    """

    def __init__(self, *, module: str | None = None, **kwargs: object) -> None:
        super().__init__(**{"allow_abbrev": False, **kwargs})  # type: ignore[arg-type]
        self._module = module

    def add_options(self) -> None:
        """Import the module and have it add the options, once."""
        module, self._module = self._module, None
        if module:
            importlib.import_module(module).add_options(self)

    def format_help(self) -> str:
        self.add_options()
        return super().format_help()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.add_options()
        words = list(sys.argv[1:] if args is None else args)
        found, unknown = super().parse_known_args(words, namespace)
        found.words = words  # of the outermost parser in the end: the whole command line
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{_place(words, unknown[0])}")
        for flag, value in itertools.pairwise([*words, " "]):
            name, equals, own = flag.partition("=")
            if name.startswith("--") and name not in MAY_BE_EMPTY and (not value or (equals and not own)):
                self.error(f"{name} is empty: give it a value or leave it out")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        print_error(f"{message}. See: {self.prog} --help")
        self.exit(2)


def _place(arguments: Sequence[str], word: str) -> str:
    """Which flag a word follows that no option takes: the shell may have made several of a pattern."""
    last = max(at for at, found in enumerate(arguments) if found == word)
    before = arguments[:last]
    flags = [at for at, found in enumerate(before) if found.startswith("-")]
    if word.startswith("-") or not flags:
        return ""
    flag, *values = before[flags[-1] :]
    return f" (after {flag}, which takes {'one value here' if values else 'no value'})"


def build_parser() -> argparse.ArgumentParser:
    """The command line; options of a command are there when it is chosen."""
    parser = Parser(
        prog="recpress-edge",
        description="From an interaction log to a recommender that fits a small device, measured.",
        epilog=TOUR,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"recpress-edge {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for name, summary in COMMANDS.items():
        subparsers.add_parser(name, help=summary, module=f"{__name__}.{name}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    any_encoding()
    arguments = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    with errors_in_one_line(STOPPED) as ending:
        ending.code = _run(arguments)
    return ending.code


def _run(arguments: Sequence[str]) -> int:
    first = arguments[0]
    if not first.startswith("-") and first not in COMMANDS:
        raise unknown_name("command", first, list(COMMANDS))
    try:
        args = build_parser().parse_args(arguments)
        if args.work.exists() and not args.work.is_dir():
            raise ConfigError(f"--work {args.work} is a file, not a folder")
        return int(args.func(args))
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        extra = extra_of(package)
        if extra is None:
            raise
        missing_extra(package, extra)
