"""Make a model of two stages that is missing, then a bundle of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.reading import read_fields
from recpress_edge.artifacts.fold_in import FoldIn
from recpress_edge.artifacts.formats import DEFAULT
from recpress_edge.artifacts.model_folder import MODEL_FACTS, Student, network_parameters, read_model
from recpress_edge.artifacts.two_stages.contract import RECIPE, STAGE_FORMATS
from recpress_edge.artifacts.two_stages.fields import place_of, read_list_field
from recpress_edge.artifacts.two_stages.model import FIRST_PREFIX, KIND
from recpress_edge.artifacts.two_stages.weights import read_second
from recpress_edge.core.arrays import I32
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import read_json
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.data.features.fit import encode_items, encode_users
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.rankers.request import RankerExportRequest
from recpress_edge.training.store import is_folder
from recpress_edge.training.two_stages.candidates import held_out_moments
from recpress_edge.training.two_stages.fields import asked_rows, seen_rows
from recpress_export.two_stages.build import (
    ExportedTwoStages,
    ForgettingFirst,
    TwoStageSource,
    build_two_stages,
)
from recpress_export.two_stages.quality import HeldOut

FIRST_ARRAYS: Final = ("user_emb", "item_emb", "history_emb", "prior", "decay")
"""Of a first stage in the folder of both, where it has them."""


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

    @property
    def folder(self) -> Path:
        """The bundle's."""
        return self.exported.bundle.folder

    def facts(self) -> dict[str, Any]:
        """For ``--json``."""
        bundle = self.exported.bundle
        return {
            "bundle": str(bundle.folder),
            "name": bundle.name,
            "sha256": bundle.digest,
            "bundle_bytes": bundle.total_bytes,
            "file_bytes": bundle.model_bytes,
            "unchanged": self.exported.unchanged,
            "stages": dict(bundle.quality["stages"]),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoStageExportRequest(RankerExportRequest[TwoStageExportResult]):
    """``recpress-edge export`` of a model of two stages."""

    format: str | None = None
    """One of STAGE_FORMATS; None for ONNX."""
    with_evaluation: bool = False
    """Whether the requests of test travel along, by which a device judges the file."""

    def check(self) -> None:
        """ConfigError for words that contradict each other."""
        if self.recipe not in (None, RECIPE):
            raise ConfigError(f"--recipe {self.recipe}: a bundle of two stages is {RECIPE}. Write --int8.")
        if self.format not in (None, *STAGE_FORMATS):
            raise ConfigError(
                f"--format {self.format} is not for {self.student}, a model of two stages: it is exported as "
                f"{' or '.join(STAGE_FORMATS)}."
            )
        self.check_trained()

    def run(self, on_event: OnEvent = silent) -> TwoStageExportResult:
        """Train what is missing, write and check the bundle. GateError: the second stage gains nothing."""
        self.check()
        data = self.load(on_event)
        model = self.found_or_trained(data, on_event)
        source = self._source(model.folder, data)
        target = self.out or self.work / "dist" / source.name
        return TwoStageExportResult(build_two_stages(source, target, force=self.force))

    def check_data(self, data: Dataset) -> None:
        """ConfigError for a data set without a validation split."""
        if not len(data.valid):
            raise ConfigError(
                f"data set {data.name!r} has no validation split, by which the second stage is judged. "
                "Split it again with one: --split loo-time"
            )

    def _source(self, folder: Path, data: Dataset) -> TwoStageSource:
        facts, arrays = read_model(folder)
        architecture, parameters = facts["architecture"], network_parameters(arrays)
        fields = stored_fields(architecture, arrays)
        asked, items = fields["asked"], fields["items"]
        fitted = tuple(field for field in asked if not place_of(field))
        last = len(asked) - len(fitted)
        first = _first(facts, parameters)
        known = isinstance(first, Student)
        of_users = tuple(field for field in fitted if field.side == "user" and known)
        own = encode_users(of_users, data) if of_users else np.empty((data.n_users, 0), np.int32)
        held_out = {
            split: _held_out(data, split, HeldOutFields(of_users, fitted, last), by_history=not known)
            for split in ("valid", "test")
        }
        return TwoStageSource(
            first=first,
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
            command=self.command(facts, folder, self._more()),
            format=self.format or DEFAULT,
            with_evaluation=self.with_evaluation,
        )

    def _more(self) -> list[str]:
        """The words at the end of the command."""
        as_format = ["--format", self.format] if self.format not in (None, DEFAULT) else []
        return ["--int8", *as_format, *(["--with-evaluation"] if self.with_evaluation else [])]


def stored_fields(
    architecture: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, tuple[FeatureField, ...]]:
    """The fields of a stored model of two stages: those of user and context, and the items'."""
    plain = [entry for entry in architecture["asked"] if entry["kind"] != "item"]
    asked = read_fields({"fields": plain}, arrays)
    seen = tuple(read_list_field(entry, []) for entry in architecture["asked"] if entry["kind"] == "item")
    return {"asked": (*asked, *seen), "items": read_fields({"fields": architecture["items"]}, arrays)}


def _first(facts: Mapping[str, Any], parameters: Mapping[str, NDArray[Any]]) -> Student | ForgettingFirst:
    """The first stage that the bundle holds."""
    known = {name: parameters.get(f"{FIRST_PREFIX}{name}") for name in FIRST_ARRAYS}
    items = known["item_emb"]
    assert items is not None, "every first stage has items"
    if (users := known["user_emb"]) is not None:
        made = facts["first_stage"]
        return Student(users, items, made["name"], made["seed"], made["sha256"], {})
    history, prior = known["history_emb"], known["prior"]
    assert history is not None
    assert prior is not None
    length = int(facts["architecture"]["first"]["history_length"])
    return ForgettingFirst(items, FoldIn(history, prior, decay=known["decay"], length=length))


@dataclass(frozen=True, slots=True)
class HeldOutFields:
    """The fields of requests of a split."""

    of_users: tuple[FeatureField, ...]
    """Those whose rows the file holds."""
    fitted: tuple[FeatureField, ...]
    last: int
    """Items consumed last that are read."""


def _held_out(data: Dataset, split: Any, fields: HeldOutFields, *, by_history: bool) -> HeldOut:
    """The requests of a split, without what the file holds of each user."""
    moments = held_out_moments(data, split, by_history=by_history)
    rows = asked_rows(fields.fitted, data, split)[moments.pairs]
    width = sum(field.width for field in fields.of_users)
    seen = seen_rows(moments.history, moments.starts, moments.ends, fields.last)
    stated = np.ascontiguousarray(np.hstack([rows[:, width:], seen]))
    return HeldOut(users=moments.users, rows=stated, hidden=moments.hidden, taken=moments.taken)


def _typical(held_out: Mapping[str, HeldOut], own: I32) -> I32:
    """Validation requests with all fields, and the same with everything that is stated missing."""
    valid = held_out["valid"]
    known = np.hstack([own[valid.users], valid.rows])
    missing = np.hstack([own[valid.users], np.zeros_like(valid.rows)])
    return np.ascontiguousarray(np.vstack([known, missing]))
