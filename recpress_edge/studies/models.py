"""What studies of several models share: the models, how they are found or trained, and what is claimed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from statistics import mean
from typing import Any, ClassVar

from recpress_edge.core.errors import unknown_name
from recpress_edge.core.progress import Note, OnEvent, silent
from recpress_edge.core.units import about_seconds
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.methods import Role
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.executor import Executor
from recpress_edge.jobs.forest import make_models
from recpress_edge.studies.outcome import Outcome, figure, measured
from recpress_edge.studies.study import Claim, Study, StudyRequest, StudyResult
from recpress_edge.training.ensure import PlannedStep, forecast_tree
from recpress_edge.training.plan import ModelRequest, TrainOptions, Wanted, want
from recpress_edge.training.store import TrainedModel


@dataclass(frozen=True, slots=True)
class StudiedModel:
    """One model of a study; the members of an ensemble are models of the same study."""

    label: str
    method: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    teacher: str | None = None
    """The model of the study, of seed 0, that it learns from."""
    data_sets: tuple[str, ...] = ()
    """Those of the study that it is trained on; none for all."""


def mean_of(metric: str, row: Sequence[Outcome]) -> float:
    """Mean of a test metric over the seeds of a model."""
    return mean(outcome.test[metric] for outcome in row)


def rows_of(outcomes: Sequence[Outcome], name: str) -> list[Outcome]:
    """The seeds of a model; none where it was not trained."""
    return [outcome for outcome in outcomes if outcome.name == name]


def mean_text(metric: str, row: Sequence[Outcome]) -> str:
    """:func:`mean_of`, as tables show it."""
    return figure(mean_of(metric, row))


def at_least(text: str, metric: str, name: str, bound: float, *, most: bool = False) -> Claim:
    """That the mean of a metric of a model reaches a bound: at least, or, with ``most``, at most."""

    def judge(outcomes: Sequence[Outcome]) -> Iterator[tuple[bool, str]]:
        if row := rows_of(outcomes, name):
            value = mean_of(metric, row)
            yield (value <= bound if most else value >= bound), figure(value)

    return Claim(text, judge)


def near(text: str, metric: str, name: str, wanted: float, tolerance: float) -> Claim:
    """That the mean of a metric of a model is within a tolerance of a figure."""

    def judge(outcomes: Sequence[Outcome]) -> Iterator[tuple[bool, str]]:
        if row := rows_of(outcomes, name):
            value = mean_of(metric, row)
            yield abs(value - wanted) <= tolerance, f"{value:.4f}, {value - wanted:+.4f}"

    return Claim(text, judge)


def in_order(text: str, metric: str, below: Sequence[str], above: Sequence[str], margin: float) -> Claim:
    """That a metric's mean of each model ``above`` is higher than of each ``below``, by a margin."""

    def judge(outcomes: Sequence[Outcome]) -> Iterator[tuple[bool, str]]:
        found = [[rows_of(outcomes, name) for name in names] for names in (below, above)]
        if all(row for rows in found for row in rows):
            lower, higher = ([mean_of(metric, row) for row in rows] for rows in found)
            gap = min(higher) - max(lower)
            yield gap >= margin, f"{max(lower):.4f} and {min(higher):.4f}, {gap:+.4f}"

    return Claim(text, judge)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsStudyRequest(StudyRequest):
    """A study of several models on one data set or several."""

    teachers: tuple[str, ...] | None = None
    """Names of the models; None for all of the study."""

    study: ClassVar[Study]
    models: ClassVar[Mapping[str, StudiedModel]]
    data_sets: ClassVar[Mapping[str, str]]
    """Data set to what is added to a model's name in the table."""
    next_step: ClassVar[str]
    """The command to run next."""
    usual_seeds: ClassVar[int] = 1

    def chosen(self) -> list[str]:
        """Names of the models in the study, in the order of the table; ConfigError for an unknown one."""
        names = self.teachers or tuple(self.models)
        for name in names:
            if name not in self.models:
                raise unknown_name("model of this study", name, list(self.models))
        return [name for name in self.models if name in names]

    def trees(self, data: Dataset) -> list[tuple[str, Wanted]]:
        """The models of a data set of every seed, by their names in the study."""
        seeds = range(self.seeds or self.usual_seeds)
        names = [name for name in self.chosen() if data.name in (self.models[name].data_sets or (data.name,))]
        return [(name, self._tree(name, seed, data)) for name, seed in product(names, seeds)]

    def _tree(self, name: str, seed: int, data: Dataset) -> Wanted:
        """A model by its settings in the study, and what it is made from by theirs."""
        model = self.models[name]
        options = TrainOptions(teacher=model.teacher, method=model.method, training=model.training)
        role: Role = "student" if model.teacher else "teacher"
        found = want(ModelRequest(name=name.partition(" ")[0], role=role, seed=seed, options=options), data)
        return replace(
            found,
            teacher=self._tree(model.teacher, 0, data) if model.teacher else None,
            members=tuple(self._tree(str(member), seed, data) for member in found.name.members),
        )

    def _steps(self, on_event: OnEvent) -> list[tuple[str, PlannedStep]]:
        """Each model once, and what it takes where it is still to be trained."""
        self.chosen()  # an unknown name is refused before any data is read
        found: dict[tuple[str, PlannedStep], None] = {}
        for name in self.data_sets:
            data = load_data(name, self.work, on_event)
            for _, tree in self.trees(data):
                found |= dict.fromkeys((name, step) for step in forecast_tree(tree, data, self.work))
        return list(found)

    def plan(self) -> list[str]:
        """The models that :meth:`run` finds or trains, and about how long these take."""
        return [_line(name, step) for name, step in self._steps(silent)]

    def run(self, on_event: OnEvent = silent, executor: Executor | None = None) -> StudyResult:
        """Train what is missing and judge every model on the test rows."""
        left = [step.seconds or 0.0 for _, step in self._steps(on_event) if step.action != "cached"]
        if left:
            most = f"{about_seconds(sum(left))} of CPU time if none stops early"
            on_event(Note(f"forecast   {len(left)} models to train, {most}"))
        outcomes = []
        for name, suffix in self.data_sets.items():
            data = load_data(name, self.work, on_event)
            asked = self.trees(data)
            models = make_models([tree for _, tree in asked], data, self.work, on_event, executor)
            for (own, tree), model in zip(asked, models, strict=True):
                known = measured(
                    model, name=f"{own}{suffix}", part=name, teacher=self.models[own].teacher or ""
                )
                outcomes.append(self.completed(known, tree, model, data))
        return StudyResult(
            study=self.study,
            outcomes=outcomes,
            next_step=self.next_step,
            details=self.details(),
            remarks=self.remarks(outcomes),
        )

    def completed(self, known: Outcome, tree: Wanted, model: TrainedModel, data: Dataset) -> Outcome:
        """The outcome with what this study measures besides the figures of the model's record."""
        return known

    def remarks(self, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
        """Lines that belong under the table."""
        return ()

    def details(self) -> Mapping[str, Any]:
        """What else the record holds: differences and published figures."""
        return {}


def _line(data: str, step: PlannedStep) -> str:
    verb = "find" if step.action == "cached" else step.action
    most = f", {about_seconds(step.seconds)} of CPU time at most" if step.seconds else ""
    return f"would {verb:<6} {step.name} seed {step.seed} on {data}{most}"
