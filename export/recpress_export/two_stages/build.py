"""A trained model of two stages to a published bundle: whole numbers, one file, numpy's answers, the gate."""

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recpress_edge import __version__
from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.contract import HISTORY
from recpress_edge.artifacts.fold_in import FoldIn
from recpress_edge.artifacts.formats import DEFAULT, FORMATS
from recpress_edge.artifacts.manifest import MANIFEST, STAGES_SCHEMA
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.artifacts.two_stages.bundle import (
    TwoStageBundle,
    open_two_stage_bundle,
    write_two_stage_bundle,
)
from recpress_edge.artifacts.two_stages.contract import (
    FIRST_RECIPE,
    RECIPE,
    TwoStageContract,
    first_contract,
)
from recpress_edge.artifacts.two_stages.second import second_tensors
from recpress_edge.artifacts.two_stages.selftest import TwoStageQuestion
from recpress_edge.artifacts.two_stages.weights import SecondWeights
from recpress_edge.core.arrays import F32, I32
from recpress_edge.core.errors import ArtifactError, ConfigError, GateError
from recpress_edge.core.files import check_ours, new_directory, write_atomic
from recpress_edge.core.registry import named
from recpress_edge.device.two_stages.recommender import check_two_stages
from recpress_edge.device.two_stages.runtimes import (
    NumpyTwoStages,
    StagedRequest,
    TwoStageRuntime,
    open_stages,
)
from recpress_export.card import CARD_FILE
from recpress_export.graph import Graph, contract_for
from recpress_export.student import bundle_stem, versions_of
from recpress_export.subjects.all_users import checked_tables, row_encoding
from recpress_export.subjects.history import history_encoding
from recpress_export.two_stages.card import two_stage_card
from recpress_export.two_stages.quality import HeldOut, K, quality_of, split_ranks
from recpress_export.two_stages.questions import stage_questions


