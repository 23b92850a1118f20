"""``recpress-edge tune``: from a log and a budget to the bundle to ship."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from recpress_edge.artifacts import formats
from recpress_edge.artifacts.contract import ALL_USERS
from recpress_edge.artifacts.formats import DEFAULT, format_named
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.core.errors import ConfigError, GateError, RecPressError, unknown_name
from recpress_edge.core.files import digest_of
from recpress_edge.core.metrics import BALANCED, CHOICES, shown_metrics
from recpress_edge.core.progress import Note, OnEvent, silent
from recpress_edge.data.everything import check_name_free, everything, store_everything
from recpress_edge.data.holdout import dataset_cutoff
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import SYNTHETIC
from recpress_edge.device.c.footprint import ANY_FLASH, Footprint, file_bytes_within
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.executor import Executor, Local
from recpress_edge.jobs.plugins import with_plugins
from recpress_edge.jobs.tune.bench import Gauge
from recpress_edge.jobs.tune.budget import FileKind, TableShape, widest_shapes, within_ram
from recpress_edge.jobs.tune.diary import Diary, best_of, fitting
from recpress_edge.jobs.tune.space import STUDENT, TEACHERS, fixed_settings
from recpress_edge.jobs.tune.trial import TuneTrial
from recpress_edge.records.baseline_methods import BASELINES, PLAIN_BASELINES, TAUGHT_BASELINE
from recpress_export.profiles import check_profile, profile_name
from recpress_export.student import bundle_name


@dataclass(frozen=True, slots=True)
class TunePlan:
    """What a search would try."""

    shapes: tuple[tuple[TableShape, int], ...]
    """With the bytes of a student's file."""
    baselines: tuple[str, ...]
    teachers: tuple[str, ...]
    trials: int
    hours: float
    folder: Path
    needs: tuple[Footprint, ...] = ()
    """Of each shape, where flash or RAM are limited: computed."""

    def facts(self) -> dict[str, Any]:
        """What ``--dry-run --json`` prints."""
        needs = [asdict(one) for one in self.needs] or [{}] * len(self.shapes)
        return {
            "dry_run": True,
            "shapes": [
                {**asdict(shape), "file_bytes": size, **need}
                for (shape, size), need in zip(self.shapes, needs, strict=True)
            ],
            "baselines": list(self.baselines),
            "teachers": list(self.teachers),
            "trials": self.trials,
            "hours": self.hours,
            "folder": str(self.folder),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneResult:
    """What was tried and chosen, and where it is."""

    trials: tuple[TuneTrial, ...]
    chosen: TuneTrial
    cutoff: int
    tested: Mapping[str, Mapping[str, float | None]]
    """Test metrics by label: of the chosen, the best student and the best baseline."""
    verdict: "Any"
    """TuneVerdict of the best student against the best baseline."""
    bundle: Path
    records: tuple[Path, ...]
    """Of the bench, where it measured."""
    final: Path | None
    """The bundle of the same recipe trained on everything."""
    tune_file: Path
    hours_spent: float
    facts_: Mapping[str, Any]

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints: the file tune.json."""
        return dict(self.facts_)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRequest:
    """``recpress-edge tune``."""

    max_bytes: int
    """Of the model file."""
    data: str = SYNTHETIC
    max_p95_ns: int | None = None
    max_flash: int | None = None
    """Of a microcontroller, in bytes: code, as measured of other models, and the file. Format c alone."""
    max_ram: int | None = None
    """Of a microcontroller, in bytes: computed for lists of 10."""
    on: str | None = None
    """Where the bundle is measured; None: nowhere, with ``max_p95_ns`` on this machine."""
    hours: float = 2.0
    """No round begins that would end later, by the forecast; what is needed for a first round always runs."""
    trials: int = 40
    """Students at most."""
    seed: int = 0
    choose_by: str = BALANCED
    recipes: tuple[str, ...] = ("int8-dim", "int4-item")
    format: str = DEFAULT
    profile: str = ALL_USERS
    user: str | None = None
    teachers: tuple[str, ...] = TEACHERS
    set: tuple[str, ...] = ()
    """Settings of every student, ``method.top_items=100``: what is given is not searched."""
    plugin: tuple[str, ...] = ()
    """Python files that bring methods of one's own, as teachers."""
    final: bool = False
    """Then train what was chosen on everything."""
    device: str = "cpu"
    threads: int = 1
    work: Path = Path()

    def plan(self, on_event: OnEvent = silent) -> TunePlan:
        """What :meth:`run` tries; nothing is written."""
        with with_plugins(self.plugin, self.work):
            kind = self._checked(on_event)
        shapes = self._shapes(kind)
        limited = self.max_flash is not None or self.max_ram is not None
        needs = [kind.needs_of(shape, STUDENT, self.seed) for shape in shapes if limited]
        return TunePlan(
            tuple((shape, kind.bytes_of(shape, STUDENT, self.seed)) for shape in shapes),
            BASELINES,
            self.teachers,
            self.trials,
            self.hours,
            self._folder(kind.data),
            tuple(needs),
        )

    def run(self, on_event: OnEvent = silent, executor: Executor | None = None) -> TuneResult:
        """Search, test what was chosen once, and export it. The same request goes on where it was stopped."""
        with with_plugins(self.plugin, self.work):
            return self._run(on_event, executor or Local())

    def _run(self, on_event: OnEvent, executor: Executor) -> TuneResult:
        from recpress_edge.jobs.tune.run import Bounds, Tuning  # Optuna

        kind = self._checked(on_event)
        shapes = self._shapes(kind)
        diary = Diary(self._folder(kind.data), self._asked(), self.trials, 3600 * self.hours, on_event)
        diary.open()
        diary.more["shown"] = list(shown_metrics(dataset_cutoff(kind.data)))
        bounds = Bounds(
            data=self.data,
            digest=kind.data.digest(),
            choose_by=self.choose_by,
            fixed=fixed_settings(self.set),
            seed=self.seed,
            work=self.work,
            device=self.device,
            threads=self.threads,
        )
        tuning = Tuning(bounds=bounds, kind=kind, diary=diary, executor=executor, on_event=on_event)
        gauge = self._gauge()
        if gauge and gauge.max_p95_ns is not None:
            shapes = tuning.fast_enough(shapes, gauge)
        tuning.plain_baselines(shapes)
        teachers = tuning.teachers(self.teachers)
        tuning.taught_baselines(shapes, teachers)
        tuning.students(shapes, teachers)
        return self._ended(tuning, gauge)

    def _checked(self, on_event: OnEvent) -> FileKind:
        """Everything that can be refused before anything is trained."""
        for name in ("max_bytes", "max_flash", "max_ram", "trials"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(f"--{name.replace('_', '-')} must be at least 1, got {value}")
        if not self.hours > 0:
            raise ConfigError(f"--hours must be above 0, got {self.hours:g}")
        if self.max_flash is not None:
            file_bytes_within(self.max_flash)
        if self.max_p95_ns is not None and self.max_p95_ns <= 0:
            raise ConfigError("--max-p95 must be above 0: no query takes less")
        if self.choose_by not in CHOICES:
            raise unknown_name("choose-by", self.choose_by, CHOICES)
        fixed_settings(self.set)
        for teacher in self.teachers:
            parse_name(teacher, "teacher")
        if not self.recipes or not self.teachers:
            raise ConfigError(
                "--recipes and --teachers name one at least. Leave them out for the usual ones."
            )
        format_named(self.format)
        formats.writer_of(self.format)
        formats.files_of(self.format)
        check_profile(self.profile, self.user)
        self._gauge()
        data = load_data(self.data, self.work, on_event)
        if self.final:
            check_name_free(data, self.work)
        for split in ("valid", "test"):
            if not len(getattr(data, split)):
                raise ConfigError(
                    f"data set {data.name!r} has no {split} split: settings are chosen on validation and "
                    "reported on test. Import it again with --split ratio:80/10/10 or loo-time."
                )
        return FileKind(data, self.format, self.profile, self.user)

    def _gauge(self) -> Gauge | None:
        if self.on is None and self.max_p95_ns is None:
            return None
        return Gauge(self.on or "host", self.max_p95_ns, self.work / "runs")

    def _shapes(self, kind: FileKind) -> tuple[TableShape, ...]:
        recipes = list(dict.fromkeys(recipe_named(name).name for name in self.recipes))
        methods = (STUDENT, TAUGHT_BASELINE, *PLAIN_BASELINES)
        # A file says what it was trained on: that of --final says most.
        longest = replace(kind, data=everything(kind.data))
        most = min(self.max_bytes, file_bytes_within(self.max_flash or ANY_FLASH))
        shapes = widest_shapes(longest, recipes, methods, most, self.seed)
        if self.max_flash is not None or self.max_ram is not None:
            name = max(methods, key=len)
            return within_ram(longest, shapes, name, self.seed, self.max_ram or ANY_FLASH)
        return shapes

    def _asked(self) -> dict[str, Any]:
        words = asdict(self)
        unsaid = {name for name in ("max_flash", "max_ram") if words[name] is None}
        left_out = {"work", "device", "threads", *unsaid}
        return {name: value for name, value in words.items() if name not in left_out}

    def _folder(self, data: Dataset) -> Path:
        """Of this search; a longer one with the same words goes on in it."""
        asked = self._asked()
        for name in ("hours", "trials", "final"):
            del asked[name]
        return self.work / "tune" / f"{data.name}-{digest_of([asked, data.digest()])[:8]}"

    def _ended(self, tuning: Any, gauge: Gauge | None) -> TuneResult:
        from recpress_edge.jobs.tune.verdict import tested, verdict_of

        diary, data, work = tuning.diary, tuning.kind.data, self.work
        cutoff = dataset_cutoff(data)
        by_kind = {
            name: best_of([trial for trial in diary.trials if trial.kind == name])
            for name in ("student", "baseline")
        }
        student, baseline = by_kind["student"], by_kind["baseline"]
        if baseline is None or student is None:
            raise RecPressError("no student or no baseline could be trained; the reasons are above")
        on_test = {trial.label: tested(trial, data, work) for trial in (student, baseline)}
        verdict = verdict_of(on_test[student.label], on_test[baseline.label], cutoff)
        chosen, bundle = self._shipped(tuning)
        final = self._final(tuning, chosen) if self.final else None
        records = gauge.measure(bundle, tuning.on_event, {}) if gauge else []
        diary.more |= {
            "chosen": chosen.facts(),
            "tested": {label: dict(found.means) for label, found in on_test.items()},
            "verdict": verdict.facts(),
            "said": verdict.sentences(),
            "bundle": bundle.name,
            "final": None if final is None else final.name,
        }
        return TuneResult(
            trials=tuple(diary.trials),
            chosen=chosen,
            cutoff=cutoff,
            tested=diary.more["tested"],
            verdict=verdict,
            bundle=bundle,
            records=tuple(records),
            final=final,
            tune_file=diary.write(),
            hours_spent=diary.elapsed_s / 3600,
            facts_=diary.facts(),
        )

    def _shipped(self, tuning: Any) -> tuple[TuneTrial, Path]:
        """The best of all that fits, student or baseline, whose file keeps its ranking."""
        fit = fitting(tuning.diary.trials)
        failures = []
        for trial in sorted(fit, key=lambda t: -(t.worth or 0.0)):
            try:
                return trial, tuning.export(trial, self._target(trial, tuning.diary.folder))
            except GateError as error:
                failures.append(f"{trial.label}: {error}")
                tuning.on_event(Note(f"below gate {trial.label}: the next best is taken"))
        raise GateError(f"none of {len(fit)} candidates keeps its ranking in its file; first {failures[0]}")

    def _final(self, tuning: Any, chosen: TuneTrial) -> Path:
        """The bundle of what was chosen, trained again on everything."""
        from recpress_edge.jobs.tune.final import Again

        whole = store_everything(tuning.kind.data, self.work)
        again = Again(
            whole=whole, work=self.work, device=self.device, threads=self.threads, on_event=tuning.on_event
        ).model(self.work / "models" / str(chosen.folder))
        trained = replace(chosen, name=again.name, folder=again.folder.name)
        target = self._target(chosen, tuning.diary.folder)
        return Path(tuning.export(trained, target.with_name(f"{target.name}-final")))

    def _target(self, trial: TuneTrial, folder: Path) -> Path:
        name = bundle_name(trial.name, self.seed, recipe_named(str(trial.recipe)), self.format)
        return self.work / "dist" / f"{profile_name(name, self.profile)}-{folder.name}"
