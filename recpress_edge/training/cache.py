"""What is trained already is not trained again: models found by the digest of all that made them.

Importing this module, and finding a model that exists, needs no torch.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from recpress_edge.core.config import load_config
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import digest_of
from recpress_edge.core.metrics import DEFAULT_CUTOFF
from recpress_edge.core.progress import Event, OnEvent, TrainingEvent
from recpress_edge.data.holdout import dataset_cutoff
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.methods import Role
from recpress_edge.distill.students import ModelName, check_pair, parse_name, teacher_name
from recpress_edge.training.given import fitting, given_members, model_in
from recpress_edge.training.settings import TrainingConfig, settings
from recpress_edge.training.source import source_digest
from recpress_edge.training.store import (
    METADATA,
    TrainedModel,
    is_complete,
    load_model,
    locked,
    model_folder,
    remove_strays,
)
from recpress_edge.training.trajectory import has_trajectory, trajectory_digest

# Part of every model's key; raise it when the same settings come to mean other numbers.
# 2: the key holds every setting of the method
TRAINING_REVISION: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How to make a model that is missing."""

    teacher: str | None = None
    """Name or model folder of the teacher, 'none' for no distillation; None for the method's usual one."""
    teacher_seed: int = 0
    """Seed of a teacher given by name: students of several seeds share one teacher."""
    members: tuple[str, ...] = ()
    """Model folders to take for the members of an ensemble that have their names, whatever their settings."""
    device: str = "cpu"
    threads: int = 1
    method: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the method that differ from its defaults."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the loop that differ from the defaults."""
    restart: bool = False
    """Ignore the named model and its checkpoint if they exist, and train from the start."""
    chosen: TrainedModel | None = None
    """Of a model trained again on train and validation, for its record: the one that chose its epoch."""
    trajectory: bool = False
    """Keep its rankings at a few epochs too; a model that was trained without them is trained again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A model that is fully determined, trained or not."""

    name: ModelName
    seed: int
    config: Any
    training: TrainingConfig
    teacher: TrainedModel | None
    start: TrainedModel | None
    """The trained model that fine-tuning goes on from."""
    members: tuple[TrainedModel, ...]
    """Of an ensemble."""
    key: str
    """Digest of all that decides the numbers; device and threads are recorded but not part of it."""
    folder: Path


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a dry run."""

    name: str
    seed: int
    action: Literal["cached", "resume", "train"]
    folder: Path | None
    """None while a model that it is made from is missing: its digest is part of the folder's name."""


def ensure_model(
    name: str, role: Role, data: Dataset, seed: int, work: Path, options: TrainOptions, on_event: OnEvent
) -> TrainedModel:
    """The model of this name, found below ``work``/models or trained now.

    A missing teacher or member comes first; then, for a fine-tuned model, the one that it starts from.
    """
    model = parse_name(name, role)
    _settings(model, role, options)
    asked = asked_teacher(model, role, options.teacher)
    several = _several(model, asked, seed, options)
    teacher = _teacher(asked, model, data, work, options, on_event) if asked and not several else None
    given = given_members(model, options.members, data)
    members = tuple(
        given.get(member) or _made_for(model, member, member_seed, data, work, options, on_event)
        for member, member_seed in several
    )
    start = None
    if model.recipe:
        usual = _usual(options)
        first = plan_model(model.plain, role, data, seed, work, usual, teacher, members=members)
        start = _find_or_train(first, data, usual, on_event)
    plan = plan_model(model, role, data, seed, work, options, teacher, start, members)
    return _find_or_train(plan, data, options, on_event)


def asked_teacher(student: ModelName, role: Role, asked: str | None) -> str | None:
    """Name or folder of the teacher, None for none; a pair that cannot be is refused by its names."""
    if role == "teacher":
        return None
    teacher = teacher_name(student, asked)
    if teacher and is_folder(teacher) and _wants_trajectories(student):
        raise ConfigError(
            f"{student} learns from teachers with their trajectories, found by name and not by folder. "
            f"Write for example --teacher {student.entry.usual_teacher}."
        )
    if teacher and not is_folder(teacher):
        check_pair(student, parse_name(teacher, "teacher"))
    return teacher


def _usual(options: TrainOptions) -> TrainOptions:
    """The same teacher, device and threads with the usual settings: those given are for the last step."""
    return dataclasses.replace(options, method={}, training={}, restart=False)


