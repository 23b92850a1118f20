"""One try: a model trained by name and settings in the shared work folder, judged on validation as stored.

A try is a request that any executor runs with the same result. What came of it is kept below ``tune/trials``
by whoever asked: a search that goes on finds it there.
"""

import contextlib
import dataclasses
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self

from recpress_edge.artifacts.model_folder import MODEL_FACTS
from recpress_edge.core.config import load_config
from recpress_edge.core.errors import ArtifactError, RecPressError
from recpress_edge.core.files import digest_of, read_json
from recpress_edge.core.metrics import worth
from recpress_edge.core.progress import Event, OnEvent, TrainingEvent, Trouble, silent
from recpress_edge.data.holdout import dataset_cutoff
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.store import stored_path
from recpress_edge.distill.methods import Role
from recpress_edge.jobs.data import load_data
from recpress_edge.models.outputs import Tables
from recpress_edge.records.search import taught_name
from recpress_edge.training.ensure import find_or_train
from recpress_edge.training.plan import ModelRequest, Plan, TrainOptions, plan_model, want

TRIALS: Final = Path("tune/trials")
Kind = Literal["teacher", "baseline", "student"]
State = Literal["done", "pruned", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneTrial:
    """What came of one try."""

    kind: Kind
    name: str
    teacher: str | None = None
    """Folder of the teacher below ``models``."""
    recipe: str | None = None
    """None for a teacher, which is not stored small."""
    settings: Mapping[str, Any]
    """Of the method, that differ from its defaults, and those that validation chose."""
    state: State
    reason: str | None = None
    """Why, where it is not done."""
    folder: str | None = None
    """Of the model, below ``models``."""
    file_bytes: int | None = None
    """Of its model file in the recipe."""
    valid: Mapping[str, float | None] | None = None
    """Validation metrics of the tables as the recipe stores them."""
    worth: float | None = None
    """What is maximised: ``core.metrics.worth`` of ``valid``."""
    chosen_epoch: int | None = None
    curve: tuple[tuple[int, float], ...] = ()
    """Epoch and worth of each validation while it trained, before any rounding."""
    seconds: float = 0.0
    """Of training, however often it was interrupted."""
    cpu_seconds: float = 0.0
    """Of this process: training where it was not found, loading and validation."""

    @property
    def label(self) -> str:
        """'soft_dim21 of ease, int8-dim'."""
        return ", ".join(filter(None, (self.taught, self.recipe)))

    @property
    def taught(self) -> str:
        """'soft_dim21 of ease'."""
        return taught_name(self.name, self.teacher)

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return dataclasses.asdict(self)

    @staticmethod
    def of(facts: Mapping[str, Any]) -> "TuneTrial":
        """From its JSON; ArtifactError where that is of something else."""
        try:
            curve = tuple((int(epoch), float(value)) for epoch, value in facts["curve"])
            known = {name: value for name, value in facts.items() if value is not None}
            return load_config(TuneTrial, {**known, "curve": curve}, "trial")
        except (RecPressError, KeyError, TypeError, ValueError) as error:
            raise ArtifactError(f"it is no trial of this version: {error}") from None


def kept_trial(where: Path) -> TuneTrial | None:
    """What came of a try before; None where it is not known, or by another version."""
    with contextlib.suppress(ArtifactError):
        return TuneTrial.of(read_json(where))
    return None


class _PrunedError(Exception):
    """Raised out of an epoch: what others had by then is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest:
    """A model to try."""

    kind: Kind
    name: str
    data: str
    digest: str
    """Of the data set."""
    choose_by: str
    work: Path
    teacher: str | None = None
    """Folder below ``models``, or ``none``; None for a model that learns alone."""
    members: tuple[str, ...] = ()
    """Folders below ``models`` of an ensemble's members."""
    recipe: str | None = None
    method: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    file_bytes: int | None = None
    stop_below: tuple[tuple[int, float], ...] = ()
    """Epoch and what a student must have reached by then; else it is pruned."""
    device: str = "cpu"
    threads: int = 1

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, self.name, self.recipe)))

    @property
    def data_folder(self) -> Path | None:
        return stored_path(self.work, self.data)

    @property
    def model_folders(self) -> tuple[Path, ...]:
        teacher = () if self.teacher in (None, "none") else (str(self.teacher),)
        return tuple(self.work / "models" / name for name in (*teacher, *self.members))

    def moved(self, work: Path, where: Mapping[Path, Path]) -> Self:
        """In another work folder, where models have the same names."""
        return dataclasses.replace(self, work=work)

    def made(self, result: TuneTrial) -> Path | None:
        return None if result.folder is None else self.work / "models" / result.folder

    def file(self, data: Dataset) -> Path:
        """Where what comes of it is kept: named by all that decides it; RecPressError where it cannot be."""
        key = digest_of(
            [
                self._plan(data).key,
                *(self.kind, self.recipe, self.choose_by, self.stop_below, self.file_bytes),
            ]
        )
        return self.work / TRIALS / f"{self.name.partition(':')[0]}-{key[:12]}.json"

    def run(self, on_event: OnEvent = silent) -> TuneTrial:
        """Train or find the model and judge it; nothing else is written. Only an interrupt is raised."""
        started = time.process_time()
        try:
            data = load_data(self.data, self.work, on_event)
            if data.digest() != self.digest:
                return self._trial("failed", reason=f"data set {data.name!r} was imported again meanwhile")
            trial = self._judged(self._plan(data), data, on_event)
        except RecPressError as error:
            trial = self._trial("failed", reason=str(error))
        except MemoryError:
            trial = self._trial("failed", reason="memory ran out")
        except Exception as error:  # a mistake of ours in one try must not cost the others
            on_event(Trouble(traceback.format_exc()))
            trial = self._trial("failed", reason=f"internal error: {type(error).__name__}: {error}")
        return dataclasses.replace(trial, cpu_seconds=round(time.process_time() - started, 3))

    def _plan(self, data: Dataset) -> Plan:
        """Everything that it is made from is given by its folder."""
        return plan_model(want(self._model(), data), {}, data, self.work)

    def _model(self) -> ModelRequest:
        def path(name: str) -> str:
            return str(self.work / "models" / name)

        role: Role = "teacher" if self.kind == "teacher" else "student"
        teacher = path(self.teacher) if self.teacher not in (None, "none") else self.teacher
        options = TrainOptions(
            teacher=teacher,
            members=tuple(map(path, self.members)),
            device=self.device,
            threads=self.threads,
            method=self.method,
            training=self.training,
        )
        return ModelRequest(name=self.name, role=role, seed=self.seed, options=options)

    def _judged(self, plan: Plan, data: Dataset, on_event: OnEvent) -> TuneTrial:
        # torch from here on
        from recpress_edge.training.checkpoint import CheckpointStore
        from recpress_edge.training.record import stored_metrics
        from recpress_edge.training.run import use_compute

        use_compute(self.device, self.threads)
        cutoff, store = dataset_cutoff(data), CheckpointStore(plan.folder, plan.key)
        before = store.load() if not (plan.folder / MODEL_FACTS).exists() else None
        history = list(before.state["history"]) if before else []
        seconds = 0.0

        def watch(event: Event) -> None:
            nonlocal seconds
            on_event(event)
            if isinstance(event, TrainingEvent) and event.kind == "epoch" and event.metrics:
                seconds = event.seconds
                history.append({"epoch": event.epoch, "valid": event.metrics})
                self._check(self._curve(history, cutoff))

        try:
            model = find_or_train(plan, data, watch)
        except _PrunedError:
            store.clear()
            curve, reason = self._curve(history, cutoff), f"behind after {history[-1]['epoch']} epochs"
            return self._trial("pruned", reason=reason, curve=curve, seconds=seconds)
        known = model.metadata
        valid = known["metrics"]["valid"]
        if self.recipe is not None:
            tables = Tables(model.user_emb, model.item_emb)
            valid = stored_metrics(tables, self.recipe, data, "valid").means()
        done = self._trial(
            "done",
            folder=plan.folder.name,
            valid=valid,
            worth=worth(valid, cutoff, self.choose_by)[0],
            chosen_epoch=known["chosen_epoch"],
            curve=self._curve(known["history"], cutoff),
            seconds=known["seconds"],
        )
        return dataclasses.replace(done, settings={**self.method, **known.get("chosen_settings", {})})

    def _curve(self, history: list[dict[str, Any]], cutoff: int) -> tuple[tuple[int, float], ...]:
        return tuple(
            (int(entry["epoch"]), worth(entry["valid"], cutoff, self.choose_by)[0]) for entry in history
        )

    def _check(self, curve: tuple[tuple[int, float], ...]) -> None:
        needed = dict(self.stop_below).get(curve[-1][0])
        if needed is not None and max(value for _, value in curve) < needed:
            raise _PrunedError

    def _trial(self, state: State, **more: Any) -> TuneTrial:
        return TuneTrial(
            kind=self.kind,
            name=self.name,
            teacher=self.teacher,
            recipe=self.recipe,
            settings=dict(self.method),
            state=state,
            file_bytes=self.file_bytes,
            **more,
        )