@dataclass(frozen=True, slots=True, eq=False)
class ForgettingFirst:
    """A first stage that reads a history (ADR 0030)."""

    item_emb: F32
    fold_in: FoldIn


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoStageSource:
    """What a bundle of two stages is made from."""

    first: Student | ForgettingFirst
    second: SecondWeights
    of_users: tuple[FeatureField, ...]
    fields: tuple[FeatureField, ...]
    user_rows: I32
    """Every user's rows of the fields of users (U, W_U); (U, 0) where there are none."""
    typical: I32
    """Requests with all fields (N, W_U + W), which tell how large numbers get."""
    folded: tuple[str, ...]
    candidates: int
    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    held_out: Mapping[str, HeldOut]
    facts: Mapping[str, Any]
    """The model's record."""
    licence: str | None
    command: str
    format: str = DEFAULT
    """Of the model file, one of STAGE_FORMATS."""
    with_evaluation: bool = False
    """Whether the requests of test travel along, by which a device judges the file."""

    @property
    def name(self) -> str:
        """Of the bundle: the model's, with a seed that is not 0, what is stored, and a format that is not the
        usual one.
        """
        stem = bundle_stem(str(self.facts["name"]), int(self.facts["seed"]))
        return f"{stem}-{RECIPE}{FORMATS[self.format].suffix}"

    def first_graph(self) -> Graph:
        """The first stage, under the names that it has within two stages."""
        recipe, known = recipe_named(FIRST_RECIPE), self.first
        if isinstance(known, Student):
            sizes = {"n_users": known.n_users, "n_items": known.n_items, "dim": known.dim}
            contract = first_contract(contract_for(recipe, self.format, **sizes))
            return row_encoding(contract, checked_tables(known, recipe)).graph
        sizes = {"n_users": 0, "n_items": len(known.item_emb), "dim": known.item_emb.shape[1]}
        contract = dataclasses.replace(
            contract_for(recipe, self.format, **sizes),
            profile=HISTORY,
            user_input="",
            history_length=known.fold_in.length,
        )
        asking = Student(
            self._states(known), known.item_emb, str(self.facts["first_stage"]["name"]), 0, "", {}
        )
        stored = checked_tables(asking, recipe, known.fold_in.rows)
        return history_encoding(first_contract(contract), stored, known.fold_in, recipe).graph

    def _states(self, known: ForgettingFirst) -> F32:
        """Rows after the validation histories (N, D), with which items are multiplied: for their scales."""
        held = self.held_out["valid"]
        rows = [known.fold_in.row_after(held.seen(at)) for at in range(held.users.size)]
        return np.array(rows, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class ExportedTwoStages:
    """A published bundle."""

    bundle: TwoStageBundle
    unchanged: bool


def build_two_stages(source: TwoStageSource, target: Path, *, force: bool) -> ExportedTwoStages:
    """Write, check and publish a bundle.

    GateError: on validation the second stage is not above the first by more than its interval, and ``force``
    is off; nothing is written. ConfigError: something else is at ``target`` and ``force`` is off.
    """
    check_ours(target, MANIFEST)
    unchanged = False
    with contextlib.suppress(_SameStagesError), new_directory(target, force=True) as draft:
        made = _fill(draft, source, force=force)
        if target.exists() and not force:
            unchanged = _same(target, made.digest)
            if not unchanged:
                raise ConfigError(
                    f"{target} exists and is not what would be written. Choose another --out, or add --force "
                    "to replace it."
                )
            raise _SameStagesError
    return ExportedTwoStages(open_two_stage_bundle(target), unchanged)


class _SameStagesError(Exception):
    """Raised to stop when an identical bundle already exists."""


def _same(target: Path, digest: str) -> bool:
    try:
        return open_two_stage_bundle(target).digest == digest
    except ArtifactError:
        return False


def _fill(draft: Path, source: TwoStageSource, *, force: bool) -> TwoStageBundle:
    contract, data = _file_of(source)
    path = draft / contract.model_file
    write_atomic(path, data)
    file = open_stages(path, contract)
    reference = NumpyTwoStages(path, contract)
    ranks = {split: split_ranks(file, reference, held, contract) for split, held in source.held_out.items()}
    quality = quality_of(source.facts, source.name, ranks, len(data))
    if (failure := quality["stages"]["gate"]["failure"]) and not force:
        raise GateError(f"{source.name} is below its gate: {failure} --force publishes it all the same.")
    answered = _answered(file, contract)
    facts = {"name": source.name, "provenance": _provenance(source), "quality": quality}
    write_atomic(draft / CARD_FILE, two_stage_card(facts, contract, len(data)).encode())
    ids = (source.user_ids, source.item_ids)
    rows = source.held_out["test"].evaluation(contract) if source.with_evaluation else None
    bundle = write_two_stage_bundle(draft, contract, ids, answered, facts, rows)
    for runtime in (file, reference):
        check_two_stages(runtime, bundle)
    return bundle


def _file_of(source: TwoStageSource) -> tuple[TwoStageContract, bytes]:
    """The contract, and the model file's bytes."""
    graph = source.first_graph()
    first = graph.contract
    contract = TwoStageContract(
        first=first,
        candidates=source.candidates,
        of_users=source.of_users,
        fields=source.fields,
        folded=source.folded,
    )
    tensors = second_tensors(source.second, source.typical)
    own = _stored_rows(source) if source.of_users else None
    write = named(FORMATS[source.format].stages_writer)
    data: bytes = write(contract, graph, tensors, own, _metadata(_provenance(source), contract))
    return contract, data


def _stored_rows(source: TwoStageSource) -> I32 | NDArray[np.int16]:
    """Users' rows in as few bytes as hold them."""
    small = int(source.user_rows.max(initial=0)) <= np.iinfo(np.int16).max
    return source.user_rows.astype(np.int16) if small else source.user_rows


def _answered(file: TwoStageRuntime, contract: TwoStageContract) -> tuple[TwoStageQuestion, ...]:
    """The self-test's questions with the file's answers."""
    found = []
    for question in stage_questions(contract):
        retrieve = min(contract.candidates, contract.n_items - len({*question.seen}))
        asked = StagedRequest(
            question.user,
            np.array(question.seen, np.int64),
            np.array(question.row, np.int32),
            retrieve,
            min(K, retrieve),
        )
        items, scores = file.rank(asked)
        found.append(
            dataclasses.replace(question, items=tuple(items.tolist()), scores=tuple(scores.tolist()))
        )
    return tuple(found)


def _provenance(source: TwoStageSource) -> dict[str, Any]:
    """Who made this from what; nothing in it depends on when or where."""
    facts = source.facts
    teacher, first = facts.get("teacher"), facts["first_stage"]
    return {
        "created_by": f"recpress-edge {__version__}",
        "command": source.command,
        "student": facts["name"],
        "method": facts["method"],
        "dim": facts["dim"],
        "seed": facts["seed"],
        "teacher": {key: teacher[key] for key in ("name", "sha256")} if teacher else None,
        "first_stage": {key: first[key] for key in ("name", "sha256")},
        "dataset": {
            **{key: facts["dataset"].get(key) for key in ("name", "digest", "protocol")},
            "licence": source.licence,
        },
        "model_sha256": facts["sha256"],
        "versions": versions_of(FORMATS[source.format].made_by),
    }


def _metadata(provenance: Mapping[str, Any], contract: TwoStageContract) -> dict[str, str]:
    """What the model file says about itself when it is found without its bundle."""
    return {
        "recpress.schema": STAGES_SCHEMA,
        "recpress.created_by": provenance["created_by"],
        "recpress.student": provenance["student"],
        "recpress.first_stage": provenance["first_stage"]["name"],
        "recpress.model_sha256": provenance["model_sha256"],
        "recpress.recipe": RECIPE,
        "recpress.fields": ",".join(field.name for field in contract.fields),
    }
