"""What all commands share: options, talk on the right stream, tables, progress."""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.layout import columns, wrap_command, wrap_lines
from recpress_edge.core.printable import json_text, printable, printable_lines
from recpress_edge.core.terminal import stdout_encoding, terminal_width

MOST_THREADS: Final = 1024


def common_options() -> argparse.ArgumentParser:
    """Parent parser of every command."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("common options")
    group.add_argument(
        "--work",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder that holds data/, models/, dist/ and runs/ (default: the current folder)",
    )
    group.add_argument("--json", action="store_true", help="one JSON object on stdout, all talk on stderr")
    group.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    return parser


def training_options() -> argparse.ArgumentParser:
    """Parent parser of the commands that may train."""
    parser = argparse.ArgumentParser(add_help=False)
    group = parser.add_argument_group("data and training")
    group.add_argument(
        "--data",
        default="synthetic",
        metavar="NAME",
        help="data set, see 'recpress-edge data list' (default: synthetic)",
    )
    group.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    group.add_argument(
        "--threads",
        type=thread_count,
        default=1,
        metavar="N",
        help="CPU threads (default: 1; more help little at small dims, and hurt when the cores are busy)",
    )
    return parser


def thread_count(text: str) -> int:
    """argparse type: an integer that torch takes; a hundred million threads end the process."""
    value = positive_int(text)
    if value > MOST_THREADS:
        raise argparse.ArgumentTypeError(f"must be at most {MOST_THREADS}, got {value}")
    return value


def positive_int(text: str) -> int:
    """argparse type: an integer of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def seed_number(text: str) -> int:
    """argparse type: an integer of at least 0."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must not be negative, got {value}")
    return value


def say(args: argparse.Namespace, text: str = "") -> None:
    """Talk to a person: stdout, or stderr when stdout belongs to JSON. What a file says stays printable."""
    stream = sys.stderr if args.json else sys.stdout
    print(wrap_lines(printable_lines(text), terminal_width(stream)), file=stream, flush=True)


def emit(args: argparse.Namespace, value: dict[str, Any]) -> None:
    """The machine's answer, only with --json."""
    if args.json:
        print(json_text(value, indent=2, encoding=stdout_encoding()))


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns that line up, the first to the left, the others to the right, within the terminal's width."""
    return columns(
        [printable(str(header)) for header in headers],
        [[printable(str(cell)) for cell in row] for row in rows],
        terminal_width(sys.stdout),
    )


def next_steps(args: argparse.Namespace, commands: Sequence[str]) -> None:
    """End a step with what to run next."""
    for index, command in enumerate(commands):
        say(
            args,
            f"{'next' if index == 0 else '':<9}  {wrap_command(command, terminal_width(sys.stdout), 11)}",
        )


class Progress(Protocol):
    """How long work reports itself.

    ``spent``: seconds that ``done`` took, where part of it was done before; None for what began here.
    """

    def __call__(self, done: float, total: float, note: str = "", spent: float | None = None) -> None: ...


@contextlib.contextmanager
def progress(args: argparse.Namespace, title: str) -> Iterator[Progress]:
    """A bar with ETA on a terminal; elsewhere a line at each tenth. Always on stderr.

    Yields a callable (done, total, note, spent).
    """
    if sys.stderr.isatty():
        with _rich_bar(title) as update:
            yield update
        return
    started, shown = time.perf_counter(), -1

    def lines(done: float, total: float, note: str = "", spent: float | None = None) -> None:
        nonlocal shown
        tenth = int(10 * done / total) if total else 10
        seconds = time.perf_counter() - started
        if tenth > shown and seconds > 2:
            left = (spent or seconds) * (total - done) / done if done else 0.0
            print(
                f"{title}  {100 * done / total:3.0f} %  {seconds:.0f} s, about {left:.0f} s left  {note}",
                file=sys.stderr,
            )
            shown = tenth

    yield lines


@contextlib.contextmanager
def _rich_bar(title: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import (
        Progress as RichProgress,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
        TextColumn("{task.fields[note]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=None, note="")

        def update(done: float, total: float, note: str = "", spent: float | None = None) -> None:
            # What is left it tells by the pace between updates: ``spent`` is not needed.
            bars.update(task, completed=done, total=total, note=note)

        yield update


def check_work(args: argparse.Namespace) -> None:
    """The work folder must be a folder or creatable."""
    if args.work.exists() and not args.work.is_dir():
        raise ConfigError(f"--work {args.work} is a file, not a folder")
