"""A student as a bundle: make what is missing, then write, check and publish."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts import formats
from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.contract import ALL_USERS, HISTORY
from recpress_edge.artifacts.fold_in import read_fold_in
from recpress_edge.artifacts.formats import DEFAULT
from recpress_edge.artifacts.model_folder import read_student
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.metrics import RECALL_DEFINITION
from recpress_edge.core.progress import Note, OnEvent, advance, silent
from recpress_edge.data.holdout import (
    Split,
    dataset_cutoff,
    history_holdout,
    history_rule,
    holdout,
    masking_rule,
    sequence_holdout,
)
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.train import warning_of_ensembles
from recpress_edge.training import cache
from recpress_edge.training.cache import Step, TrainOptions, asked_teacher, is_folder, plan_steps
from recpress_edge.training.store import OF_A_USER, load_model
from recpress_export.build import build
from recpress_export.gates import load_gate, load_history_gate
from recpress_export.networks.recipes import check_network, check_route, choose_recipe
from recpress_export.networks.student import network_kind, read_network
from recpress_export.profiles import check_profile, profile_name, user_index
from recpress_export.publish import Exported, check_target
from recpress_export.student import StudentData, bundle_name
from recpress_export.subjects import Subject
from recpress_export.subjects.all_users import AllUsers
from recpress_export.subjects.history import History
from recpress_export.subjects.network import traced_network
from recpress_export.subjects.single_user import SingleUser

FLOAT_BYTES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """``recpress-edge export``: one student in one recipe and format."""

    student: str
    """A name, or the folder of a trained model."""
    teacher: str | None = None
    seed: int = 0
    data: str = "synthetic"
    int8: bool = False
    recipe: str | None = None
    format: str = DEFAULT
    profile: str | None = None
    user: str | None = None
    """External id of the one user of a single-user bundle."""
    with_evaluation: bool = False
    out: Path | None = None
    force: bool = False
    device: str = "cpu"
    threads: int = 1
    work: Path = Path()

    def check(self, *, target: bool = True) -> "ExportPlan":
        """Check everything that can be checked before anything is trained; ``target``: where it goes, too."""
        if self.int8 and self.recipe:
            raise ConfigError(
                "--int8 means --recipe int8-dim, for a network int8-dynamic; give one of the two"
            )
        named = self._in_folder() if is_folder(self.student) else self._by_name()
        recipe = choose_recipe(named.network, self.recipe, self.format, int8=self.int8)
        profile = self.profile or ALL_USERS
        if named.network:
            profile = check_network(named.network, self.format, self.profile, self.user)
        else:
            check_profile(profile, self.user)
        if self.with_evaluation and profile == ALL_USERS:
            raise ConfigError(
                "--with-evaluation: an all-users bundle holds the test users' rows anyway. Leave it out."
            )
        # What it needs is missing: said now, not after the training.
        formats.writer_of(self.format)
        if named.network:
            check_route(self.format)
        plan = ExportPlan(self, named, recipe, profile)
        if target:
            check_target(plan.target, plan.name, named.data, force=self.force)
        return plan

    def _by_name(self) -> "_NamedStudent":
        student = parse_name(self.student)
        asked_teacher(student, "student", self.teacher)
        return _NamedStudent(str(student), self.seed, self.data, None, student.entry.network)

    def _in_folder(self) -> "_NamedStudent":
        """A trained model; words that would say something else are refused."""
        folder = Path(self.student)
        facts = load_model(folder, OF_A_USER).metadata
        data = facts["dataset"]["name"]
        for flag, given, usual, own in (
            ("--teacher", self.teacher, None, (facts["teacher"] or {}).get("name")),
            ("--seed", self.seed, 0, facts["seed"]),
            ("--data", self.data, "synthetic", data),
        ):
            if given not in (usual, own):
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
        student = self.student
        name = bundle_name(student.name, student.seed, self.recipe, self.request.format)
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
        words += ["--recipe", self.recipe.name]
        words += [] if request.format == DEFAULT else ["--format", request.format]
        if self.profile != ALL_USERS:
            user = [] if request.user is None else ["--user", shlex.quote(request.user)]
            rows = ["--with-evaluation"] if self.ships_rows else []
            words += ["--profile", self.profile, *user, *rows]
        return " ".join(["recpress-edge export", *words])

    def steps(self, on_event: OnEvent = silent) -> list[Step]:
        """The models that :meth:`run` finds or trains; nothing is written."""
        student = self.student
        data = load_data(student.data, self.request.work, on_event)
        if student.folder:
            return []
        return plan_steps(student.name, "student", data, student.seed, self.request.work, self._options())

    def run(self, on_event: OnEvent = silent) -> "ExportResult":
        """Train what is missing, then write and check the bundle. GateError: its parity is below the gate."""
        request, student = self.request, self.student
        data = load_data(student.data, request.work, on_event)
        if request.user is not None:
            user_index(request.user, data.user_ids)  # before anything is trained
        folder = (
            student.folder
            or cache.ensure_model(
                student.name,
                "student",
                data,
                student.seed,
                request.work,
                self._options(),
                warning_of_ensembles(on_event),
            ).folder
        )
        exported = build(
            _subject(self, data, folder, on_event),
            self.recipe,
            self.target,
            gate=load_gate(self.recipe.name),
            force=request.force,
            on_update=advance(on_event, "parity"),
        )
        return ExportResult(self, exported)

    def _options(self) -> TrainOptions:
        request = self.request
        return TrainOptions(teacher=request.teacher, device=request.device, threads=request.threads)

    def facts(self, steps: list[Step]) -> dict[str, Any]:
        """What ``--dry-run --json`` prints."""
        return {
            "dry_run": True,
            "models": [{"name": s.name, "seed": s.seed, "action": s.action} for s in steps],
            "bundle": str(self.target),
            "recipe": self.recipe.name,
            "format": self.request.format,
        }


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A published bundle and what was compared."""

    plan: ExportPlan
    exported: Exported

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        exported, plan = self.exported, self.plan
        bundle, recipe = exported.bundle, plan.recipe
        dim = bundle.contract.dim
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
            "file_bytes": bundle.model_bytes,
            "fp32_file_bytes": exported.fp32_bytes,
            **({} if plan.student.network else row_bytes),
            "profile": bundle.contract.profile,
            "fold_in": bundle.quality.get("fold_in"),
            "quantisation_error": asdict(exported.errors) if exported.errors else None,
            "parity": bundle.quality["parity"],
            "chain": bundle.quality["chain"],
            "selftest_users": len(bundle.selftest().users),
        }


