"""Many models at once: each is trained once, after what it is made from, beside what it does not need."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from recpress_edge.core.errors import ArtifactError, RecPressError
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.data import resolve
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.store import stored_path
from recpress_edge.distill.plugin import load_installed
from recpress_edge.jobs.executor import Executor, Lanes, Local
from recpress_edge.training.ensure import ensure, find_or_train, is_found, made_model
from recpress_edge.training.plan import Parts, Plan, Wanted, in_order, is_ready, plan_model
from recpress_edge.training.refit import joined
from recpress_edge.training.store import TrainedModel, load_model


@dataclass(frozen=True, slots=True)
class Grown:
    """A model that was asked for, or why there is none."""

    wanted: Wanted
    model: TrainedModel | None
    error: Exception | None = None


def make_models(
    wanted: Sequence[Wanted],
    data: Dataset,
    work: Path,
    on_event: OnEvent = silent,
    executor: Executor | None = None,
) -> list[TrainedModel]:
    """The models in the same order, found or trained; the first error ends it."""
    if executor is None or isinstance(executor, Local):  # the data set need not have a name
        return [ensure(root, data, work, on_event) for root in wanted]
    made = {}
    for grown in grow(wanted, data, work, on_event, executor):
        if grown.error is not None:
            raise grown.error
        made[grown.wanted] = grown.model
    return [model for root in wanted if (model := made[root]) is not None]


def grow(
    wanted: Iterable[Wanted], data: Dataset, work: Path, on_event: OnEvent, executor: Executor
) -> Iterator[Grown]:
    """Each model as soon as it is there; one that fails takes along what is made from it, and nothing else.

    A sequence is known from the start. Any other ``wanted`` is asked for its next model only while fewer are
    on the way than run at once, so it may decide by those that it was given until then.
    """
    with executor.open(on_event) as lanes:
        forest = _Forest(data, work, on_event, lanes)
        asked = iter(wanted)
        more = True
        while True:
            while more and (isinstance(wanted, Sequence) or len(forest.roots) < executor.slots):
                root = next(asked, None)
                more = root is not None
                if root is not None:
                    forest.plant(root)
            forest.start_ready()
            done = forest.take()
            yield from done
            if not forest.roots and not more:
                return
            if not done:
                forest.wait()


class _Forest:
    """Trees of models, some made, some being trained, some waiting for their parts or for a lane."""

    def __init__(self, data: Dataset, work: Path, on_event: OnEvent, lanes: Lanes) -> None:
        self._data, self._work, self._on_event, self._lanes = data, work, on_event, lanes
        self._source = DataSource.of(data, work)
        self.roots: list[Wanted] = []
        self._waiting: list[Wanted] = []
        self._plans: dict[Wanted, Plan] = {}
        self._running: dict[int, Wanted] = {}
        self._made: dict[Wanted, TrainedModel] = {}
        self._failed: dict[Wanted, Exception] = {}
        self._ruined: dict[Path, Exception] = {}
        """By folder: another tree may want the same model."""

    def plant(self, root: Wanted) -> None:
        self.roots.append(root)
        self._waiting += in_order(root)

    def take(self) -> list[Grown]:
        """The roots that are done with, once."""
        done = [root for root in self.roots if root in self._made or root in self._failed]
        self.roots = [root for root in self.roots if root not in done]
        return [Grown(root, self._made.get(root), self._failed.get(root)) for root in done]

    def start_ready(self) -> None:
        """Find what is there and start what can be trained now, in the order in which it was planted."""
        for node in list(self._waiting):
            try:
                moved_on = self._move_on(node)
            except RecPressError as error:
                self._failed[node] = error
                moved_on = True
            if moved_on:
                self._waiting.remove(node)

    def _move_on(self, node: Wanted) -> bool:
        """Whether the model is found, failed or being trained."""
        for part in node.parts:
            if isinstance(part, Wanted) and part in self._failed:
                self._failed[node] = self._failed[part]
                return True
        if not is_ready(node, self._made):
            return False
        if node not in self._plans:
            self._plans[node] = plan_model(node, self._made, self._data, self._work)
        plan = self._plans[node]
        if plan.folder in self._ruined:
            self._failed[node] = self._ruined[plan.folder]
            return True
        if plan.folder in [self._plans[other].folder for other in self._running.values()]:
            return False
        if is_found(plan):
            self._made[node] = find_or_train(plan, self._data, self._on_event)
            return True
        if not self._lanes.free:
            return False
        self._running[self._lanes.start(TrainJob.of(plan, self._source))] = node
        return True

    def wait(self) -> None:
        """Wait until one of those in training ends."""
        done = self._lanes.next()
        node = self._running.pop(done.ticket)
        plan = self._plans[node]
        if done.error is None:
            self._made[node] = made_model(plan)
            for left in plan.folder.glob("*checkpoint*"):  # of a run here that another machine finished
                left.unlink(missing_ok=True)
        else:
            self._failed[node] = self._ruined[plan.folder] = done.error


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data set of a work folder, or its train and validation parts joined, by name and digests."""

    name: str
    digests: tuple[str | None, ...]
    work: Path

    @classmethod
    def of(cls, data: Dataset, work: Path) -> Self:
        return cls(data.name, _digests(data), work)

    def load(self) -> Dataset:
        """The data set; another one of the name is an :class:`ArtifactError`."""
        data = resolve.load_dataset(self.name, self.work)
        if not self._is(data):
            data = joined(data)
        if self._is(data):
            return data
        raise ArtifactError(
            f"data set {self.name!r} in {self.work} is not the one that was asked for: its digest differs. "
            "Was it imported again meanwhile? Run the command again."
        )

    def _is(self, data: Dataset) -> bool:
        return _digests(data) == self.digests


