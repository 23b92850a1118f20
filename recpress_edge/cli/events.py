"""Prints the events of a job: lines, and a bar for what takes time."""

import argparse
import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Iterator

from recpress_edge.cli.common import say
from recpress_edge.core.metrics import HEAD_CUTOFF
from recpress_edge.core.progress import Advance, Event, Note, OnEvent, TrainingEvent, Trouble
from recpress_edge.core.units import format_bytes, format_share
from recpress_edge.training.usage import describe_cost

Update = Callable[..., None]
"""``(done, total, note="", spent=None)``; ``spent``: seconds that ``done`` took, also in runs before."""


@contextlib.contextmanager
def print_events(args: argparse.Namespace) -> Iterator[OnEvent]:
    """Say what a job reports. An interrupt names the command that goes on, and is passed on."""
    with contextlib.ExitStack() as bar:
        try:
            yield _Printer(args, bar)
        except KeyboardInterrupt:
            bar.close()
            say(args, f"\nstopped    to go on: {shlex.join(['recpress-edge', *sys.argv[1:]])}")
            raise


class _Printer:
    """A listener with one bar; what is there already is said once."""

    def __init__(self, args: argparse.Namespace, bar: contextlib.ExitStack) -> None:
        self._args, self._bar = args, bar
        self._title = ""
        self._said: set[str] = set()

    def __call__(self, event: Event) -> None:
        match event:
            case Trouble():
                print(event.text, file=sys.stderr, end="")
            case Note() if event.text not in self._said:
                self._said.add(event.text)
                say(self._args, event.text)
            case Advance():
                self._advance(event.title, event.done, event.total, event.note, None)
            case TrainingEvent():
                self._model(event)

    def _advance(self, title: str, done: float, total: float, note: str, spent: float | None) -> None:
        if title != self._title:
            self._bar.close()
            self._title, self._update = title, self._bar.enter_context(progress(title))
        self._update(done, total, note, spent)

    def _model(self, event: TrainingEvent) -> None:
        what = f"{event.name} seed {event.seed}"
        match event.kind:
            case "train" | "resume":
                of = event.teacher_of
                reason = f", the teacher of {of}, is missing: training it" if of else ""
                length = f"{event.epochs} epochs" if event.epochs else "computed at once"
                verb = "resuming  " if event.kind == "resume" else "training  "
                say(self._args, f"{verb} {what}{reason}  ({length})")
                self._advance(what, 0, event.epochs or 1, "", None)
            case "needs" if event.memory_bytes is not None:
                needed = format_bytes(event.memory_bytes)
                say(self._args, f"           needs at least {needed} of memory (available)")
            case "epoch" if event.epochs:
                k = event.cutoff
                known = event.metrics or {}
                shown = (m for m in (f"recall@{k}", f"ndcg@{min(HEAD_CUTOFF, k)}") if m in known)
                found = ", ".join(f"{metric} {format_share(known[metric])}" for metric in shown)
                told = f"valid {found}" if found else ""
                self._advance(what, event.epoch, event.epochs, told, event.seconds)
            case "wait":
                say(self._args, f"waiting    another process is training {what}")
            case "cached":
                self(Note(f"found      {what}  {event.folder}"))
            case "done":
                self._bar.close()
                self._title = ""
                say(self._args, f"trained    {what}  {event.seconds:.1f} s  {event.folder}")
                cost = describe_cost(event.seconds, event.epoch, event.memory_bytes)
                say(self._args, f"           {cost}")


@contextlib.contextmanager
def progress(title: str) -> Iterator[Update]:
    """A bar with ETA on a terminal; elsewhere a line at each tenth. Always on stderr."""
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
def _rich_bar(title: str) -> Iterator[Update]:
    from rich.console import Console  # the device has no rich
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
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
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(title, total=None, note="")

        def update(done: float, total: float, note: str = "", spent: float | None = None) -> None:
            # What is left it tells by the pace between updates: ``spent`` is not needed.
            bars.update(task, completed=done, total=total, note=note)

        yield update
