"""Students × formats × recipes: one status each, past every failure."""

import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.formats import FORMATS, format_named
from recpress_edge.artifacts.model_folder import MODEL_FACTS
from recpress_edge.artifacts.recipes import RECIPES, recipe_named
from recpress_edge.core.errors import (
    ArtifactError,
    ConfigError,
    GateError,
    MissingExtraError,
    RecPressError,
)
from recpress_edge.core.files import read_json
from recpress_edge.core.metrics import shown_metrics
from recpress_edge.core.progress import Event, OnEvent, Trouble, silent
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import SYNTHETIC
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.executor import Executor, Local
from recpress_edge.jobs.export import ExportRequest, ExportResult
from recpress_edge.training.ensure import plan_steps
from recpress_edge.training.plan import ModelRequest, TrainOptions, is_folder
from recpress_edge.training.store import is_complete
from recpress_export.networks.recipes import NETWORK_RECIPES, choose_recipe
from recpress_export.networks.student import network_kind

DONE: Final = "done"
UNCHANGED: Final = "unchanged"
BELOW_GATE: Final = "below gate"
NOT_SUPPORTED: Final = "not supported"
FAILED: Final = "failed"
PLANNED: Final = "would write"
OTHER_SETTINGS: Final = "not the usual settings"


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
    """Names or model folders; None for every trained student of the data set."""
    formats: tuple[str, ...] = tuple(FORMATS)
    recipes: tuple[str, ...] | None = None
    """None: each student takes all of its family."""
    seed: int | None = None
    """None: 0 for names, every seed of the students that are trained, that of a model folder."""
    data: str | None = None
    """None: the synthetic set, or that of a model folder."""
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
        """Export each combination; :class:`RowEvent` says what became of it. Only an interrupt ends it."""
        return self._result(on_event, executor or Local(), dry_run=False)

    def _result(self, on_event: OnEvent, executor: Executor, *, dry_run: bool) -> SweepResult:
        formats, recipes = self._checked()
        students, left_out = self._students(on_event)
        combinations = [
            RowRequest(replace(student, format=file_format, recipe=recipe), dry_run=dry_run)
            for student in students
            for own in [NETWORK_RECIPES if _network_of(student) else RECIPES]
            for file_format in formats
            for recipe in recipes or own
        ]
        rows = []
        for row in executor.run(combinations, on_event):
            on_event(RowEvent(row))
            rows.append(row)
        return SweepResult(tuple(rows), tuple(left_out), dry_run)

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
            raise ConfigError(
                f"no student of data set {name!r} is trained in {models}. "
                "Name some with --students htd_dim10,soft_dim10 (they will be trained), or give --data."
            )
        return students, left_out

    def _student(self, name: str, seed: int | None) -> ExportRequest:
        """A name with a typing error ends the sweep before it starts."""
        return ExportRequest(
            student=name if is_folder(name) else str(parse_name(name)),
            seed=seed,
            data=self.data,
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
        cutoff=parity.cutoff,
        metrics={name: parity.metrics_after[name] for name in shown_metrics(parity.cutoff)},
        overlap=parity.overlap[f"overlap@{parity.cutoff}"].mean,
    )


def trained_students(data: Dataset, work: Path) -> tuple[list[tuple[str, int]], list[str]]:
    """Completed students of a data set with the usual settings, by name and seed; and what else is there.

    A model without a teacher that another was distilled from counts as a teacher, not as a student.
    """
    facts: dict[Path, dict[str, Any]] = {}
    left_out = []
    for folder in filter(is_complete, sorted((work / "models").glob("*/"))):
        try:
            facts[folder] = read_json(folder / MODEL_FACTS)
        except ArtifactError as error:
            left_out.append(f"{folder.name}: {error}")
    ours = {f: m for f, m in facts.items() if m.get("dataset", {}).get("digest") == data.digest()}
    teachers = {(m.get("teacher") or {}).get("sha256") for m in ours.values()}
    students = []
    for folder, known in ours.items():
        name, seed = str(known.get("name")), int(known.get("seed", 0))
        if not known.get("teacher") and known.get("sha256") in teachers:
            left_out.append(f"{folder.name}: a teacher; name it with --students to export it")
        elif _usual_folder(name, seed, data, work) == folder:
            students.append((name, seed))
        else:
            left_out.append(f"{folder.name}: {OTHER_SETTINGS}; export --student {folder}")
    return sorted(students, key=lambda student: (_natural(student[0]), student[1])), left_out


def _natural(name: str) -> tuple[str, int]:
    """soft_dim20 before soft_dim100."""
    stem, _, dim = name.partition("_dim")
    return stem, int(dim) if dim.isdecimal() else 0


def _usual_folder(name: str, seed: int, data: Dataset, work: Path) -> Path | None:
    """Where the model of that name is with the usual settings; None where it would be trained."""
    try:
        step = plan_steps(
            ModelRequest(name=name, role="student", seed=seed, options=TrainOptions()), data, work
        )[-1]
    except RecPressError:
        return None
    return step.folder if step.action == "cached" else None
