"""Students × formats × recipes: one status each, past every failure."""

import contextlib
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.formats import MODEL_FORMATS, format_named
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.core.errors import (
    ArtifactError,
    ConfigError,
    GateError,
    MissingExtraError,
    RecPressError,
)
from recpress_edge.core.metrics import shown_metrics
from recpress_edge.core.progress import Event, OnEvent, Trouble, silent
from recpress_edge.data.resolve import SYNTHETIC
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.executor import Executor, Local
from recpress_edge.jobs.export import ExportRequest, ExportResult
from recpress_edge.jobs.forest import grow
from recpress_edge.jobs.plugins import with_plugins
from recpress_edge.jobs.train import warning_of_ensembles
from recpress_edge.jobs.trained import OTHER_SETTINGS, baselines_beside, trained_students
from recpress_edge.training.plan import Wanted, is_folder, want
from recpress_export.networks.recipes import NETWORK_RECIPES, choose_recipe, recipes_of
from recpress_export.networks.student import network_kind

DONE: Final = "done"
UNCHANGED: Final = "unchanged"
BELOW_GATE: Final = "below gate"
NOT_SUPPORTED: Final = "not supported"
FAILED: Final = "failed"
PLANNED: Final = "would write"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRow:
    """What became of one combination."""

    student: str
    seed: int
    format: str
    recipe: str
    status: str
    reason: str | None = None
    """Why, where it is neither done nor unchanged."""
    bundle: str | None = None
    sha256: str | None = None
    file_bytes: int | None = None
    bundle_bytes: int | None = None
    """Of every file that the bundle lists."""
    cutoff: int | None = None
    """The K that judges, of the two that follow."""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """Of the file, on the validation users: those that every table shows."""
    overlap: float | None = None


@dataclass(frozen=True, slots=True)
class RowEvent(Event):
    """A combination is finished."""

    row: SweepRow


@dataclass(frozen=True, slots=True)
class SweepResult:
    """Every combination, and in words which models of the work folder were left out."""

    rows: tuple[SweepRow, ...]
    left_out: tuple[str, ...]
    dry_run: bool = False

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each status."""
        return dict(Counter(row.status for row in self.rows))

    @property
    def exit_code(self) -> int:
        """0: all that is supported is done; 3: some are below the gate; 1: some failed, or nothing is."""
        if FAILED in self.counts or set(self.counts) == {NOT_SUPPORTED}:
            return 1
        return GateError.exit_code if BELOW_GATE in self.counts else 0

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            **({"dry_run": True} if self.dry_run else {}),
            "rows": [asdict(row) for row in self.rows],
            "counts": self.counts,
            "left_out": list(self.left_out),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest:
    """``recpress-edge export --all``."""

    students: tuple[str, ...] | None = None
    """Names or model folders; None for every trained student of the data set, and a baseline of each size."""
    formats: tuple[str, ...] = MODEL_FORMATS
    """Those that have a model file of their own, unless others are named."""
    recipes: tuple[str, ...] | None = None
    """None: each student takes all of its family."""
    seed: int | None = None
    """None: 0 for names, every seed of the students that are trained, that of a model folder."""
    data: str | None = None
    """None: the synthetic set, or that of a model folder."""
    plugin: tuple[str, ...] = ()
    """Python files that bring methods of one's own."""
    titles: Path | None = None
    item_features: tuple[str, ...] = ()
    force: bool = False
    device: str = "cpu"
    threads: int = 1
    work: Path = Path()

    def plan(self, on_event: OnEvent = silent) -> SweepResult:
        """What :meth:`run` would write; nothing is written."""
        return self._result(on_event, Local(), dry_run=True)

    def run(self, on_event: OnEvent = silent, executor: Executor | None = None) -> SweepResult:
        """Export each combination; :class:`RowEvent` says what became of it. Only an interrupt ends it.

        Where several run at once, missing models are trained first; bundles are written on this machine.
        """
        return self._result(on_event, executor or Local(), dry_run=False)

    def _result(self, on_event: OnEvent, executor: Executor, *, dry_run: bool) -> SweepResult:
        formats, recipes = self._checked()
        with with_plugins(self.plugin, self.work):
            students, left_out = self._students(on_event)
            failed = {} if isinstance(executor, Local) else self._train(students, on_event, executor)
        combinations = [
            RowRequest(
                replace(student, format=file_format, recipe=recipe),
                dry_run=dry_run,
                failed=failed.get(student),
            )
            for student in students
            for own in [recipes_of(_network_of(student))]
            for file_format in formats
            for recipe in recipes or own
        ]
        rows = []
        for row in executor.here.run(combinations, on_event):
            on_event(RowEvent(row))
            rows.append(row)
        return SweepResult(tuple(rows), tuple(left_out), dry_run)

    def _train(
        self, students: Sequence[ExportRequest], on_event: OnEvent, executor: Executor
    ) -> dict[ExportRequest, Exception]:
        """Make the models that are given by name; those that fail, with why.

        Wrong usage is left to the rows.
        """
        wanted: dict[Wanted, ExportRequest] = {}
        data = None
        for student in students:
            with contextlib.suppress(RecPressError):
                plan = student.check(target=False)
                if plan.student.folder is None:
                    data = data or load_data(plan.student.data, self.work, on_event)
                    wanted[want(plan.model, data)] = student
        if data is None:
            return {}
        grown = grow(list(wanted), data, self.work, warning_of_ensembles(on_event), executor)
        return {wanted[made.wanted]: made.error for made in grown if made.error is not None}

    def _checked(self) -> tuple[list[str], list[str] | None]:
        """Formats and recipes, by their proper names, each once."""
        for flag in ("students", "formats", "recipes"):
            if getattr(self, flag) == ():
                raise ConfigError(f"{flag} names none: a sweep of nothing. Name some, or leave it out.")
        for name in self.formats:
            format_named(name)
        if self.recipes is None:
            return list(dict.fromkeys(self.formats)), None
        recipes = [name if name in NETWORK_RECIPES else recipe_named(name).name for name in self.recipes]
        return list(dict.fromkeys(self.formats)), list(dict.fromkeys(recipes))

    def _students(self, on_event: OnEvent) -> tuple[list[ExportRequest], list[str]]:
        """The students to export, and in words which models of the work folder are not among them."""
        if self.students is not None:
            return [self._student(name, self.seed) for name in dict.fromkeys(self.students)], []
        name, models = SYNTHETIC if self.data is None else self.data, self.work / "models"
        data = load_data(name, self.work, on_event)
        found, left_out = trained_students(data, self.work)
        students = [self._student(name, seed) for name, seed in found if self.seed in (None, seed)]
        others = [why for why in left_out if OTHER_SETTINGS in why]
        if not students and others:
            folders = ",".join(str(models / why.partition(":")[0]) for why in others)
            raise ConfigError(
                f"no student of data set {name!r} is trained with the usual settings in {models}, but "
                f"{len(others)} with others. Name them by their folders: --students {folders}"
            )
        if not students:
            missing = "".join(f" {why}." for why in left_out if "--plugin" in why)
            raise ConfigError(
                f"no student of data set {name!r} is trained in {models}.{missing} "
                "Name some with --students htd_dim10,soft_dim10 (they will be trained), or give --data."
            )
        beside = baselines_beside([student.student for student in students], data, self.work)
        return [*students, *(self._student(name, 0) for name in beside)], left_out

    def _student(self, name: str, seed: int | None) -> ExportRequest:
        """A name with a typing error ends the sweep before it starts."""
        return ExportRequest(
            student=name if is_folder(name) else str(parse_name(name)),
            seed=seed,
            data=self.data,
            plugin=self.plugin,
            titles=self.titles,
            item_features=self.item_features,
            force=self.force,
            device=self.device,
            threads=self.threads,
            work=self.work,
        )


