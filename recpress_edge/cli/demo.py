"""recpress-edge demo: the whole job on the synthetic data set, by the commands a user would type."""

import argparse
import contextlib
import itertools
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.bundle import MANIFEST
from recpress_edge.artifacts.formats import FORMATS, files_of
from recpress_edge.cli import main
from recpress_edge.cli.common import add_common_options, emit, next_steps, say
from recpress_edge.core.errors import InvalidRunError, RecPressError
from recpress_edge.core.install import install_command
from recpress_edge.core.layout import wrap_command
from recpress_edge.core.terminal import text_width

# With and without a teacher at one size, and a size smaller: the third is worth shipping.
STUDENTS: Final = ("bpr_dim20", "ftd_dim20", "soft_dim20", "soft_dim10")
RECIPES: Final = ("fp32", "int8")
# What the students must beat at equal bytes.
BASELINES: Final = ("svd_dim20", "svd_dim10")
BUNDLES: Final = (*itertools.product(STUDENTS, RECIPES), *itertools.product(BASELINES, ("int8",)))
SHOWN: Final = "soft_dim20"
PAGE: Final = next(row for row in FORMATS.values() if row.shown_by)
"""What a browser shows at the end: this student, int8, in the format that has a page."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Teachers, four students, two baselines, int8 and fp32 bundles, benchmark, Pareto report and a page "
        "that recommends, on a small synthetic data set. Each step is the command printed above it. What is "
        "trained already is not trained again."
    )
    add_common_options(parser)
    parser.add_argument("--force", action="store_true", help="replace an earlier demo's bundles and report")
    parser.set_defaults(func=run)


def steps(work: str, *, force: bool, page: bool) -> list[list[str]]:
    """The demo's commands. Exports go without --force, which would overrule the parity gate.

    ``page``: with a page that recommends, for which a compiler is needed.
    """
    again = ["--force"] if force else []
    last = ["export", "--student", SHOWN, "--int8", "--format", PAGE.name, "--work", work]
    exports = [
        ["export", "--student", student, *(["--int8"] if recipe == "int8" else []), "--work", work]
        for student, recipe in BUNDLES
    ]
    return [
        ["data", "stats", "synthetic", "--work", work],
        *exports,
        ["bench", *map(str, _bundles(Path(work))), "--work", work],
        ["report", f"{work}/runs", "-o", f"{work}/report.html", "--work", work, *again],
        *([last] if page else []),
    ]


def _bundles(work: Path) -> list[Path]:
    return [work / "dist" / f"{student}-{recipe}" for student, recipe in BUNDLES]


def _page(work: Path) -> Path:
    return work / "dist" / f"{SHOWN}-int8{PAGE.suffix}"


def _has_compiler() -> bool:
    try:
        files_of(PAGE.name)
    except ImportError:
        return False
    return True


def run(args: argparse.Namespace) -> int:
    """Run the steps in order; the first that fails ends the demo with its exit code."""
    started = time.perf_counter()
    page = _has_compiler()
    commands = steps(str(args.work), force=args.force, page=page)
    if args.force and not args.dry_run:
        for folder in (*_bundles(args.work), _page(args.work)):
            if (folder / MANIFEST).is_file():
                shutil.rmtree(folder)
    for number, command in enumerate(commands, start=1):
        place = f"[{number}/{len(commands)}] "
        words = f"recpress-edge {shlex.join(command)}"
        say(args, f"\n{place}{wrap_command(words, text_width(), len(place))}")
        if args.dry_run:
            continue
        with _talk_to_stderr() if args.json else contextlib.nullcontext():
            code = main(command)
        if (
            code == InvalidRunError.exit_code
        ):  # kept and shown with its reasons; the report goes on without it
            say(
                args,
                "some measurements are invalid, mostly because this machine is busy; the report says why",
            )
        elif code:
            raise RecPressError(
                f"step {number} of the demo failed with exit code {code}: {shlex.join(command)}"
            )
    seconds = time.perf_counter() - started
    say(args, f"\nthe demo took {seconds:.0f} s")
    if not page:
        say(args, f"page       left out for want of a compiler: {install_command('c')}")
    next_steps(
        args,
        [
            f"open {args.work}/report.html",
            *([f"{PAGE.shown_by} {_page(args.work)}"] if page else []),
            "recpress-edge data import YOUR_LOG.csv --name mine --split loo-random",
        ],
    )
    emit(
        args,
        {"commands": [shlex.join(["recpress-edge", *c]) for c in commands], "seconds": round(seconds, 1)},
    )
    return 0


@contextlib.contextmanager
def _talk_to_stderr() -> Iterator[None]:
    with contextlib.redirect_stdout(sys.stderr):
        yield
