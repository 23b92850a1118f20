"""What a model is made of: the tree of wanted models, and the key and folder of each. No torch here."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.config import load_config
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import digest_of
from recpress_edge.core.metrics import DEFAULT_CUTOFF
from recpress_edge.data.features.fit import labelled_rows
from recpress_edge.data.holdout import dataset_cutoff
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.weights import check_power
from recpress_edge.distill.methods import Role
from recpress_edge.distill.plugin import load_plugins
from recpress_edge.distill.students import ModelName, check_taught, parse_name
from recpress_edge.training.overrides import check_settings
from recpress_edge.training.settings import TrainingConfig, check_choice, settings
from recpress_edge.training.source import order_digest, source_digest
from recpress_edge.training.store import (
    TrainedModel,
    asked_teacher,
    fitting,
    given_members,
    is_folder,
    model_folder,
    model_in,
    seed_of,
)
from recpress_edge.training.trajectory import trajectory_digest
from recpress_edge.training.two_stages.tree import data_of, stages_of
from recpress_edge.training.warm.earlier import Earlier, earlier_in

OF_VALIDATION: Final = ("choose_by", "valid_users")
"""Settings of training that a model without epochs has too."""

# Part of every model's key; raise it when the same settings come to mean other numbers.
TRAINING_REVISION: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How to make a model that is missing."""

    teacher: str | None = None
    """Name or model folder of the teacher, 'none' for no distillation; None for the method's usual one."""
    teacher_seed: int = 0
    """Seed of a teacher given by name: students of several seeds share one teacher."""
    members: tuple[str, ...] = ()
    """Model folders to take for the members of an ensemble, or the several teachers of a student, that have
    their names, whatever their settings."""
    device: str = "cpu"
    threads: int = 1
    method: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the method that differ from its defaults."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the loop that differ from the defaults."""
    earlier: str | None = None
    """Folder of a model of the same method and dim whose tables training begins with; its teacher goes on
    likewise from that model's."""
    restart: bool = False
    """Ignore the named model and its checkpoint if they exist, and train from the start."""
    trajectory: bool = False
    """Keep its rankings at a few epochs too; a model that was trained without them is trained again."""
    checkpoint_every_s: float = 15.0
    plugin: tuple[str, ...] = ()
    """Files that bring methods; part of no key, which holds the source of the method itself."""

    def for_start(self) -> "TrainOptions":
        """Options of the model that fine-tuning starts from: with the usual settings."""
        return dataclasses.replace(self, method={}, training={}, restart=False)

    def for_teacher(self, *, trajectory: bool) -> "TrainOptions":
        """Options of a model that another is made from: usual settings, on the same device."""
        return TrainOptions(
            device=self.device,
            threads=self.threads,
            trajectory=trajectory,
            checkpoint_every_s=self.checkpoint_every_s,
            plugin=self.plugin,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """A model asked for by name."""

    name: str
    role: Role = "student"
    seed: int = 0
    options: TrainOptions = field(default_factory=TrainOptions)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wanted:
    """A model and what it is made from: a node of the tree. Nothing is looked for or trained yet."""

    name: ModelName
    seed: int
    """0 for a model that depends on no seed."""
    config: Any
    """Settings of the method."""
    training: TrainingConfig
    options: TrainOptions
    made_for: str | None = None
    """The model that it is a teacher or a member of."""
    teacher: "Part | None" = None
    members: "tuple[Part, ...]" = ()
    """Of an ensemble, or several teachers with their trajectories."""
    stages: "tuple[Part, ...]" = ()
    """Of a second stage: the first one, and the same without the last ``without_last`` of each user."""
    without_last: int = 0
    start: "Wanted | None" = None
    """The same model without quantisation, from which fine-tuning goes on."""
    warm: Earlier | None = None
    """The earlier model whose tables training begins with."""
    refit_of: TrainedModel | None = None
    """The model that chose the epoch of this one, which trains again on train and validation."""

    @property
    def parts(self) -> "tuple[Part, ...]":
        """Everything that it is made from."""
        return tuple(
            part for part in (self.teacher, *self.members, *self.stages, self.start) if part is not None
        )


Part = Wanted | TrainedModel
"""A model to find or train, or one that was given by its folder."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The trained models that one is made from."""

    teacher: TrainedModel | None = None
    members: tuple[TrainedModel, ...] = ()
    stages: tuple[TrainedModel, ...] = ()
    start: TrainedModel | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A model that is fully determined, trained or not."""

    wanted: Wanted
    parts: Parts
    key: str
    """Digest of all that decides the numbers; device and threads are recorded but not part of it."""
    folder: Path


def want(request: ModelRequest, data: Dataset, made_for: str | None = None) -> Wanted:
    """The tree of everything that a model is made from; what cannot be made is refused here."""
    load_plugins(request.options.plugin)  # a process that was sent the request has not
    model, options = parse_name(request.name, request.role), request.options
    for what, value, least in (("seed", request.seed, 0), ("threads", options.threads, 1)):
        if value < least:
            raise ConfigError(f"{what} must be at least {least}, got {value}")
    warm = earlier_in(options.earlier, model, data) if options.earlier else None
    config, training = settings_of(model, request.role, options, warm)
    if model.entry.gives == "clicks":
        labelled_rows(data)
    check_power(getattr(config, "weight_power", None), data)
    known = options.teacher or (warm.teacher if warm else None)
    asked = asked_teacher(model, request.role, known, min(data.n_users, data.n_items))
    several = _several(model, asked, request)
    given = given_members(model, [name for name, _ in several], options.members, data)
    usual = options.for_teacher(trajectory=_wants_trajectories(model))

    def needed(name: ModelName, seed: int) -> Part:
        begun = dataclasses.replace(usual, earlier=warm.part(name, seed) if warm else None)
        teacher = ModelRequest(name=str(name), role="teacher", seed=seed, options=begun)
        return given.get(name) or want(teacher, data, str(model))

    teacher: Part | None = None
    if asked and not several:
        brought = fitting(model_in(Path(asked), data), model) if is_folder(asked) else None
        teacher = brought or needed(parse_name(asked, "teacher"), options.teacher_seed)
    check_taught(model, config, str(teacher.name) if teacher else None)
    check_settings(model, config, teacher.config if teacher else None)
    if stages := stages_of(model, config, request, data, want):  # where a first stage lies decides nothing
        config = dataclasses.replace(config, first=str(stages[0].name))
    wanted = Wanted(
        name=model,
        seed=seed_of(model, request.seed),
        config=config,
        training=training,
        options=options,
        made_for=made_for,
        teacher=teacher,
        members=tuple(needed(name, seed) for name, seed in several),
        stages=stages,
        warm=warm if warm and model.entry.warm and warm.model.tables else None,
    )
    return _fine_tuned(wanted, request.role) if model.recipe else wanted


def _fine_tuned(wanted: Wanted, role: Role) -> Wanted:
    """The same, after the model that it starts from."""
    usual = wanted.options.for_start()
    config, training = settings_of(wanted.name.plain, role, usual, wanted.warm)
    start = dataclasses.replace(
        wanted, name=wanted.name.plain, config=config, training=training, options=usual
    )
    return dataclasses.replace(wanted, start=start, warm=None)


def in_order(wanted: Wanted) -> list[Wanted]:
    """The models to find or train, each once, and each after everything that it is made from."""
    found: dict[Wanted, None] = {}
    for part in wanted.parts:
        if isinstance(part, Wanted):
            found |= dict.fromkeys(in_order(part))
    return [*found, wanted]


def is_ready(wanted: Wanted, made: Mapping[Wanted, TrainedModel]) -> bool:
    """Whether everything that a model is made from is there."""
    return all(isinstance(part, TrainedModel) or part in made for part in wanted.parts)


def plan_model(wanted: Wanted, made: Mapping[Wanted, TrainedModel], data: Dataset, work: Path) -> Plan:
    """Key and folder of a model whose parts are all given or ``made``; ``data``: that of the whole tree."""
    data, clicks = data_of(wanted, data), wanted.name.entry.gives == "clicks"
    if wanted.training.keep == "best" and not (labelled_rows(data).sizes[1] if clicks else len(data.valid)):
        raise ConfigError(
            f"data set {data.name!r} has no validation split to choose the best epoch on. "
            'Set training.keep = "last", or split the data again with a validation part.'
        )

    def trained(part: Part) -> TrainedModel:
        return made[part] if isinstance(part, Wanted) else part

    parts = Parts(
        teacher=trained(wanted.teacher) if wanted.teacher else None,
        members=tuple(map(trained, wanted.members)),
        stages=tuple(map(trained, wanted.stages)),
        start=trained(wanted.start) if wanted.start else None,
    )
    key = digest_of(_deciding(wanted, parts, data))
    return Plan(wanted, parts, key, model_folder(work / "models", str(wanted.name), wanted.seed, key))


def _deciding(wanted: Wanted, parts: Parts, data: Dataset) -> dict[str, Any]:
    """All that decides a model's numbers."""
    model = wanted.name
    decides: dict[str, Any] = {
        "revision": TRAINING_REVISION,
        "name": str(model),
        "config": dataclasses.asdict(wanted.config),
        "training": dataclasses.asdict(wanted.training),
        "dataset": data.digest(),
        "seed": wanted.seed,
        "teacher": parts.teacher.digest if parts.teacher else None,
    }
    if wanted.warm:
        decides["from"] = wanted.warm.digest
    if parts.start:
        decides["start"] = parts.start.digest
    if parts.members:
        decides["members"] = [member.digest for member in parts.members]
    if parts.stages:
        decides |= {"stages": [one.digest for one in parts.stages], "features": data.features_digest()}
    if _wants_trajectories(model):
        decides["trajectories"] = [trajectory_digest(member.folder) for member in parts.members]
    if model.entry.ordered:
        decides["order"] = order_digest(str(model), data)
    if model.entry.weighted and (weights := data.weights_digest()):
        decides["weights"] = weights
    if model.entry.gives == "clicks":
        decides["clicks"] = list(data.click_digests().values())
    if (cutoff := dataset_cutoff(data)) != DEFAULT_CUTOFF:
        decides["cutoff"] = cutoff
    if not model.entry.released:
        decides["source"] = [source_digest(where) for where in model.entry.sources]
    return decides


def settings_of(
    model: ModelName, role: Role, options: TrainOptions, warm: Earlier | None = None
) -> tuple[Any, TrainingConfig]:
    """Settings of the method and of the loop: the usual ones, or an earlier model's, below ``options``."""
    entry, earlier = model.entry, {} if warm is None or model.recipe else warm.settings
    usual_role = f"warm {role}" if earlier else role
    kind = "quantised" if model.recipe else entry.gives if model.members else usual_role
    usual = settings(model.method, kind, closed_form=entry.closed_form)
    of_epochs = [f"--{key}" for key in options.training if key not in OF_VALIDATION]
    if entry.closed_form and of_epochs:
        raise ConfigError(f"{model} is computed at once and has no epochs: leave out {', '.join(of_epochs)}.")
    training = load_config(TrainingConfig, {**usual.training, **options.training}, "training")
    check_choice(str(model), training, clicks=entry.gives == "clicks")
    names = earlier.keys() & {field.name for field in dataclasses.fields(entry.config)}
    kept = {name: earlier[name] for name in names}
    return load_config(entry.config, {**kept, **usual.method, **options.method}, "method"), training


def _several(model: ModelName, asked: str | None, request: ModelRequest) -> list[tuple[ModelName, int]]:
    """Members and their seeds: of an ensemble those of its own seed, of HetComp its several teachers."""
    if asked and _wants_trajectories(model):
        teacher = parse_name(asked, "teacher")
        return [(member, request.options.teacher_seed) for member in teacher.members or (teacher,)]
    return [(member, request.seed) for member in model.members]


def _wants_trajectories(model: ModelName) -> bool:
    return model.entry.needs == "trajectories"
