"""Make a model of two stages that is missing, then a bundle of it."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.reading import read_fields
from recpress_edge.artifacts.model_folder import MODEL_FACTS, Student, network_parameters, read_model
from recpress_edge.artifacts.two_stages.contract import RECIPE
from recpress_edge.artifacts.two_stages.fields import place_of, read_list_field
from recpress_edge.artifacts.two_stages.model import FIRST_PREFIX, KIND
from recpress_edge.artifacts.two_stages.weights import read_second
from recpress_edge.core.arrays import I32
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import check_there, read_json
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.data.features.fit import encode_items, encode_users
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.resolve import SYNTHETIC
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.data import load_data
from recpress_edge.training.ensure import PlannedStep, ensure_model, forecast_steps
from recpress_edge.training.overrides import overrides, set_flags
from recpress_edge.training.plan import ModelRequest, TrainOptions, is_folder
from recpress_edge.training.store import model_in
from recpress_edge.training.two_stages.candidates import held_out_moments
from recpress_edge.training.two_stages.fields import asked_rows, seen_rows
from recpress_export.two_stages.build import ExportedTwoStages, TwoStageSource, build_two_stages
from recpress_export.two_stages.quality import HeldOut


def is_two_stage_student(student: str) -> bool:
    """Whether a student, by name or folder, is one of two stages; ConfigError for a name that is none's."""
    if is_folder(student):
        facts = Path(student) / MODEL_FACTS
        return facts.exists() and read_json(facts).get("architecture", {}).get("kind") == KIND
    return parse_name(student).entry.stages


