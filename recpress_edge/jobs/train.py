"""Train a teacher, distil a student: models that are there already are found."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.model_folder import MODEL_FACTS
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import read_json
from recpress_edge.core.progress import Event, Note, OnEvent, TrainingEvent, silent
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.methods import Role
from recpress_edge.distill.students import ModelName, parse_name
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.executor import Executor
from recpress_edge.jobs.forest import make_models
from recpress_edge.jobs.plugins import with_plugins
from recpress_edge.training.ensure import PlannedStep, forecast_steps
from recpress_edge.training.fusion import below_member_words
from recpress_edge.training.overrides import cell_settings, chosen_settings, overrides
from recpress_edge.training.plan import ModelRequest, TrainOptions, Wanted, want
from recpress_edge.training.refit import check_refit, joined, want_again
from recpress_edge.training.store import TrainedModel, asked_teacher, is_folder
from recpress_edge.training.warm.earlier import NEWEST, newest
from recpress_edge.training.warm.gate import check_overlap


@dataclass(frozen=True, slots=True)
class TrainPlan:
    """What would be found or trained, in order."""

    steps: tuple[PlannedStep, ...]
    refit: str | None = None
    """The model that is then trained again on train and validation."""

    def facts(self) -> dict[str, Any]:
        """What ``--dry-run --json`` prints."""
        steps = [
            {
                "name": s.name,
                "seed": s.seed,
                "action": s.action,
                "folder": str(s.folder) if s.folder else None,
                **({"without_last": s.without_last} if s.without_last else {}),
                **s.costs(),
            }
            for s in self.steps
        ]
        return {"dry_run": True, "steps": steps, **({"refit": self.refit} if self.refit else {})}


@dataclass(frozen=True, slots=True)
class TrainResult:
    """Trained models, one a seed, and the same trained again on train and validation where that was asked."""

    name: ModelName
    models: tuple[TrainedModel, ...]
    usual: bool
    """Whether the first is found again by its name: its settings, teacher and seed are the default ones."""
    refitted: tuple[TrainedModel, ...] = ()

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        refitted = [_record(model) for model in self.refitted]
        return {
            "models": [_record(model) for model in self.models],
            **({"refitted": refitted} if refitted else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _RunRequest:
    """What training and distillation share."""

    data: str = "synthetic"
    seed: int = 0
    seeds: int | None = None
    """Train seeds 0 to N-1."""
    epochs: int | None = None
    keep: str | None = None
    """``best`` or ``last``."""
    config: Path | None = None
    """TOML with the tables [method] and [training]."""
    set: tuple[str, ...] = ()
    """Single settings, ``method.learning_rate=0.01``; they win over the file."""
    plugin: tuple[str, ...] = ()
    """Python files that bring methods of one's own."""
    earlier: str | None = None
    """Folder of a model that training goes on from, or ``newest``."""
    min_overlap: float | None = None
    """Least mean overlap@10 of its lists with the earlier model's; less is an error of exit code 3."""
    restart: bool = False
    device: str = "cpu"
    threads: int = 1
    work: Path = Path()

    @property
    def _seeds(self) -> Sequence[int]:
        return [self.seed] if self.seeds is None else range(self.seeds)

    def _check_seeds(self) -> None:
        if self.seeds is not None and self.seeds < 1:
            raise ConfigError(f"seeds must be at least 1, got {self.seeds}")
        if self.seeds is not None and self.seed:
            raise ConfigError(
                f"seeds {self.seeds} means 0 to {self.seeds - 1}, seed {self.seed} one: give one"
            )

    def _options(self, name: ModelName, teacher: str | None, members: tuple[str, ...] = ()) -> TrainOptions:
        """Settings and configuration file as one value; a setting wins over the file."""
        self._check_seeds()
        self._check_overlap(name)
        tables = chosen_settings(name, self.config, self.set)
        given = {key: value for key in ("epochs", "keep") if (value := getattr(self, key)) is not None}
        for key in given.keys() & overrides(name, self.set)["training"].keys():
            raise ConfigError(f"--{key} and --set training.{key} say the same. Leave one out.")
        return TrainOptions(
            teacher=teacher,
            members=members,
            device=self.device,
            threads=self.threads,
            method=tables["method"],
            training={**tables["training"], **given},
            earlier=self.earlier,
            restart=self.restart,
            plugin=self.plugin,
        )

    def _check_overlap(self, name: ModelName) -> None:
        if self.min_overlap is None:
            return
        if self.earlier is None:
            raise ConfigError("--min-overlap compares with the earlier model: name it with --from MODEL")
        if name.recipe or name.entry.gives != "embeddings":
            raise ConfigError(
                f"--min-overlap is of two tables that go on from an earlier model's, and {name} is "
                f"{'fine-tuned from others' if name.recipe else 'none'}. Leave it out."
            )
        if not 0 <= self.min_overlap <= 1:
            raise ConfigError(f"--min-overlap must be from 0 to 1, got {self.min_overlap}")

    def _checked(self, models: Sequence[TrainedModel]) -> None:
        """GateError where the lists of a model moved further than is allowed."""
        for model in models if self.min_overlap is not None else ():
            check_overlap(model, self.min_overlap or 0.0)

    def _steps(self, name: str, role: Role, options: TrainOptions, on_event: OnEvent) -> TrainPlan:
        data = load_data(self.data, self.work, on_event)
        steps = [
            step
            for request in self._requests(parse_name(name, role), role, data, options)
            for step in forecast_steps(request, data, self.work)
        ]
        return TrainPlan(tuple(dict.fromkeys(steps)))  # seeds share their teacher

    def _wanted(self, name: ModelName, role: Role, data: Dataset, options: TrainOptions) -> list[Wanted]:
        """The model of each seed."""
        return [want(request, data) for request in self._requests(name, role, data, options)]

    def _requests(
        self, name: ModelName, role: Role, data: Dataset, options: TrainOptions
    ) -> Iterator[ModelRequest]:
        for seed in self._seeds:
            earlier = self.earlier
            if earlier == NEWEST:
                earlier = newest(name.plain, seed, data, self.work)
            begun = replace(options, earlier=earlier)
            yield ModelRequest(name=str(name), role=role, seed=seed, options=begun)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest(_RunRequest):
    """``recpress-edge train``."""

    teacher: str
    member: tuple[str, ...] = ()
    """Model folders to take for the members of an ensemble."""
    refit: bool = False
    """Then train again on train and validation together, for the epochs chosen on validation."""

    def plan(self, on_event: OnEvent = silent) -> TrainPlan:
        """What :meth:`run` finds or trains; nothing is written."""
        with with_plugins(self.plugin, self.work):
            name = parse_name(self.teacher, "teacher")
            plan = self._steps(str(name), "teacher", self._options(name, None, self.member), on_event)
            if not self.refit:
                return plan
            check_refit(str(name), load_data(self.data, self.work, on_event), self.earlier)
            return replace(plan, refit=str(name))

    def run(self, on_event: OnEvent = silent, executor: Executor | None = None) -> TrainResult:
        """Find or train the teacher of each seed."""
        with with_plugins(self.plugin, self.work):
            return self._trained(on_event, executor)

    def _trained(self, on_event: OnEvent, executor: Executor | None) -> TrainResult:
        name = parse_name(self.teacher, "teacher")
        options = self._options(name, None, self.member)
        data = load_data(self.data, self.work, on_event)
        if self.refit:
            check_refit(str(name), data, self.earlier)
        tell = warning_of_ensembles(on_event)
        models = make_models(self._wanted(name, "teacher", data, options), data, self.work, tell, executor)
        again: list[TrainedModel] = []
        if self.refit:
            both = joined(data)
            again_wanted = [want_again(model, both, options) for model in models]
            again = make_models(again_wanted, both, self.work, tell, executor)
        self._checked(models)
        usual = not (options.method or options.training or self.member or self.earlier) and self.seed == 0
        return TrainResult(name, tuple(models), usual, tuple(again))


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillRequest(_RunRequest):
    """``recpress-edge distill``."""

    student: str
    teacher: str | None = None
    """Name or folder, or ``none``; None for the method's usual one."""
    quantise: str | None = None
    """The recipe for whose rounding the student is fine-tuned."""
    cell: Path | None = None
    """JSON of the cell that an adarec is made of: it trains without a search."""

    def _options(self, name: ModelName, teacher: str | None, members: tuple[str, ...] = ()) -> TrainOptions:
        options = _RunRequest._options(self, name, teacher, members)  # super() knows no slots
        if self.cell is None:
            return options
        return replace(options, method={**options.method, **cell_settings(name, self.cell, options.method)})

    def _named(self) -> ModelName:
        """The student; a wrong combination is refused before any data is read."""
        student = parse_name(self.student, "student")
        if self.quantise:
            student = student.fine_tuned(self.quantise)
        asked_teacher(student, "student", self.teacher)
        return student

    def plan(self, on_event: OnEvent = silent) -> TrainPlan:
        """What :meth:`run` finds or trains; nothing is written."""
        with with_plugins(self.plugin, self.work):
            name = self._named()
            return self._steps(str(name), "student", self._options(name, self.teacher), on_event)

    def run(self, on_event: OnEvent = silent, executor: Executor | None = None) -> TrainResult:
        """Find or distil the student of each seed."""
        with with_plugins(self.plugin, self.work):
            return self._distilled(on_event, executor)

    def _distilled(self, on_event: OnEvent, executor: Executor | None) -> TrainResult:
        name = self._named()
        options = self._options(name, self.teacher)
        data = load_data(self.data, self.work, on_event)
        if self.teacher and is_folder(self.teacher):
            _warn(Path(self.teacher), on_event)
        wanted = self._wanted(name, "student", data, options)
        models = make_models(wanted, data, self.work, warning_of_ensembles(on_event), executor)
        self._checked(models)
        usual = self.teacher is None and not (options.method or options.training or self.earlier)
        return TrainResult(name, tuple(models), usual and self._seeds[0] == 0)


def warning_of_ensembles(on_event: OnEvent) -> OnEvent:
    """The listener with a warning where an ensemble is worse than its best member, and a model's own note."""

    def tell(event: Event) -> None:
        on_event(event)
        if isinstance(event, TrainingEvent) and event.kind in ("cached", "done"):
            _warn(event.folder, on_event)

    return tell


def _warn(folder: Path, on_event: OnEvent) -> None:
    where = folder / MODEL_FACTS
    known = read_json(where) if where.exists() else {}
    if "note" in known:
        on_event(Note(f"note       {known['name']}: {known['note']}"))
    if below := known.get("below_member"):
        on_event(Note(f"warning    {below_member_words(known['name'], below)}"))


def _record(model: TrainedModel) -> dict[str, Any]:
    kept = ("name", "seed", "chosen_epoch", "cutoff", "metrics", "seconds", "teacher", "sha256")
    more = {key: model.metadata[key] for key in ("quantised", "search", "from") if key in model.metadata}
    return {"folder": str(model.folder), **{key: model.metadata.get(key) for key in kept}, **more}
