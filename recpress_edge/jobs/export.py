"""A student as a bundle: make what is missing, then write, check and publish."""

import shlex
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recpress_edge.artifacts import formats
from recpress_edge.artifacts.contract import ALL_USERS
from recpress_edge.artifacts.formats import DEFAULT
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import check_there
from recpress_edge.core.progress import OnEvent, advance, silent
from recpress_edge.data.features.shown import NO_TITLES, Shown, shown_items
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import SYNTHETIC
from recpress_edge.distill.students import parse_name, refuse_clicks
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.plugins import with_plugins
from recpress_edge.jobs.subject import SubjectSource
from recpress_edge.jobs.train import warning_of_ensembles
from recpress_edge.jobs.trained import naming_others, refuse_others
from recpress_edge.training import ensure
from recpress_edge.training.ensure import PlannedStep, forecast_steps
from recpress_edge.training.overrides import Tables, no_overrides, overrides, set_flags
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.store import OF_A_USER, asked_teacher, is_folder, load_model
from recpress_export.build import build
from recpress_export.gates import load_gate
from recpress_export.networks.recipes import check_network, check_route, choose_recipe
from recpress_export.networks.student import network_kind
from recpress_export.options import NO_OPTIONS, FileOptions, check_options
from recpress_export.profiles import check_profile, check_recipe_profile, profile_name, user_index
from recpress_export.publish import Exported, check_target
from recpress_export.student import bundle_name


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """``recpress-edge export``: one student in one recipe and format."""

    student: str
    """A name, or the folder of a trained model."""
    teacher: str | None = None
    seed: int | None = None
    """None: 0, or that of the model folder."""
    data: str | None = None
    """None: the synthetic set, or that of the model folder."""
    set: tuple[str, ...] = ()
    """Settings of the student's training that differ from the usual ones, ``training.epochs=20``."""
    plugin: tuple[str, ...] = ()
    """Python files that bring methods of one's own."""
    int8: bool = False
    recipe: str | None = None
    format: str = DEFAULT
    core: str | None = None
    """The core that the file is arranged for; None: for any."""
    profile: str | None = None
    user: str | None = None
    """External id of the one user of a single-user bundle."""
    with_evaluation: bool = False
    titles: Path | None = None
    """A table of item ids and titles for the bundle; None: those of the data set; NO_TITLES: none."""
    item_features: tuple[str, ...] = ()
    """Item features of the data set that travel in the bundle."""
    options: FileOptions = NO_OPTIONS
    """What is asked of the format beside tables."""
    out: Path | None = None
    force: bool = False
    device: str = "cpu"
    threads: int = 1
    work: Path = Path()

    def check(self, *, target: bool = True) -> "ExportPlan":
        """Check everything that can be checked before anything is trained; ``target``: where it goes, too."""
        with with_plugins(self.plugin, self.work):
            named = self._in_folder() if is_folder(self.student) else self._by_name()
        recipe = choose_recipe(named.network, self.recipe, self.format, int8=self.int8)
        profile = self.profile or ALL_USERS
        if named.network:
            profile = check_network(named.network, self.format, self.profile, self.user)
        else:
            check_profile(profile, self.user)
        check_recipe_profile(recipe, profile)
        if self.with_evaluation and profile == ALL_USERS:
            raise ConfigError(
                "--with-evaluation: an all-users bundle holds the test users' rows anyway. Leave it out."
            )
        check_options(self.options, self.format, recipe, self.core)
        # What it needs is missing: said now, not after the training.
        formats.writer_of(self.format)
        formats.files_of(self.format)
        if self.titles and self.titles != NO_TITLES:
            check_there(self.titles)
        if named.network:
            check_route(named.network, self.format)
        plan = ExportPlan(self, named, recipe, profile)
        if target:
            check_target(plan.target, plan.name, named.data, force=self.force)
        return plan

    def _by_name(self) -> "_NamedStudent":
        student = parse_name(self.student)
        refuse_clicks(str(student), clicks=student.entry.gives == "clicks")
        asked_teacher(student, "student", self.teacher)
        data, network = SYNTHETIC if self.data is None else self.data, student.entry.network
        return _NamedStudent(str(student), self.seed or 0, data, None, network, overrides(student, self.set))

    def _in_folder(self) -> "_NamedStudent":
        """A trained model; words that would say something else are refused."""
        check_there(folder := Path(self.student))
        if self.set:
            raise ConfigError(f"{folder} is trained, so --set {self.set[0]} cannot apply. Leave it out.")
        facts = load_model(folder, OF_A_USER).metadata
        refuse_others(facts)
        data = facts["dataset"]["name"]
        for flag, given, own in (
            ("--teacher", self.teacher, (facts["teacher"] or {}).get("name")),
            ("--seed", self.seed, facts["seed"]),
            ("--data", self.data, data),
        ):
            if given not in (None, own):
                raise ConfigError(
                    f"{folder} was trained with {flag} {own}, so {flag} {given} cannot apply. Leave it out."
                )
        return _NamedStudent(facts["name"], facts["seed"], data, folder, network_kind(folder))

    def run(self, on_event: OnEvent = silent) -> "ExportResult":
        """Train what is missing, then write and check the bundle. GateError: its parity is below the gate."""
        return self.check().run(on_event)