def plan_steps(
    name: str, role: Role, data: Dataset, seed: int, work: Path, options: TrainOptions
) -> list[Step]:
    """What :func:`ensure_model` would find or do, in order; nothing is written."""
    model = parse_name(name, role)
    _settings(model, role, options)
    asked = asked_teacher(model, role, options.teacher)
    names = [model.plain, model] if model.recipe else [model]
    steps: list[Step] = []
    made_from: list[TrainedModel | None] = []
    if asked and is_folder(asked):
        made_from.append(fitting(model_in(Path(asked), data), model))
    several = _several(model, asked, seed, options)
    given = given_members(model, options.members, data)
    needed = [(parse_name(asked, "teacher"), options.teacher_seed)] if asked and not several else []
    for name_needed, seed_needed in several or ([] if made_from else needed):
        wanted = TrainOptions(trajectory=_wants_trajectories(model))
        found = given.get(name_needed)
        if not found:
            more, found = _steps_of_teacher(name_needed, data, seed_needed, work, wanted)
            steps += more
        made_from.append(found)
    known = [found for found in made_from if found]
    if len(known) < len(made_from):
        return [*steps, *(Step(str(name), _seed(name, seed), "train", None) for name in names)]
    teacher = known[0] if asked and not several else None
    members = tuple(known) if several else ()
    start = None
    if model.recipe:
        first = plan_model(model.plain, role, data, seed, work, _usual(options), teacher, members=members)
        steps.append(_step(first, _usual(options)))
        if steps[-1].action != "cached":
            return [*steps, Step(str(model), seed, "train", None)]
        start = load_model(first.folder)
    plan = plan_model(model, role, data, seed, work, options, teacher, start, members)
    return [*steps, _step(plan, options)]


def _steps_of_teacher(
    name: ModelName, data: Dataset, seed: int, work: Path, options: TrainOptions
) -> tuple[list[Step], TrainedModel | None]:
    """How a teacher with the usual settings would come to be, and the teacher itself where it is there."""
    steps = plan_steps(str(name), "teacher", data, seed, work, options)
    last = steps[-1]
    return steps, load_model(last.folder) if last.action == "cached" and last.folder else None


def _seed(model: ModelName, seed: int) -> int:
    """0 for what depends on no seed: a closed form, and an ensemble of nothing else."""
    fixed = all(_seed(member, 1) == 0 for member in model.members)
    return 0 if model.entry.closed_form and fixed else seed


def plan_model(
    model: ModelName,
    role: Role,
    data: Dataset,
    seed: int,
    work: Path,
    options: TrainOptions,
    teacher: TrainedModel | None,
    start: TrainedModel | None = None,
    members: tuple[TrainedModel, ...] = (),
) -> Plan:
    """Settings, key and folder of one model."""
    config, training = _settings(model, role, options)
    seed = _seed(model, seed)
    if training.keep == "best" and not len(data.valid):
        raise ConfigError(
            f"data set {data.name!r} has no validation split to choose the best epoch on. "
            'Set training.keep = "last", or split the data again with a validation part.'
        )
    decides: dict[str, Any] = {"start": start.digest} if start else {}
    if members:
        decides["members"] = [member.digest for member in members]
    if _wants_trajectories(model):
        decides["trajectories"] = [trajectory_digest(member.folder) for member in members]
    if model.entry.ordered:
        decides["order"] = _order_digest(model, data)
    if (cutoff := dataset_cutoff(data)) != DEFAULT_CUTOFF:
        decides["cutoff"] = cutoff
    if not model.entry.released:
        decides["source"] = [source_digest(where) for where in model.entry.sources]
    key = digest_of(
        {
            **decides,
            "revision": TRAINING_REVISION,
            "name": str(model),
            "config": dataclasses.asdict(config),
            "training": dataclasses.asdict(training),
            "dataset": data.digest(),
            "seed": seed,
            "teacher": teacher.digest if teacher else None,
        }
    )
    folder = model_folder(work / "models", str(model), seed, key)
    return Plan(model, seed, config, training, teacher, start, members, key, folder)


def _order_digest(model: ModelName, data: Dataset) -> str:
    digest = data.order_digest()
    if digest is None:
        raise ConfigError(
            f"{model} learns from the order in which users consumed their items, and data set {data.name!r} "
            "has none. Import its log with times (--split loo-time), or with --split loo-order where its "
            "lines are in the order of time; a set imported before orders were kept: again, with --force."
        )
    return digest