@dataclass(frozen=True, slots=True)
class TwoStageExportResult:
    """A published bundle."""

    exported: ExportedTwoStages

    def facts(self) -> dict[str, Any]:
        """For ``--json``."""
        bundle = self.exported.bundle
        return {
            "bundle": str(bundle.folder),
            "name": bundle.name,
            "digest": bundle.digest,
            "bytes": bundle.total_bytes,
            "model_bytes": bundle.model_bytes,
            "unchanged": self.exported.unchanged,
            "stages": dict(bundle.quality["stages"]),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoStageExportRequest:
    """``recpress-edge export`` of a model of two stages."""

    student: str
    data: str | None = None
    teacher: str | None = None
    seed: int | None = None
    set: tuple[str, ...] = ()
    recipe: str | None = None
    int8: bool = False
    out: Path | None = None
    force: bool = False
    device: str = "cpu"
    threads: int = 1
    work: Path = Path()

    def check(self) -> None:
        """ConfigError for words that contradict each other."""
        if self.recipe not in (None, RECIPE):
            raise ConfigError(f"--recipe {self.recipe}: a bundle of two stages is {RECIPE}. Write --int8.")
        given = {"--set": self.set, "--teacher": self.teacher, "--seed": self.seed}
        said = [flag for flag, value in given.items() if value not in (None, ())]
        if is_folder(self.student) and said:
            raise ConfigError(f"{self.student} is trained, so {said[0]} cannot apply. Leave it out.")

    def steps(self, on_event: OnEvent = silent) -> list[PlannedStep]:
        """The models that :meth:`run` finds or trains; nothing is written."""
        self.check()
        data = self._data(on_event)
        return [] if is_folder(self.student) else forecast_steps(self._model(), data, self.work)

    def run(self, on_event: OnEvent = silent) -> TwoStageExportResult:
        """Train what is missing, write and check the bundle. GateError: the second stage gains nothing."""
        self.check()
        data = self._data(on_event)
        if is_folder(self.student):
            model = model_in(Path(self.student), data)
        else:
            model = ensure_model(self._model(), data, self.work, on_event)
        source = self._source(model.folder, data)
        target = self.out or self.work / "dist" / f"{source.name}-{RECIPE}"
        return TwoStageExportResult(build_two_stages(source, target, force=self.force))

    def _data(self, on_event: OnEvent) -> Dataset:
        name = self.data or SYNTHETIC
        if is_folder(self.student):
            check_there(Path(self.student))
            name = read_json(Path(self.student) / MODEL_FACTS)["dataset"]["name"]
            if self.data not in (None, name):
                raise ConfigError(f"{self.student} was trained with --data {name}. Leave --data out.")
        data = load_data(name, self.work, on_event)
        if not len(data.valid):
            raise ConfigError(
                f"data set {data.name!r} has no validation split, by which the second stage is judged. "
                "Split it again with one: --split loo-time"
            )
        return data

    def _model(self) -> ModelRequest:
        name = parse_name(self.student)
        differing = overrides(name, self.set)
        options = TrainOptions(
            teacher=self.teacher,
            device=self.device,
            threads=self.threads,
            method=differing["method"],
            training=differing["training"],
        )
        return ModelRequest(name=str(name), role="student", seed=self.seed or 0, options=options)

    def _source(self, folder: Path, data: Dataset) -> TwoStageSource:
        facts, arrays = read_model(folder)
        architecture, parameters = facts["architecture"], network_parameters(arrays)
        fields = stored_fields(architecture, arrays)
        asked, items = fields["asked"], fields["items"]
        fitted = tuple(field for field in asked if not place_of(field))
        last = len(asked) - len(fitted)
        of_users = tuple(field for field in fitted if field.side == "user")
        own, first = encode_users(of_users, data), facts["first_stage"]
        held_out = {split: _held_out(split, fitted, items, data, last) for split in ("valid", "test")}
        return TwoStageSource(
            first=Student(
                parameters[f"{FIRST_PREFIX}user_emb"],
                parameters[f"{FIRST_PREFIX}item_emb"],
                first["name"],
                first["seed"],
                first["sha256"],
                {},
            ),
            second=read_second(asked, items, encode_items(items, data), parameters, architecture["unit"]),
            of_users=of_users,
            fields=asked[len(of_users) :],
            user_rows=own,
            typical=_typical(held_out, own),
            folded=tuple(field.name for field in items),
            candidates=architecture["candidates"],
            user_ids=data.user_ids,
            item_ids=data.item_ids,
            held_out=held_out,
            facts=facts,
            licence=data.licence,
            command=self._command(facts, folder),
        )

    def _command(self, facts: dict[str, Any], folder: Path) -> str:
        """The command that makes the same bundle, in one spelling."""
        if is_folder(self.student):
            words = ["--student", f"models/{folder.name}"]
        else:
            teacher = ["--teacher", shlex.quote(self.teacher)] if self.teacher else []
            seed = ["--seed", str(self.seed or 0)]
            words = ["--student", facts["name"], *teacher, "--data", facts["dataset"]["name"], *seed]
            words += set_flags(overrides(parse_name(self.student), self.set))
        return " ".join(["recpress-edge export", *words, "--int8"])


def stored_fields(
    architecture: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, tuple[FeatureField, ...]]:
    """The fields of a stored model of two stages: those of user and context, and the items'."""
    plain = [entry for entry in architecture["asked"] if entry["kind"] != "item"]
    asked = read_fields({"fields": plain}, arrays)
    seen = tuple(read_list_field(entry, []) for entry in architecture["asked"] if entry["kind"] == "item")
    return {"asked": (*asked, *seen), "items": read_fields({"fields": architecture["items"]}, arrays)}


def _held_out(
    split: Any, fitted: tuple[FeatureField, ...], items: tuple[FeatureField, ...], data: Dataset, last: int
) -> HeldOut:
    """The requests of a split, without what the file holds of each user."""
    moments = held_out_moments(data, split)
    rows = asked_rows(fitted, items, data, split)[moments.pairs]
    width = sum(field.width for field in fitted if field.side == "user")
    seen = seen_rows(moments.history, moments.starts, moments.ends, last)
    stated = np.ascontiguousarray(np.hstack([rows[:, width:], seen]))
    return HeldOut(users=moments.users, rows=stated, hidden=moments.hidden, taken=moments.taken)


def _typical(held_out: Mapping[str, HeldOut], own: I32) -> I32:
    """Validation requests with all fields, and the same with everything that is stated missing."""
    valid = held_out["valid"]
    known = np.hstack([own[valid.users], valid.rows])
    missing = np.hstack([own[valid.users], np.zeros_like(valid.rows)])
    return np.ascontiguousarray(np.vstack([known, missing]))