@dataclass(frozen=True, slots=True)
class _NamedStudent:
    """The student that a request names."""

    name: str
    seed: int
    data: str
    folder: Path | None
    """The model's folder where the student was given by folder, not by name."""
    network: str | None
    """The network that it is; None for two tables."""
    settings: Tables = field(default_factory=no_overrides)
    """By table, those of its training that differ from the usual ones."""


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """A checked request: what is exported, and where it goes."""

    request: ExportRequest
    student: _NamedStudent
    recipe: Recipe
    profile: str

    @property
    def name(self) -> str:
        """Name of the bundle, whatever its folder is called."""
        student, asked = self.student, self.request
        name = bundle_name(student.name, student.seed, self.recipe, asked.format, asked.core)
        return profile_name(name, self.profile)

    @property
    def target(self) -> Path:
        """The bundle's folder."""
        return self.request.out or self.request.work / "dist" / self.name

    @property
    def ships_rows(self) -> bool:
        """Whether the test users' rows travel in the bundle."""
        return self.request.with_evaluation or self.profile == ALL_USERS

    @property
    def command(self) -> str:
        """The command that makes the same bundle, in one spelling, so that equal bundles have equal bytes."""
        request, student = self.request, self.student
        if student.folder:
            words = ["--student", f"models/{student.folder.name}"]
        else:
            teacher = ["--teacher", request.teacher] if request.teacher else []
            words = ["--student", student.name, *teacher, "--data", student.data, "--seed", str(student.seed)]
            words += set_flags(student.settings)
            words += [word for path in request.plugin for word in ("--plugin", shlex.quote(Path(path).name))]
        words += ["--recipe", self.recipe.name]
        words += [] if request.format == DEFAULT else ["--format", request.format]
        words += ["--core", request.core] if request.core else []
        words += request.options.words
        if self.profile != ALL_USERS:
            user = [] if request.user is None else ["--user", shlex.quote(request.user)]
            rows = ["--with-evaluation"] if self.ships_rows else []
            words += ["--profile", self.profile, *user, *rows]
        if request.titles:
            words += ["--titles", shlex.quote(request.titles.name)]
        if request.item_features:
            words += ["--item-features", shlex.quote(",".join(request.item_features))]
        return " ".join(["recpress-edge export", *words])

    def steps(self, on_event: OnEvent = silent) -> list[PlannedStep]:
        """The models that :meth:`run` finds or trains; nothing is written."""
        student = self.student
        data = load_data(student.data, self.request.work, on_event)
        self._shown(data)
        if student.folder:
            return []
        return forecast_steps(self.model, data, self.request.work)

    def run(self, on_event: OnEvent = silent) -> "ExportResult":
        """Train what is missing, then write and check the bundle. GateError: its parity is below the gate."""
        request, student = self.request, self.student
        data = load_data(student.data, request.work, on_event)
        shown = self._shown(data)  # before anything is trained
        tell = naming_others(self.model, data, request.work, warning_of_ensembles(on_event))
        folder = student.folder or ensure.ensure_model(self.model, data, request.work, tell).folder
        exported = build(
            self._source(folder, shown).load(data, on_event),
            self.recipe,
            self.target,
            gate=load_gate(self.recipe.name),
            force=request.force,
            on_update=advance(on_event, "parity"),
        )
        return ExportResult(self, exported)

    def _shown(self, data: Dataset) -> Shown:
        """What travels to be shown; an unknown user, id or feature is refused here."""
        if self.request.user is not None:
            user_index(self.request.user, data.user_ids)
        return shown_items(data, self.request.titles, self.request.item_features)

    def _source(self, folder: Path, shown: Shown) -> SubjectSource:
        return SubjectSource(
            folder=folder,
            network=self.student.network,
            profile=self.profile,
            user=self.request.user,
            file_format=self.request.format,
            core=self.request.core or "",
            command=self.command,
            ships_rows=self.ships_rows,
            shown=shown,
            options=self.request.options,
            threads=self.request.threads,
        )

    @property
    def model(self) -> ModelRequest:
        """The student, where it was given by its name."""
        request, student = self.request, self.student
        options = TrainOptions(
            teacher=request.teacher,
            device=request.device,
            threads=request.threads,
            plugin=request.plugin,
            method=student.settings["method"],
            training=student.settings["training"],
        )
        return ModelRequest(name=student.name, role="student", seed=student.seed, options=options)

    def facts(self, steps: list[PlannedStep]) -> dict[str, Any]:
        """What ``--dry-run --json`` prints."""
        return {
            "dry_run": True,
            "models": [{"name": s.name, "seed": s.seed, "action": s.action, **s.costs()} for s in steps],
            "bundle": str(self.target),
            "recipe": self.recipe.name,
            "format": self.request.format,
            **({"core": self.request.core} if self.request.core else {}),
        }


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A published bundle and what was compared."""

    plan: ExportPlan
    exported: Exported

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        exported, plan = self.exported, self.plan
        bundle, recipe, dim = exported.bundle, plan.recipe, exported.bundle.contract.dim
        row_bytes = {
            "item_row_bytes": recipe.item_row_bytes(dim),
            "user_row_bytes": recipe.user_row_bytes(dim),
        }
        return {
            "bundle": str(bundle.folder),
            "name": bundle.name,
            "sha256": bundle.digest,
            "unchanged": exported.unchanged,
            "student": plan.student.name,
            "seed": plan.student.seed,
            "dataset": plan.student.data,
            "recipe": recipe.name,
            "format": plan.request.format,
            **{"file_bytes": bundle.model_bytes, "bundle_bytes": bundle.total_bytes},
            "shown_bytes": bundle.shown_bytes(),
            "fp32_file_bytes": exported.fp32_bytes,
            **({} if plan.student.network else row_bytes),
            "profile": bundle.contract.profile,
            "fold_in": bundle.quality.get("fold_in"),
            "quantisation_error": asdict(exported.errors) if exported.errors else None,
            "parity": bundle.quality["parity"],
            "chain": bundle.quality["chain"],
            "selftest_users": len(bundle.selftest().users),
        }
