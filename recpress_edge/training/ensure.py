"""Models found by the digest of everything that decides them, or trained. No torch until one is trained."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.progress import OnEvent, TrainingEvent, left_out_words
from recpress_edge.data.interactions import Dataset
from recpress_edge.training.plan import (
    ModelRequest,
    Parts,
    Plan,
    Wanted,
    in_order,
    is_ready,
    plan_model,
    want,
)
from recpress_edge.training.store import (
    CHECKPOINT,
    TrainedModel,
    is_complete,
    load_model,
    locked,
    remove_strays,
)
from recpress_edge.training.trajectory import has_trajectory
from recpress_edge.training.two_stages.tree import data_of

Action = Literal["cached", "resume", "train"]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One line of a dry run."""

    name: str
    seed: int
    action: Action
    folder: Path | None
    """None while a model that it is made from is missing: its digest is part of the folder's name."""
    memory_bytes: int | None = None
    """What training will take at least; None for a model that is there, or that cannot tell yet."""
    seconds: float | None = None
    """CPU time of all its epochs, about; None likewise."""
    without_last: int = 0
    """Train items of each user that it is trained without."""

    @property
    def left_out(self) -> str:
        """The same in words, for the end of its line; empty for a model that knows all of train."""
        return left_out_words(self.without_last)

    def costs(self) -> dict[str, float]:
        """Those of its costs that are known."""
        known = {"memory_bytes": self.memory_bytes, "seconds": self.seconds}
        return {name: value for name, value in known.items() if value is not None}


def ensure_model(request: ModelRequest, data: Dataset, work: Path, on_event: OnEvent) -> TrainedModel:
    """The model, found below ``work``/models or trained now, after everything that it is made from."""
    return ensure(want(request, data), data, work, on_event)


def ensure(wanted: Wanted, data: Dataset, work: Path, on_event: OnEvent) -> TrainedModel:
    """:func:`ensure_model` of a tree."""
    made: dict[Wanted, TrainedModel] = {}
    for node in in_order(wanted):
        made[node] = find_or_train(plan_model(node, made, data, work), data, on_event)
    return made[wanted]


def plan_steps(request: ModelRequest, data: Dataset, work: Path) -> list[PlannedStep]:
    """What :func:`ensure_model` would find or do, in order; nothing is written."""
    return [step for step, _, _ in _planned(want(request, data), data, work)]


def forecast_steps(request: ModelRequest, data: Dataset, work: Path) -> list[PlannedStep]:
    """:func:`plan_steps` with the costs of what is to be trained; DataError where it does not fit."""
    return forecast_tree(want(request, data), data, work)


def forecast_tree(wanted: Wanted, data: Dataset, work: Path) -> list[PlannedStep]:
    """:func:`forecast_steps` of a tree."""
    return [
        step if step.action == "cached" else _with_forecast(step, node, parts, data)
        for step, node, parts in _planned(wanted, data, work)
    ]


def _planned(wanted: Wanted, data: Dataset, work: Path) -> Iterator[tuple[PlannedStep, Wanted, Parts | None]]:
    """Each step with its node and the models that it is made from, None while one of those is missing."""
    made: dict[Wanted, TrainedModel] = {}
    for node in in_order(wanted):
        if not is_ready(node, made):
            yield _named_step(node, "train", None), node, None
            continue
        plan = plan_model(node, made, data, work)
        if is_found(plan):
            made[node] = load_model(plan.folder)
        yield _step(plan), node, plan.parts


def _with_forecast(step: PlannedStep, wanted: Wanted, parts: Parts | None, data: Dataset) -> PlannedStep:
    from recpress_edge.training.learn import foreseen  # torch only where something is to be trained

    found = foreseen(wanted, parts, data_of(wanted, data))
    return replace(step, memory_bytes=found.memory_bytes, seconds=found.seconds)


def _step(plan: Plan) -> PlannedStep:
    action: Action = "train"
    if is_found(plan):
        action = "cached"
    elif not plan.wanted.options.restart and (plan.folder / CHECKPOINT).exists():
        action = "resume"
    return _named_step(plan.wanted, action, plan.folder)


def _named_step(node: Wanted, action: Action, folder: Path | None) -> PlannedStep:
    return PlannedStep(str(node.name), node.seed, action, folder, without_last=node.without_last)


def find_or_train(plan: Plan, data: Dataset, on_event: OnEvent) -> TrainedModel:
    """One model whose parts are there, ``data`` that of the whole tree. Only one process at a time trains it;
    others wait and find it.
    """
    wanted, data = plan.wanted, data_of(plan.wanted, data)
    event = functools.partial(
        TrainingEvent,
        name=str(wanted.name),
        seed=wanted.seed,
        folder=plan.folder,
        epochs=0 if wanted.name.entry.closed_form else wanted.training.epochs,
        teacher_of=wanted.made_for,
        without_last=wanted.without_last,
    )
    if is_found(plan):
        return _cached(plan, event, on_event)
    with locked(plan.folder, lambda: on_event(event(kind="wait"))):
        remove_strays(plan.folder)
        if is_found(plan):  # another process was quicker
            return _cached(plan, event, on_event)
        from recpress_edge.training.run import train_model  # torch only from here on

        return train_model(plan, data, lambda kind, **more: on_event(event(kind=kind, **more)))


def is_found(plan: Plan) -> bool:
    """Whether a model is trained, with its trajectory where that is wanted, and may be used as it is."""
    options = plan.wanted.options
    complete = is_complete(plan.folder) and (not options.trajectory or has_trajectory(plan.folder))
    return complete and not options.restart


def made_model(plan: Plan) -> TrainedModel:
    """The model in the plan's folder; another one there is an :class:`ArtifactError`."""
    model = load_model(plan.folder)
    if model.metadata.get("key") != plan.key:
        raise ArtifactError(
            f"{plan.folder} holds another model than its name says. Delete it, or train with --restart."
        )
    return model


def _cached(plan: Plan, event: Callable[..., TrainingEvent], on_event: OnEvent) -> TrainedModel:
    model = made_model(plan)
    on_event(event(kind="cached", seconds=float(model.metadata["seconds"])))
    return model
