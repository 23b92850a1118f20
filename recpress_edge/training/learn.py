"""Learning what a plan asks for: its input, what validation chooses, its epochs or passes."""

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal, Protocol

import numpy as np

from recpress_edge.core.metrics import worth
from recpress_edge.core.rng import stream
from recpress_edge.data.holdout import dataset_cutoff
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.settings import SoftConfig
from recpress_edge.distill.students import create_method, parse_name
from recpress_edge.models.forecast import epoch_seconds, has_sampled_softmax
from recpress_edge.models.method import ClosedForm, Factorised, Method, TrainingInput
from recpress_edge.models.qat import stored_tables
from recpress_edge.models.teacher import Teacher
from recpress_edge.training.checkpoint import CheckpointStore
from recpress_edge.training.clicks.run import foreseen_clicks
from recpress_edge.training.closed import (
    FormOnData,
    Settings,
    compute,
    still_open,
    trial_epochs,
    trial_passes,
    tried,
)
from recpress_edge.training.evaluate import (
    StagedRows,
    evaluate,
    evaluate_rows,
    sampled_users,
)
from recpress_edge.training.loop import EpochReport, RunState, Validation, train
from recpress_edge.training.plan import Parts, Plan, Wanted
from recpress_edge.training.store import TrainedModel
from recpress_edge.training.trajectory import is_recorded, load_trajectory, write_stage
from recpress_edge.training.two_stages.forecast import foreseen_stages
from recpress_edge.training.warm.start import Started


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a model will take at least, and about how long, told before anything is made."""

    memory_bytes: int | None
    """None for what is computed at once from a model that is not there yet."""
    seconds: float | None
    """CPU time of all epochs or passes, those too that compare settings; None where none are measured."""


class _Stated(Exception):
    """A model has stated its need and was not begun."""


class Tell(Protocol):
    """Passes on what happens in the run."""

    def __call__(
        self, kind: Literal["train", "resume", "needs", "forecast", "epoch", "done"], **more: Any
    ) -> None: ...


def learn(
    plan: Plan, data: Dataset, store: CheckpointStore, tell: Tell, given: TrainingInput
) -> tuple[Method | ClosedForm, RunState]:
    """The method that a plan asks for, learned or computed from ``given``, and what is kept of it."""
    wanted, cutoff = plan.wanted, dataset_cutoff(data)

    def on(n_users: int | None) -> FormOnData:
        part = data if n_users is None else _some_users(data, n_users)
        some = dataclasses.replace(given, train=part.train)

        def make(settings: Settings) -> Any:
            return create_method(wanted.name.method, some, dataclasses.replace(wanted.config, **settings))

        return FormOnData(make, _validation(plan, part))

    def on_pass(report: EpochReport) -> None:
        tell("epoch", **_told(report, cutoff), epochs=report.epochs)

    near = wanted.warm.chosen if wanted.warm else {}
    if wanted.name.entry.closed_form:
        return compute(on, wanted.training.choose_by, on_pass, near)
    whole = on(None)
    method, begun = _chosen(
        whole.make,
        store,
        partial(
            tried,
            epochs=wanted.training.epochs,
            validation=whole.validation,
            choose_by=wanted.training.choose_by,
            on_epoch=on_pass,
            near=still_open(near, wanted.config, taught=wanted.teacher is not None),
        ),
    )

    def on_epoch(report: EpochReport) -> None:
        if report.forecast_s is not None:
            tell("forecast", epoch=report.epoch, seconds=report.forecast_s)
            return
        if report.metrics is None:  # an evaluated epoch has left its stage
            _record_stage(plan, report.epoch, StagedRows(method.scores, data.train))
        tell("epoch", **_told(report, cutoff))

    return method, train(method, wanted.training, whole.validation, store, on_epoch, begun)


def best_start(plan: Plan, data: Dataset, given: TrainingInput, start: Started) -> Started:
    """What a method that goes on begins with: the earlier rows, or none, and then as a first one begins.

    A student that begins near its teacher begins near tonight's where validation prefers those tables,
    untrained as they are, to the earlier rows.
    """
    wanted = plan.wanted
    stageless = dataclasses.replace(wanted, options=dataclasses.replace(wanted.options, trajectory=False))
    judge = _validation(dataclasses.replace(plan, wanted=stageless), data)
    near_teacher = isinstance(wanted.config, SoftConfig) and wanted.config.start == "svd"
    if judge is None or start.anew or not near_teacher:
        return start

    def value(begun: Started) -> tuple[float, float]:
        """One method at a time is in memory."""
        method = create_method(wanted.name.method, going_on(given, begun), wanted.config)
        return worth(judge.evaluate(method, 0), dataset_cutoff(data), wanted.training.choose_by)

    fresh = dataclasses.replace(start, tables=None)
    return fresh if value(fresh) > value(start) else start


def given_to(plan: Plan, data: Dataset, tell: Tell) -> TrainingInput:
    """What a plan's method is made from; its need of memory is told once, however often it is made."""
    on_need = cache(lambda n_bytes: tell("needs", memory_bytes=n_bytes))
    return dataclasses.replace(_given(plan.wanted, plan.parts, data), on_need=on_need)


def going_on(given: TrainingInput, start: Started) -> TrainingInput:
    """The same with the first tables of a warm start, unless all rows are computed again."""
    if start.anew:
        return given
    drawn = (start.drawn_users, start.drawn_items)
    return dataclasses.replace(given, start=start.tables, warm=True, drawn=drawn)