@dataclass(frozen=True, slots=True)
class RowRequest:
    """One combination of a sweep: what an export would raise becomes the row's status."""

    export: ExportRequest
    dry_run: bool
    failed: Exception | None = None
    """Why its model is not there."""

    def __str__(self) -> str:
        asked = self.export
        return f"{asked.student} seed {asked.seed or 0} {asked.format} {asked.recipe}"

    def run(self, on_event: OnEvent = silent) -> SweepRow:
        """Export, or plan it. Only an interrupt is raised."""
        asked, recipe = self.export, str(self.export.recipe)
        row = SweepRow(
            student=Path(asked.student).name,
            seed=asked.seed or 0,
            format=asked.format,
            recipe=recipe,
            status=FAILED,
        )
        try:
            choose_recipe(_network_of(asked), recipe, asked.format, int8=False)
        except ConfigError as error:
            return replace(row, status=NOT_SUPPORTED, reason=str(error))
        try:
            plan = asked.check(target=not self.dry_run)
            row = replace(row, student=plan.student.name, seed=plan.student.seed)
            _raise_if(self.failed)
            if not self.dry_run:
                return _made(row, plan.run(on_event))
            missing = [step.name for step in plan.steps(on_event) if step.action != "cached"]
            first = f"trains {', '.join(missing)} first" if missing else None
            return replace(row, status=PLANNED, reason=first, bundle=str(plan.target))
        except MissingExtraError as error:
            return replace(row, status=NOT_SUPPORTED, reason=str(error))
        except GateError as error:
            return replace(row, status=BELOW_GATE, reason=str(error))
        except RecPressError as error:
            return replace(row, reason=str(error))
        except ImportError as error:
            return replace(row, reason=f"it needs the package {error.name}; see recpress-edge doctor")
        except Exception as error:  # a mistake of ours in one export must not cost the others
            on_event(Trouble(traceback.format_exc()))
            return replace(row, reason=f"internal error: {type(error).__name__}: {error}")


def _raise_if(error: Exception | None) -> None:
    if error is not None:
        raise error


def _network_of(asked: ExportRequest) -> str | None:
    """The network that a student is; None for two tables, and for a folder that cannot be read."""
    if not is_folder(asked.student):
        return parse_name(asked.student).entry.network
    try:
        return network_kind(Path(asked.student))
    except ArtifactError:
        return None


def _made(row: SweepRow, result: ExportResult) -> SweepRow:
    bundle, parity = result.exported.bundle, result.exported.parity
    gate = bundle.quality["parity"]["gate"]
    return replace(
        row,
        status=UNCHANGED if result.exported.unchanged else DONE,
        reason=f"overruled by --force: {gate['failure']}" if gate["overruled"] else None,
        bundle=str(bundle.folder),
        sha256=bundle.digest,
        file_bytes=bundle.model_bytes,
        bundle_bytes=bundle.total_bytes,
        cutoff=parity.cutoff,
        metrics={name: parity.metrics_after.get(name) for name in shown_metrics(parity.cutoff)},
        overlap=parity.overlap[f"overlap@{parity.cutoff}"].mean,
    )
