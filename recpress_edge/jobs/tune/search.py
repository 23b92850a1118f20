"""Settings searched by Optuna: a seeded TPE that is asked in rounds of one size, whatever runs them.

Optuna's state is never stored. It follows from the seed and the trials told so far, and those are kept, so
a search that goes on tells them again in the same order and asks what it would have asked.
"""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from recpress_edge.jobs.tune.budget import TableShape
from recpress_edge.jobs.tune.space import SPACE, OneOf, usual_point
from recpress_edge.jobs.tune.trial import TuneTrial

ROUND: Final = 4
"""Trials that are asked for at once. A constant, so that more workers change no result."""
STARTUP: Final = 8
"""Trials before the sampler learns from them."""
PRUNE_FROM: Final = 4
"""Finished students before any is pruned."""
PRUNE_AFTER: Final = 2
"""Validations that every student gets."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A student that the sampler wants to know of."""

    number: int | None
    """Optuna's, from 0; None for one that it did not make."""
    shape: TableShape
    teacher: str
    """Folder below ``models``."""
    method: Mapping[str, Any]


class Search:
    """Shapes × teachers × settings of the student, but for those that are ``fixed``."""

    def __init__(
        self,
        shapes: Sequence[TableShape],
        teachers: Sequence[str],
        seed: int,
        fixed: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTUP, constant_liar=True)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._shapes = {str(shape): shape for shape in shapes}
        self._space: dict[str, BaseDistribution] = {
            "shape": CategoricalDistribution(list(self._shapes)),
            "teacher": CategoricalDistribution(list(range(len(teachers)))),
            **{name: _distribution(row) for name, row in SPACE.items() if name not in fixed},
        }
        self._teachers, self._fixed = teachers, fixed
        self._open: dict[int, optuna.Trial] = {}

    def usual(self) -> list[Proposal]:
        """Every shape and teacher with the usual settings, of which validation chooses some: tried first."""
        return [
            Proposal(None, shape, teacher, self._fixed)
            for teacher in self._teachers
            for shape in self._shapes.values()
        ]

    def ask(self, count: int) -> list[Proposal]:
        """The next students to try, of which none is known when they are chosen."""
        found = []
        for _ in range(count):
            trial = self._study.ask(self._space)
            self._open[trial.number] = trial
            chosen = dict(trial.params)
            shape, teacher = self._shapes[chosen.pop("shape")], self._teachers[chosen.pop("teacher")]
            found.append(Proposal(trial.number, shape, teacher, {**self._fixed, **chosen}))
        return found

    def tell(self, proposal: Proposal, result: TuneTrial) -> None:
        """What came of a proposal."""
        if proposal.number is None:
            self._learn(proposal, result)
            return
        trial = self._open.pop(proposal.number)
        for epoch, value in result.curve:
            trial.report(value, epoch)
        if result.state == "done":
            self._study.tell(trial, result.worth)
        else:
            state = TrialState.PRUNED if result.state == "pruned" else TrialState.FAIL
            self._study.tell(trial, state=state)

    def _learn(self, proposal: Proposal, result: TuneTrial) -> None:
        """A finished student with the usual settings, as the sampler would have asked for it."""
        if result.state != "done":
            return
        place = {"shape": str(proposal.shape), "teacher": self._teachers.index(proposal.teacher)}
        values = {**usual_point(), **result.settings}
        known = {name: values[name] for name in self._space if name not in place}
        self._study.add_trial(
            optuna.trial.create_trial(
                params=place | known,
                distributions=self._space,
                value=result.worth,
                intermediate_values=dict(result.curve),
            )
        )


def _distribution(row: Any) -> BaseDistribution:
    if isinstance(row, OneOf):
        return CategoricalDistribution(row.values)
    return FloatDistribution(row.low, row.high, log=row.log)


def prune_below(trials: Sequence[TuneTrial]) -> tuple[tuple[int, float], ...]:
    """By epoch, the median of what finished students had then; who never reached it until then is pruned.

    The rule of Optuna's MedianPruner, fixed at the beginning of a round: no trial depends on when another of
    its round ended. Epoch 0 is the start, not training.
    """
    done = [trial for trial in trials if trial.kind == "student" and trial.state == "done"]
    curves = [[look for look in trial.curve if look[0] > 0] for trial in done]
    if len(curves) < PRUNE_FROM:
        return ()
    reached = defaultdict(list)
    for curve in curves:
        for epoch, value in curve[PRUNE_AFTER:]:
            reached[epoch].append(value)
    return tuple(
        (epoch, statistics.median(values))
        for epoch, values in sorted(reached.items())
        if len(values) >= PRUNE_FROM
    )
