"""Settings that validation chooses: of a closed form, with its passes, and of a method that learns."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from torch import Tensor

from recpress_edge.core.metrics import DEFAULT_CUTOFF, worth
from recpress_edge.distill.settings import SoftConfig
from recpress_edge.distill.soft import open_axes
from recpress_edge.models.method import ClosedForm, Method, Searching
from recpress_edge.models.sequences.settings import AdaRecConfig
from recpress_edge.training.loop import EpochReport, OnEpoch, RunState, Validation, copy_model, train_epoch

Settings = Mapping[str, Any]
Worth = tuple[float, float]

EVERY: Final = 4
"""Passes between looks at validation: one alone changes little."""
SEARCH_PASSES: Final = 8
"""At most, of a candidate: which one is best shows before they are refined to the end."""
TRIAL_EPOCHS: Final = 6
"""Schedule of a candidate of a method that learns: a quarter of the usual one, to its end."""


@dataclass(frozen=True, slots=True)
class FormOnData:
    """A closed form on some data."""

    make: Callable[[Settings], ClosedForm]
    """Builds it with these settings beside its own."""
    validation: Validation | None


@dataclass(slots=True)
class _Looks:
    """What validation said so far."""

    choose_by: str
    on_epoch: OnEpoch
    started: float = field(default_factory=time.perf_counter)
    passes: int = 0
    expected: int = 1
    history: list[dict[str, Any]] = field(default_factory=list)

    def look(
        self, method: Method | ClosedForm, settings: Settings, done: int, judge: Validation | None
    ) -> Worth | None:
        """Report a pass; what it is worth, if it is judged."""
        metrics = judge.evaluate(method, done) if judge else None
        if metrics:
            self.history.append({"epoch": done, "settings": dict(settings), "valid": metrics})
        self.passes += 1
        self.expected = max(self.expected, self.passes)
        self.on_epoch(EpochReport(self.passes, self.expected, time.perf_counter() - self.started, metrics))
        return worth(metrics, judge.cutoff, self.choose_by) if judge and metrics else None


@dataclass(frozen=True, slots=True)
class _Refined:
    passes: int
    worth: Worth
    model: dict[str, Tensor]


def compute(
    on: Callable[[int | None], FormOnData], choose_by: str, on_epoch: OnEpoch, near: Settings
) -> tuple[ClosedForm, RunState]:
    """The closed form and what is kept of it. ``on``: trials on so many users, drawn once, or on all.

    ``near``: settings that were best on an earlier state of the data, where the search begins.
    Of a form that offers candidates the best is computed again, in full. Without validation it has its middle
    candidates and all its passes.
    """
    looks, whole = _Looks(choose_by, on_epoch), on(None)
    judge, chosen = whole.validation, {}
    if judge:
        chosen = _chosen(on, whole.make({}), looks, near)
    method = whole.make(chosen)
    kept = _refined(method, chosen, method.passes, judge if method.passes > 1 else None, looks)
    if judge and method.passes_setting:
        chosen = {**chosen, method.passes_setting: kept.passes}
    state = RunState(
        epoch=kept.passes,
        seconds=time.perf_counter() - looks.started,
        cutoff=judge.cutoff if judge else DEFAULT_CUTOFF,
        choose_by=choose_by,
        history=looks.history,
        best=kept.model,
        chosen=chosen,
    )
    return method, state


def _chosen(
    on: Callable[[int | None], FormOnData], first: ClosedForm, looks: _Looks, near: Settings
) -> dict[str, float]:
    """The best of its candidates, on some of the users where all would take long; without any, nothing."""
    axes = first.candidates()
    if not axes:
        return {}
    trials, passes = on(first.search_users()), min(first.passes, SEARCH_PASSES)
    looks.expected = first.passes + trial_passes(first)

    def value(settings: Settings) -> Worth:
        return _refined(trials.make(settings), settings, passes, trials.validation, looks).worth

    return dict(climb(axes, value, near))


def trial_passes(form: ClosedForm) -> int:
    """Passes of the candidates of a closed form, about: from the middle of the first axis to a turn takes
    three, two more on each further one.
    """
    axes = form.candidates()
    return min(form.passes, SEARCH_PASSES) * (2 * len(axes) + 1) if axes else 0


def _refined(
    method: ClosedForm, settings: Settings, limit: int, judge: Validation | None, looks: _Looks
) -> _Refined:
    """A form after the passes that validation likes best: at most ``limit``, no more once it stalls."""
    kept: _Refined | None = None
    for done in method.stages():
        due = done == limit or done % EVERY == 0
        value = looks.look(method, settings, done, judge if due else None)
        if kept and value and value <= kept.worth:
            break
        if value or done == limit:
            kept = _Refined(done, value or (0.0, 0.0), copy_model(method))
        if done == limit:
            break
    assert kept is not None
    return kept


def climb(
    axes: Mapping[str, Sequence[Any]],
    value_of: Callable[[Settings], Worth],
    near: Settings = MappingProxyType({}),
) -> Settings:
    """The best of a grid, going uphill from its middle along one axis after another, each value tried once.

    On an axis it goes on while that is better, upwards first. It ends where no neighbour is better. Where
    ``near`` has a number of an axis it begins with the value nearest to that, in ratio.
    """
    at = {
        name: _nearest(values, near[name]) if name in near else len(values) // 2
        for name, values in axes.items()
    }
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


def _nearest(values: Sequence[float], wanted: float) -> int:
    return min(range(len(values)), key=lambda at: abs(values[at] - wanted) / ((values[at] + wanted) or 1.0))


def trial_epochs(config: Any, *, taught: bool) -> int:
    """Epochs before the first, about: of candidates, from the middle of each axis to a turn; of a search."""
    if isinstance(config, AdaRecConfig):  # an epoch of a search has a step of the chances beside each other
        return 0 if config.cell else 2 * config.search_epochs
    axes = open_axes(config, taught=taught) if isinstance(config, SoftConfig) else {}
    return TRIAL_EPOCHS * (2 * len(axes) + 1) if axes else 0


def still_open(near: Settings, config: Any, *, taught: bool) -> dict[str, Any]:
    """Of settings that validation chose on an earlier state of the data those that are not given now."""
    axes = open_axes(config, taught=taught) if isinstance(config, SoftConfig) else {}
    return {name: near[name] for name in axes if name in near}


def tried(
    method: Method,
    epochs: int,
    validation: Validation | None,
    choose_by: str,
    on_epoch: OnEpoch,
    near: Settings = MappingProxyType({}),
) -> tuple[Method, RunState]:
    """The method with the settings that validation prefers after short schedules, and what they gave.

    Every candidate trains a whole short schedule, so that its steps have fallen to zero where it is judged.
    One that is then below the tables it started from is worth as much as those, which count as epoch 0: then
    what its training gave decides among its like. ``near``: settings that were best on an earlier state of
    the data and are open now: where the search begins, and what is taken where nothing is tried.
    """
    if isinstance(method, Searching):
        return _searched(method, epochs, on_epoch)
    axes = method.candidates()
    if not axes or not validation:
        return (method.variant(near, epochs), RunState(chosen=near)) if near else (method, RunState())
    looks = _Looks(choose_by, on_epoch, expected=epochs + TRIAL_EPOCHS * (2 * len(axes) + 1))

    def worth_of(settings: Settings) -> Worth:
        trial = method.variant(settings, TRIAL_EPOCHS)
        start = looks.look(trial, settings, 0, validation) if trial.starts_trained else None
        for epoch in range(TRIAL_EPOCHS):
            train_epoch(trial, epoch)
            last = epoch + 1 == TRIAL_EPOCHS
            found = looks.look(trial, settings, epoch + 1, validation if last else None)
        assert found is not None
        return max(start or found, found)[0], found[0]

    chosen = climb(axes, worth_of, near)
    seconds = time.perf_counter() - looks.started
    return method.variant(chosen, epochs), RunState(seconds=seconds, chosen=chosen, trials=looks.history)


def _searched(method: Searching, epochs: int, on_epoch: OnEpoch) -> tuple[Method, RunState]:
    """The model that a search finds, from its start, and what the search says."""
    started, done = time.perf_counter(), 0
    while done < method.search_epochs and not method.is_decided():
        train_epoch(method, done)
        done += 1
        seconds = time.perf_counter() - started
        on_epoch(EpochReport(done, method.search_epochs + epochs, seconds, None))
    chosen, facts = method.found()
    seconds = time.perf_counter() - started
    search = {**facts, "epochs": done, "seconds": round(seconds, 3)}
    return method.variant(chosen, epochs), RunState(seconds=seconds, chosen=chosen, search=search)
