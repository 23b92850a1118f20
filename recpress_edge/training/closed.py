"""Computing a closed form: validation chooses its settings and its passes. It prints nothing."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from torch import Tensor

from recpress_edge.core.rng import stream
from recpress_edge.data.holdout import dataset_cutoff
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.models.method import ClosedForm
from recpress_edge.training.evaluate import evaluate_rows
from recpress_edge.training.loop import EpochReport, OnEpoch, RunState, copy_model
from recpress_edge.training.settings import judged

Settings = Mapping[str, float]
Metrics = dict[str, float | None]
Worth = tuple[float, float]

EVERY: Final = 4
"""Passes between looks at validation: one alone changes little."""
SEARCH_PASSES: Final = 8
"""At most, of a candidate: which one is best shows before they are refined to the end."""
SEARCH_USERS: Final = 5000
"""Validation users, drawn once, on whom candidates are compared: the same ones for all."""


@dataclass(slots=True)
class _Looks:
    """What validation said so far."""

    data: Dataset
    on_epoch: OnEpoch
    started: float = field(default_factory=time.perf_counter)
    passes: int = 0
    expected: int = 1
    history: list[dict[str, Any]] = field(default_factory=list)

    def look(self, method: ClosedForm, settings: Settings, done: int, *, judge: bool) -> Worth | None:
        """Report a pass; what it is worth, if it is judged."""
        metrics: Metrics | None = None
        if judge:
            metrics = evaluate_rows(method.scores, self.data, "valid").means()
            self.history.append({"epoch": done, "settings": dict(settings), "valid": metrics})
        self.passes += 1
        self.expected = max(self.expected, self.passes)
        self.on_epoch(EpochReport(self.passes, self.expected, time.perf_counter() - self.started, metrics))
        return judged(metrics, dataset_cutoff(self.data)) if metrics else None


@dataclass(frozen=True, slots=True)
class _Refined:
    passes: int
    worth: Worth
    model: dict[str, Tensor]


def compute(
    make: Callable[[Settings], ClosedForm], data: Dataset, on_epoch: OnEpoch
) -> tuple[ClosedForm, RunState]:
    """The closed form and what is kept of it. ``make`` builds it with these settings beside its own.

    Of a form that offers candidates the best is computed again, in full. Data without validation leave it
    its middle candidates and all its passes.
    """
    looks = _Looks(_some_users(data, SEARCH_USERS), on_epoch)
    first, judge = make({}), bool(len(data.valid))
    axes = first.candidates() if judge else {}
    chosen: Settings = {}
    if axes:
        passes = min(first.passes, SEARCH_PASSES)
        # From the middle to a turn takes three candidates on the first axis, two more on each further one.
        looks.expected = first.passes + passes * (2 * len(axes) + 1)
        chosen = climb(axes, lambda settings: _refined(make(settings), settings, passes, True, looks).worth)
    method = make(chosen)
    kept = _refined(method, chosen, method.passes, judge and method.passes > 1, looks)
    if judge and method.passes_setting:
        chosen = {**chosen, method.passes_setting: kept.passes}
    state = RunState(
        epoch=kept.passes,
        seconds=time.perf_counter() - looks.started,
        cutoff=dataset_cutoff(data),
        history=looks.history,
        best=kept.model,
        chosen=chosen,
    )
    return method, state


def _refined(method: ClosedForm, settings: Settings, limit: int, judge: bool, looks: _Looks) -> _Refined:
    """A form after the passes that validation likes best: at most ``limit``, no more once it stalls."""
    kept: _Refined | None = None
    for done in method.stages():
        due = done == limit or done % EVERY == 0
        worth = looks.look(method, settings, done, judge=judge and due)
        if kept and worth and worth <= kept.worth:
            break
        if worth or done == limit:
            kept = _Refined(done, worth or (0.0, 0.0), copy_model(method))
        if done == limit:
            break
    assert kept is not None
    return kept


def climb(axes: Mapping[str, Sequence[float]], worth: Callable[[Settings], Worth]) -> Settings:
    """The best of a grid, going uphill from its middle along one axis after another, each value tried once.

    On an axis it goes on while that is better, upwards first. It ends where no neighbour is better.
    """
    at = {name: len(values) // 2 for name, values in axes.items()}
    known: dict[tuple[int, ...], Worth] = {}

    def settings(places: Mapping[str, int]) -> Settings:
        return {name: axes[name][place] for name, place in places.items()}

    def value(places: Mapping[str, int]) -> Worth:
        key = tuple(places.values())
        if key not in known:
            known[key] = worth(settings(places))
        return known[key]

    moved = True
    while moved:
        moved = False
        for name, values in axes.items():
            for step in (1, -1):
                while 0 <= at[name] + step < len(values) and value(
                    after := {**at, name: at[name] + step}
                ) > value(at):
                    at, moved = after, True
    return settings(at)


def _some_users(data: Dataset, most: int) -> Dataset:
    """The data with the validation interactions of at most so many users, drawn once."""
    users = np.flatnonzero(data.valid.counts())
    if users.size <= most:
        return data
    drawn = np.sort(stream(0, "search users").choice(users, most, replace=False))
    at, items = data.valid.pairs_of(drawn)
    valid = Interactions.from_pairs(drawn[at], items, data.n_users, data.n_items)
    return dataclasses.replace(data, valid=valid)
