"""What a search has found so far, written after every step: ``tune/<data>-<key>/tune.json``."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.files import read_json, write_json
from recpress_edge.core.progress import Event, OnEvent
from recpress_edge.jobs.tune.trial import TuneTrial
from recpress_edge.records.search import TUNE_SCHEMA

TUNE_FILE: Final = "tune.json"


@dataclass(frozen=True, slots=True)
class TuneEvent(Event):
    """A try has ended."""

    trial: TuneTrial
    number: int
    """Students tried so far."""
    limit: int
    best: TuneTrial | None
    """Of those that fit into the budget, on validation."""
    seconds_left: float | None
    """Forecast by the pace so far; None before any student."""


@dataclass(slots=True)
class Diary:
    """Trials in their order, measured times, and the seconds that all runs of the search took together."""

    folder: Path
    asked: dict[str, Any]
    """The request, for the file."""
    limit: int
    budget_s: float
    on_event: OnEvent
    trials: list[TuneTrial] = field(default_factory=list)
    p95_ns: dict[str, float] = field(default_factory=dict)
    """Of shapes, by name: measured once, so that a search that goes on asks the same."""
    more: dict[str, Any] = field(default_factory=dict)
    """Metrics that are shown, and what is decided at the end."""
    _before_s: float = 0.0
    _started: float = field(default_factory=time.monotonic)
    _students_from_s: float | None = None

    def open(self) -> None:
        """Go on from the file of an earlier run; its trials are found by their own files."""
        where = self.folder / TUNE_FILE
        if where.exists():
            known = read_json(where)
            self._before_s = float(known["wall_seconds"])
            self.p95_ns = dict(known["p95_ns"])

    @property
    def elapsed_s(self) -> float:
        return self._before_s + time.monotonic() - self._started

    @property
    def students(self) -> list[TuneTrial]:
        return [trial for trial in self.trials if trial.kind == "student"]

    @property
    def best(self) -> TuneTrial | None:
        """The best that fits, on validation; the first of equals."""
        return best_of(self.trials)

    def forecast_s(self, count: int) -> float | None:
        """How long so many students take, by those before; None before any."""
        known = self.students
        if not known:
            return None
        # What was trained in an earlier run counts as long as it took then.
        return count * sum(max(trial.seconds, trial.cpu_seconds) for trial in known) / len(known)

    def out_of_time(self, count: int) -> bool:
        """Whether so many more students would end after the budget of time."""
        forecast = self.forecast_s(count)
        return forecast is not None and self.elapsed_s + forecast > self.budget_s

    def add(self, trial: TuneTrial) -> None:
        """Note what came of a try."""
        self.trials.append(trial)
        number = len(self.students)
        left = self.forecast_s(self.limit - number)
        if left is not None:
            left = max(min(left, self.budget_s - self.elapsed_s), 0.0)
        self.on_event(TuneEvent(trial, number, self.limit, self.best, left))

    def write(self) -> Path:
        """Write the file."""
        where = self.folder / TUNE_FILE
        write_json(where, self.facts())
        return where

    def facts(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {
            "schema": TUNE_SCHEMA,
            "asked": self.asked,
            "wall_seconds": round(self.elapsed_s, 1),
            "cpu_seconds": round(sum(trial.cpu_seconds for trial in self.trials), 1),
            "p95_ns": self.p95_ns,
            "trials": [trial.facts() for trial in self.trials],
            **self.more,
        }


def fitting(trials: Sequence[TuneTrial]) -> list[TuneTrial]:
    """Those that can be shipped: stored in a recipe, and judged."""
    return [trial for trial in trials if trial.recipe is not None and trial.worth is not None]


def best_of(trials: Sequence[TuneTrial]) -> TuneTrial | None:
    """The best trial that can be shipped; the first of equals."""
    return max(fitting(trials), key=lambda trial: trial.worth or 0.0, default=None)
