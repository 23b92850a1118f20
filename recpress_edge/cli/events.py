"""Prints the events of a job: lines, and a bar for what takes time."""

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any, Self

from recpress_edge.cli.common import command_again, next_steps, say
from recpress_edge.core.layout import wrap_lines
from recpress_edge.core.metrics import CLICK_CHOICES, HEAD_CUTOFF
from recpress_edge.core.progress import Advance, Event, Note, OnEvent, TrainingEvent, Trouble, left_out_words
from recpress_edge.core.terminal import text_width
from recpress_edge.core.units import about_seconds, describe_cost, format_bytes, format_share


@contextlib.contextmanager
def print_events(args: argparse.Namespace) -> Iterator[OnEvent]:
    """Say what a job reports. An interrupt names the command that goes on, and is passed on."""
    with Bars() as bars:
        try:
            yield _Printer(args, bars)
        except KeyboardInterrupt:
            bars.close()
            say(args, "\nstopped    to go on:")
            next_steps(args, [command_again(args)])
            raise


class _Printer:
    """A listener with a bar for each work that is on the way; what is there already is said once."""

    def __init__(self, args: argparse.Namespace, bars: "Bars") -> None:
        self._args, self._bars = args, bars
        self._said: set[str] = set()

    def __call__(self, event: Event) -> None:
        match event:
            case Trouble():
                print(event.text, file=sys.stderr, end="")
            case Note() if event.text not in self._said:
                self._said.add(event.text)
                say(self._args, event.text)
            case Advance():
                self._bars.update(event.title, event.done, event.total, event.note)
            case TrainingEvent():
                self._model(event)

    def _model(self, event: TrainingEvent) -> None:
        what = f"{event.name} seed {event.seed}{left_out_words(event.without_last)}"
        match event.kind:
            case "train" | "resume":
                of = event.teacher_of
                reason = f", the teacher of {of}, is missing: training it" if of else ""
                length = f"{event.epochs} epochs" if event.epochs else "computed at once"
                verb = "resuming  " if event.kind == "resume" else "training  "
                say(self._args, f"{verb} {what}{reason}  ({length})")
                self._bars.update(what, 0, event.epochs or 1)
            case "needs" if event.memory_bytes is not None:
                needed = format_bytes(event.memory_bytes)
                say(self._args, f"           needs at least {needed} of memory, which is available")
            case "forecast":
                left = f"{event.epochs - event.epoch} epochs"
                needed = about_seconds(event.seconds)
                say(self._args, f"           {needed} for {left}, by the pace of the first batches")
            case "epoch" if event.epochs:
                k = event.cutoff
                known = event.metrics or {}
                names = (f"recall@{k}", f"ndcg@{min(HEAD_CUTOFF, k)}", *CLICK_CHOICES)
                found = ", ".join(f"{name} {format_share(known[name])}" for name in names if name in known)
                told = f"valid {found}" if found else ""
                self._bars.update(what, event.epoch, event.epochs, told, event.seconds)
            case "wait":
                say(self._args, f"waiting    another process is training {what}")
            case "cached":
                self(Note(f"found      {what}  {event.folder}"))
            case "done":
                self._bars.end(what)
                say(self._args, f"trained    {what}  {event.seconds:.1f} s  {event.folder}")
                cost = describe_cost(event.seconds, event.epoch, event.memory_bytes)
                say(self._args, f"           {cost}")


class Bars:
    """Bars with ETA on a terminal; elsewhere a line at each tenth. Always on stderr.

    Another title is another bar beside those that are not full: several jobs run at once.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Lines] = {}
        self._tasks: dict[str, Any] = {}
        self._screen: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def update(
        self, title: str, done: float, total: float, note: str = "", spent: float | None = None
    ) -> None:
        """``spent``: seconds that ``done`` took, also in runs before."""
        if sys.stderr.isatty():
            # What is left it tells by the pace between updates: ``spent`` is not needed.
            self._screen = self._screen or _screen()
            if title not in self._tasks:
                self._tasks[title] = self._screen.add_task(title, total=None, note="")
            self._screen.update(self._tasks[title], completed=done, total=total, note=note)
        else:
            if title not in self._lines:
                self._lines[title] = _Lines(title)
            self._lines[title].update(done, total, note, spent)
        if total and done >= total:
            self.end(title)

    def end(self, title: str) -> None:
        """The work is done, or will tell nothing more; after the last bar the screen is free."""
        self._lines.pop(title, None)
        self._tasks.pop(title, None)
        if not self._tasks:
            self.close()

    def close(self) -> None:
        """Leave the screen as it is."""
        self._tasks.clear()
        if self._screen is not None:
            self._screen.stop()
            self._screen = None


class _Lines:
    """One work's lines."""

    def __init__(self, title: str) -> None:
        self._title, self._started, self._shown = title, time.perf_counter(), -1

    def update(self, done: float, total: float, note: str, spent: float | None) -> None:
        tenth = int(10 * done / total) if total else 10
        seconds = time.perf_counter() - self._started
        if tenth > self._shown and seconds > 2:
            share = 100 * done / total if total else 100.0
            left = ""
            if 0 < done < total:
                left = f", {about_seconds((spent or seconds) * (total - done) / done)} left"
            line = f"{self._title}  {share:3.0f} %  {seconds:.0f} s{left}  {note}"
            print(wrap_lines(line, text_width(sys.stderr)), file=sys.stderr)
            self._shown = tenth


def _screen() -> Any:
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
    # What is said beside the bars goes above them, unless stdout is a file.
    screen = Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty())
    screen.start()
    return screen