def _settings(model: ModelName, role: Role, options: TrainOptions) -> tuple[Any, TrainingConfig]:
    entry = model.entry
    usual = settings(model.method, "quantised" if model.recipe else role, closed_form=entry.closed_form)
    if model.entry.closed_form and options.training:
        raise ConfigError(
            f"{model} is computed at once and has no epochs: leave out "
            f"{', '.join(f'--{key}' for key in options.training)}."
        )
    return (
        load_config(model.entry.config, {**usual.method, **options.method}, "method"),
        load_config(TrainingConfig, {**usual.training, **options.training}, "training"),
    )


def is_folder(model: str) -> bool:
    """Whether a model is given by its folder rather than by name."""
    return "/" in model or (Path(model) / METADATA).exists()


def _teacher(
    asked: str, student: ModelName, data: Dataset, work: Path, options: TrainOptions, on_event: OnEvent
) -> TrainedModel:
    if is_folder(asked):
        return fitting(model_in(Path(asked), data), student)
    return _made_for(
        student, parse_name(asked, "teacher"), options.teacher_seed, data, work, options, on_event
    )


def _several(
    model: ModelName, asked: str | None, seed: int, options: TrainOptions
) -> list[tuple[ModelName, int]]:
    """Models and seeds that this one is made of: an ensemble's, of its own seed, or its several teachers."""
    if asked and _wants_trajectories(model):
        teacher = parse_name(asked, "teacher")
        return [(member, options.teacher_seed) for member in teacher.members or (teacher,)]
    return [(member, seed) for member in model.members]


def _wants_trajectories(model: ModelName) -> bool:
    return model.entry.needs == "trajectories"


def _made_for(
    purpose: ModelName,
    name: ModelName,
    seed: int,
    data: Dataset,
    work: Path,
    options: TrainOptions,
    on_event: OnEvent,
) -> TrainedModel:
    """A teacher with the usual settings; what is told of it names what it is for."""

    def tell(event: Event) -> None:
        if isinstance(event, TrainingEvent):
            event = dataclasses.replace(event, teacher_of=event.teacher_of or str(purpose))
        on_event(event)

    trajectory = _wants_trajectories(purpose)
    plain = TrainOptions(device=options.device, threads=options.threads, trajectory=trajectory)
    return ensure_model(str(name), "teacher", data, seed, work, plain, tell)


def _step(plan: Plan, options: TrainOptions) -> Step:
    action: Literal["cached", "resume", "train"] = "train"
    if not options.restart and _is_made(plan, options):
        action = "cached"
    elif not options.restart and (plan.folder / "checkpoint.json").exists():
        action = "resume"
    return Step(str(plan.name), plan.seed, action, plan.folder)


def _find_or_train(plan: Plan, data: Dataset, options: TrainOptions, on_event: OnEvent) -> TrainedModel:
    told: dict[str, Any] = {
        "name": str(plan.name),
        "seed": plan.seed,
        "folder": plan.folder,
        "epochs": 0 if plan.name.entry.closed_form else plan.training.epochs,
    }
    wanted = not options.restart
    if wanted and _is_made(plan, options):
        return _cached(plan, told, on_event)
    with locked(plan.folder, lambda: on_event(TrainingEvent(kind="wait", **told))):
        remove_strays(plan.folder)
        if wanted and _is_made(plan, options):  # another process was quicker
            return _cached(plan, told, on_event)
        from recpress_edge.training.run import train_model  # torch only from here on

        return train_model(
            plan, data, options, lambda kind, **more: on_event(TrainingEvent(kind=kind, **told, **more))
        )


def _is_made(plan: Plan, options: TrainOptions) -> bool:
    """Whether the model is there, with its trajectory where that is asked for."""
    return is_complete(plan.folder) and (not options.trajectory or has_trajectory(plan.folder))


def _cached(plan: Plan, told: dict[str, Any], on_event: OnEvent) -> TrainedModel:
    model = load_model(plan.folder)
    if model.metadata.get("key") != plan.key:
        raise ArtifactError(
            f"{plan.folder} holds another model than its name says. Delete it, or train with --restart."
        )
    on_event(TrainingEvent(kind="cached", **told, seconds=float(model.metadata["seconds"])))
    return model