def foreseen(wanted: Wanted, parts: Parts | None, data: Dataset) -> Foreseen:
    """What :func:`learn` will state; DataError, as there, where it does not fit. Nothing is made.

    ``parts``: None while a model that this one is made from is missing.
    """
    if wanted.name.entry.gives == "clicks":
        return Foreseen(*foreseen_clicks(wanted, data))
    if wanted.name.entry.stages:
        return Foreseen(*foreseen_stages(wanted, data))
    if wanted.name.entry.closed_form:
        return Foreseen(None if parts is None else _stated(wanted, parts, data), _passes_s(wanted, data))
    name = wanted.name
    epoch_s = epoch_seconds(
        name.method, wanted.config, data.train, name.dim, teacher_dim=_teacher_of_sequences(wanted)
    )
    compared = len(data.valid) and not wanted.start and not has_sampled_softmax(wanted.config, data.train)
    searched = trial_epochs(wanted.config, taught=wanted.teacher is not None) if compared else 0
    seconds = None if epoch_s is None else epoch_s * (wanted.training.epochs + searched)
    return Foreseen(_stated(wanted, parts, data), seconds)


def _teacher_of_sequences(wanted: Wanted) -> int:
    """Dimensions of a teacher that reads what its student reads; 0 without one."""
    if wanted.teacher is None or wanted.name.entry.needs != "sequences":
        return 0
    return parse_name(str(wanted.teacher.name), "teacher").dim


def _passes_s(wanted: Wanted, data: Dataset) -> float | None:
    """CPU seconds of a closed form's passes, and of those that compare its settings on some of the users."""
    form = create_method(wanted.name.method, _given(wanted, Parts(), data), wanted.config)
    assert isinstance(form, ClosedForm)
    on = partial(epoch_seconds, wanted.name.method, wanted.config, data.train, wanted.name.dim)
    pass_s = on()
    if pass_s is None:
        return None
    trials = trial_passes(form) if len(data.valid) else 0
    return pass_s * form.passes + (on(form.search_users()) or 0.0) * trials


def _stated(wanted: Wanted, parts: Parts | None, data: Dataset) -> int | None:
    """The bytes that a model states before it takes any, when it is made and no further."""
    stated: list[int] = []

    def stop(n_bytes: int) -> None:
        stated.append(n_bytes)
        raise _Stated

    missing = Parts() if parts is None else parts
    given = dataclasses.replace(_given(wanted, missing, data), on_need=stop)
    if parts is None:  # their names are all that a need depends on
        stands = Teacher("missing")
        given = dataclasses.replace(
            given, teacher=stands if wanted.teacher else None, teachers=(stands,) * len(wanted.members)
        )
    with suppress(_Stated):
        method = create_method(wanted.name.method, given, wanted.config)
        if isinstance(method, ClosedForm):
            method.fit()
    return stated[0] if stated else None


def _chosen(
    make: Callable[[Settings], Any],
    store: CheckpointStore,
    choose: Callable[[Method], tuple[Method, RunState]],
) -> tuple[Method, RunState]:
    """The method with the settings that validation chose; a run that resumes has chosen already."""
    found = store.load()
    return (make(found.state["chosen"]), RunState()) if found else choose(make({}))


def _some_users(data: Dataset, most: int) -> Dataset:
    """Rows of so many users alone, drawn once."""
    drawn = np.sort(stream(0, "search users").permutation(data.n_users)[:most])
    parts = {split: getattr(data, split).rows(drawn) for split in ("train", "valid", "test")}
    return dataclasses.replace(data, user_ids=tuple(data.user_ids[user] for user in drawn), **parts)


def _told(report: EpochReport, cutoff: int) -> dict[str, Any]:
    return {"epoch": report.epoch, "seconds": report.seconds, "metrics": report.metrics, "cutoff": cutoff}


def _validation(plan: Plan, data: Dataset) -> Validation | None:
    """How epochs are judged: tables as their recipe stores them, with one ranking for metrics and stage."""
    if not len(data.valid):
        return None
    users = sampled_users(data, "valid", plan.wanted.training.valid_users)

    def metrics(method: Method | ClosedForm, epoch: int) -> dict[str, float | None]:
        if plan.wanted.options.trajectory and isinstance(method, Method):
            staged = StagedRows(method.scores, data.train)
            found = evaluate_rows(staged, data, "valid", users=users).means()
            _record_stage(plan, epoch, staged)
            return found
        if isinstance(method, Factorised):
            stored = stored_tables(plan.wanted.name.recipe, *method.tables())
            return evaluate(*stored, data, "valid", users).means()
        return evaluate_rows(method.scores, data, "valid", users=users).means()

    return Validation(
        metrics, dataset_cutoff(data), from_start=plan.parts.start is not None or plan.wanted.warm is not None
    )


def _record_stage(plan: Plan, epoch: int, rows: StagedRows) -> None:
    """Write a stage of the trajectory, where one is wanted of this epoch."""
    if plan.wanted.options.trajectory and is_recorded(epoch, plan.wanted.training.evaluate_every):
        write_stage(plan.folder, epoch, *rows.stage())


def _given(wanted: Wanted, parts: Parts, data: Dataset) -> TrainingInput:
    return TrainingInput(
        data.train,
        wanted.name.dim,
        wanted.seed,
        wanted.training.epochs,
        parts.teacher.teacher if parts.teacher else None,
        parts.start.tables if parts.start else None,
        wanted.name.recipe,
        wanted.options.device,
        tuple(_member(wanted, member) for member in parts.members),
    )


def _member(wanted: Wanted, member: TrainedModel) -> Teacher:
    """One of several teachers, with its trajectory where the student learns from those."""
    if wanted.name.entry.needs != "trajectories":
        return member.teacher
    return dataclasses.replace(member.teacher, trajectory=load_trajectory(member.folder))