def _set_threads(plan: ExportPlan) -> None:
    import torch  # not for two tables of all users

    torch.set_num_threads(plan.request.threads)


def _subject(plan: ExportPlan, data: Dataset, folder: Path, on_event: OnEvent) -> Subject[Any]:
    """What the bundle answers from: the model in ``folder``; a history's fold-in is learned, if missing."""
    if plan.student.network:
        _set_threads(plan)
        network = read_network(folder)
        return traced_network(StudentData(model=network, **_facts(plan, data, folder, network.facts)))
    student = read_student(folder)
    source = StudentData(model=student, **_facts(plan, data, folder, student.facts))
    if plan.request.user is not None:
        return SingleUser(source, plan.request.user)
    if plan.profile != HISTORY:
        return AllUsers(source)
    _set_threads(plan)
    from recpress_edge.distill.fold_in import ensure_fold_in  # torch

    made_from = {"seed": student.seed, "model_sha256": student.sha256, "dataset_sha256": data.digest()}
    if ensure_fold_in(folder, student.user_emb, student.item_emb, data.train, made_from):
        where = folder / "fold_in.safetensors"
        on_event(Note(f"learned    a history table for {student.name}   {where}"))
    return History(source, read_fold_in(folder, student), load_history_gate())


def _facts(plan: ExportPlan, data: Dataset, folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What an export starts from, besides the student; ``facts`` are the student's model.json."""
    if facts["dataset"]["digest"] != data.digest():
        raise ConfigError(
            f"{folder} was trained on another split than the {data.name!r} here: its digest differs"
        )
    width: int | None = (facts.get("teacher") or {}).get("table_width")
    rows = {split: _evaluation(plan, data, split) for split in ("valid", "test")}
    return {
        "user_ids": data.user_ids,
        "item_ids": data.item_ids,
        **{split: users for split, (users, _) in rows.items()},
        "licence": data.licence,
        "definition": {split: f"{RECALL_DEFINITION}, {rule}" for split, (_, rule) in rows.items()},
        "teacher_bytes": width and FLOAT_BYTES * width * (data.n_users + data.n_items),
        "item_counts": data.train.item_counts(),
        "cutoff": dataset_cutoff(data),
        "command": plan.command,
        "ships_rows": plan.ships_rows,
        "file_format": plan.request.format,
    }


def _evaluation(plan: ExportPlan, data: Dataset, split: Split) -> tuple[Evaluation, str]:
    """Held-out rows and their rule; a history file masks exactly what its user vector is made from."""
    if plan.profile != HISTORY:
        return holdout(data, split), masking_rule(data, split)
    if plan.student.network:
        return sequence_holdout(data, split), f"{history_rule(split)}, in the order of time"
    return history_holdout(data, split), history_rule(split)