def _digests(data: Dataset) -> tuple[str | None, ...]:
    """Of all that a model may learn from."""
    return data.digest(), data.order_digest(), data.weights_digest(), *data.click_digests().values()


@functools.lru_cache(maxsize=1)
def _loaded(source: DataSource) -> Dataset:
    """In a process that trains several models on one data set it is read once."""
    return source.load()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob:
    """Trains one model whose parts are there."""

    wanted: Wanted
    """Without its parts and its method's settings."""
    config: Mapping[str, Any]
    """Those settings; classes that are made while the program runs, or by a plugin, cannot be sent."""
    teacher: Path | None
    members: tuple[Path, ...]
    stages: tuple[Path, ...]
    start: Path | None
    key: str
    folder: str
    """Its name below ``models``."""
    source: DataSource

    @classmethod
    def of(cls, plan: Plan, source: DataSource) -> Self:
        parts, config = plan.parts, plan.wanted.config
        return cls(
            wanted=replace(plan.wanted, config=None, teacher=None, members=(), stages=(), start=None),
            config={field.name: getattr(config, field.name) for field in fields(config)},
            teacher=parts.teacher.folder if parts.teacher else None,
            members=tuple(member.folder for member in parts.members),
            stages=tuple(stage.folder for stage in parts.stages),
            start=parts.start.folder if parts.start else None,
            key=plan.key,
            folder=plan.folder.name,
            source=source,
        )

    def __str__(self) -> str:
        return f"{self.wanted.name} seed {self.wanted.seed}"

    @property
    def work(self) -> Path:
        return self.source.work

    @property
    def data_folder(self) -> Path | None:
        return stored_path(self.work, self.source.name)

    @property
    def model_folders(self) -> tuple[Path, ...]:
        folders = (self.teacher, self.start, *self.members, *self.stages)
        return tuple(folder for folder in folders if folder is not None)

    def moved(self, work: Path, where: Mapping[Path, Path]) -> Self:
        return replace(
            self,
            teacher=where[self.teacher] if self.teacher else None,
            members=tuple(where[member] for member in self.members),
            stages=tuple(where[stage] for stage in self.stages),
            start=where[self.start] if self.start else None,
            source=replace(self.source, work=work),
        )

    def made(self, result: str) -> Path:
        return self.work / "models" / result

    def run(self, on_event: OnEvent = silent) -> str:
        """The name of the model's folder; trained now, or by another process meanwhile."""
        for name in (self.wanted.name, *self.wanted.name.members):
            load_installed(name.method)
        parts = Parts(
            teacher=load_model(self.teacher) if self.teacher else None,
            members=tuple(map(load_model, self.members)),
            stages=tuple(map(load_model, self.stages)),
            start=load_model(self.start) if self.start else None,
        )
        wanted = replace(self.wanted, config=self.wanted.name.entry.config(**self.config))
        plan = Plan(wanted, parts, self.key, self.made(self.folder))
        return find_or_train(plan, _loaded(self.source), on_event).folder.name
