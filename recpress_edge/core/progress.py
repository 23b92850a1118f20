"""The one way to say what is happening: a job calls its listener with events."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Event:
    """Base of what a job reports while it runs."""


@dataclass(frozen=True, slots=True)
class Note(Event):
    """A fact for a person."""

    text: str
    """A label of up to 9 characters, then the fact."""


@dataclass(frozen=True, slots=True)
class Trouble(Note):
    """A mistake in the program that a job survived; ``text`` is the traceback."""


@dataclass(frozen=True, slots=True)
class Advance(Event):
    """How far a named piece of work has come."""

    title: str
    done: float
    total: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingEvent(Event):
    """A model is found, or its training moves on."""

    kind: Literal["cached", "train", "resume", "wait", "needs", "forecast", "epoch", "done"]
    name: str
    seed: int
    folder: Path
    teacher_of: str | None = None
    """The student for which this model is made as a teacher."""
    without_last: int = 0
    """Train items of each user that it is trained without: a first stage from which a second learns."""
    epoch: int = 0
    """Epochs done."""
    epochs: int = 0
    """0 for what has none."""
    seconds: float = 0.0
    """Of a forecast: what the epochs that are left will take, by the pace of the first batches."""
    metrics: Mapping[str, float | None] | None = None
    """Validation metrics, when just measured."""
    cutoff: int = 0
    """The K of the metrics by which the epoch is chosen; 0 where none are measured."""
    memory_bytes: int | None = None
    """Of needs: what is about to be allocated. When done: by how much resident memory rose at most; None
    where the kernel does not tell."""


OnEvent = Callable[[Event], None]


def left_out_words(without_last: int) -> str:
    """What sets a model apart from the one of its name that knows all of train; empty for that one."""
    return f", without the last {without_last} train items of each user" if without_last else ""


def silent(event: Event) -> None:
    """Default listener: ignores the event."""


def advance(on_event: OnEvent, title: str) -> Callable[..., None]:
    """A callback ``(done, total, note="")`` that reports :class:`Advance`."""

    def update(done: float, total: float, note: str = "") -> None:
        on_event(Advance(title, done, total, note))

    return update
