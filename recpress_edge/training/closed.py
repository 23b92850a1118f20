"""Settings that validation chooses: of a closed form, with its passes, and of a method that learns."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from torch import Tensor

from recpress_edge.core.metrics import DEFAULT_CUTOFF, worth
from recpress_edge.models.method import ClosedForm, Method
from recpress_edge.training.loop import EpochReport, OnEpoch, RunState, Validation, copy_model, train_epoch

Settings = Mapping[str, float]
Worth = tuple[float, float]

EVERY: Final = 4
"""Passes between looks at validation: one alone changes little."""
SEARCH_PASSES: Final = 8
"""At most, of a candidate: which one is best shows before they are refined to the end."""


TRIAL_EPOCHS: Final = 6
"""Schedule of a candidate of a method that learns: a quarter of the usual one, to its end."""


@dataclass(slots=True)
class _Looks:
    """What validation said so far."""

    validation: Validation | None
    choose_by: str
    on_epoch: OnEpoch
    started: float = field(default_factory=time.perf_counter)
    passes: int = 0
    expected: int = 1
    history: list[dict[str, Any]] = field(default_factory=list)

    def look(
        self, method: Method | ClosedForm, settings: Settings, done: int, *, judge: bool
    ) -> Worth | None:
        """Report a pass; what it is worth, if it is judged."""
        metrics = None
        if judge and self.validation:
            metrics = self.validation.evaluate(method, done)
            self.history.append({"epoch": done, "settings": dict(settings), "valid": metrics})
        self.passes += 1
        self.expected = max(self.expected, self.passes)
        self.on_epoch(EpochReport(self.passes, self.expected, time.perf_counter() - self.started, metrics))
        cutoff = self.validation.cutoff if self.validation else DEFAULT_CUTOFF
        return worth(metrics, cutoff, self.choose_by) if metrics else None


@dataclass(frozen=True, slots=True)
class _Refined:
    passes: int
    worth: Worth
    model: dict[str, Tensor]


def compute(
    make: Callable[[Settings], ClosedForm], validation: Validation | None, choose_by: str, on_epoch: OnEpoch
) -> tuple[ClosedForm, RunState]:
    """The closed form and what is kept of it. ``make`` builds it with these settings beside its own.

    Of a form that offers candidates the best is computed again, in full. Without validation it has its middle
    candidates and all its passes.
    """
    looks = _Looks(validation, choose_by, on_epoch)
    first, judge = make({}), validation is not None
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
        cutoff=validation.cutoff if validation else DEFAULT_CUTOFF,
        choose_by=choose_by,
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


def climb(axes: Mapping[str, Sequence[float]], value_of: Callable[[Settings], Worth]) -> Settings:
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
            known[key] = value_of(settings(places))
        return known[key]

    moved = True
    while moved:
        moved = False
        for name, values in axes.items():
            for step in (1, -1):
                while 0 <= at[name] + step < len(values):
                    after = {**at, name: at[name] + step}
                    if value(at) >= value(after):
                        break
                    at, moved = after, True
    return settings(at)


def tried(
    method: Method, epochs: int, validation: Validation | None, choose_by: str, on_epoch: OnEpoch
) -> tuple[Method, RunState]:
    """The method with the settings that validation prefers after short schedules, and what they gave.

    Every candidate trains a whole short schedule, so that its steps have fallen to zero where it is judged.
    """
    axes = method.candidates() if validation else {}
    if not axes or not validation:
        return method, RunState()
    looks = _Looks(validation, choose_by, on_epoch, expected=epochs + TRIAL_EPOCHS * (2 * len(axes) + 1))

    def value(settings: Settings) -> Worth:
        trial = method.variant(settings, TRIAL_EPOCHS)
        for epoch in range(TRIAL_EPOCHS):
            train_epoch(trial, epoch)
            last = epoch + 1 == TRIAL_EPOCHS
            worth = looks.look(trial, settings, epoch + 1, judge=last)
        assert worth is not None
        return worth

    chosen = climb(axes, value)
    seconds = time.perf_counter() - looks.started
    return method.variant(chosen, epochs), RunState(seconds=seconds, chosen=chosen, trials=looks.history)
