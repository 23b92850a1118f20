"""A trained model of two stages to a published bundle: whole numbers, one file, numpy's answers, the gate."""

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge import __version__
from recpress_edge.artifacts.clicks.fields import FeatureField
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
    MODEL_FILE,
    RECIPE,
    TwoStageContract,
    first_contract,
)
from recpress_edge.artifacts.two_stages.second import second_tensors
from recpress_edge.artifacts.two_stages.selftest import TwoStageQuestion
from recpress_edge.artifacts.two_stages.weights import SecondWeights
from recpress_edge.core.arrays import I32, I64
from recpress_edge.core.errors import ArtifactError, ConfigError, GateError
from recpress_edge.core.files import check_ours, new_directory, write_atomic
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import paired_bootstrap
from recpress_edge.device.two_stages.recommender import check_two_stages
from recpress_edge.device.two_stages.runtimes import (
    NumpyTwoStages,
    OnnxTwoStages,
    StagedRequest,
    TwoStageRuntime,
)
from recpress_export.card import CARD_FILE
from recpress_export.graph import contract_for
from recpress_export.student import bundle_stem, stage
from recpress_export.subjects.all_users import checked_tables, row_encoding
from recpress_export.two_stages.card import two_stage_card
from recpress_export.two_stages.graph import two_stages_onnx
from recpress_export.two_stages.questions import stage_questions

K: Final = 10
GATED_BY: Final = "ndcg@10"
MOST_COMPARED: Final = 10_000
"""Held-out users of a split at most whom numpy is asked about too; more are drawn."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldOut:
    """Requests of a split (N,), and the item that was taken."""

    users: I64
    rows: I32
    """What a request states (N, W)."""
    hidden: tuple[I64, I64]
    """indptr (N + 1,) and items of what is no candidate."""
    taken: I64

    def asked(self, at: int, contract: TwoStageContract, k: int | None = None) -> StagedRequest:
        """One request; ``k``: None for all that the first stage finds."""
        seen = self.hidden[1][self.hidden[0][at] : self.hidden[0][at + 1]]
        retrieve = min(contract.candidates, contract.n_items - np.unique(seen).size)
        return StagedRequest(int(self.users[at]), seen, self.rows[at], retrieve, min(k or retrieve, retrieve))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoStageSource:
    """What a bundle of two stages is made from."""

    first: Student
    second: SecondWeights
    of_users: tuple[FeatureField, ...]
    fields: tuple[FeatureField, ...]
    user_rows: I32
    """Every user's rows of the fields of users (U, W_U)."""
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

    @property
    def name(self) -> str:
        """The model's, with a seed that is not 0."""
        return bundle_stem(str(self.facts["name"]), int(self.facts["seed"]))


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
    with contextlib.suppress(_SameThereError), new_directory(target, force=True) as draft:
        made = _fill(draft, source, force=force)
        if target.exists() and not force:
            unchanged = _same(target, made.digest)
            if not unchanged:
                raise ConfigError(
                    f"{target} exists and is not what would be written. Choose another --out, or add --force "
                    "to replace it."
                )
            raise _SameThereError
    return ExportedTwoStages(open_two_stage_bundle(target), unchanged)


class _SameThereError(Exception):
    """Raised to stop when an identical bundle already exists."""


def _same(target: Path, digest: str) -> bool:
    try:
        return open_two_stage_bundle(target).digest == digest
    except ArtifactError:
        return False


def _fill(draft: Path, source: TwoStageSource, *, force: bool) -> TwoStageBundle:
    recipe = recipe_named(FIRST_RECIPE)
    first = first_contract(
        contract_for(
            recipe,
            DEFAULT,
            n_users=source.first.n_users,
            n_items=source.first.n_items,
            dim=source.first.dim,
        )
    )
    graph = row_encoding(first, checked_tables(source.first, recipe)).graph
    contract = TwoStageContract(
        first=first,
        candidates=source.candidates,
        of_users=source.of_users,
        fields=source.fields,
        folded=source.folded,
    )
    provenance = _provenance(source)
    tensors = second_tensors(source.second, source.typical)
    own = _stored_rows(source) if source.of_users else None
    data = two_stages_onnx(contract, graph, tensors, own, _metadata(provenance, contract))
    path = draft / MODEL_FILE
    write_atomic(path, data)
    file, reference = OnnxTwoStages(path, contract), NumpyTwoStages(path, contract)
    ranks = {split: _ranks(file, reference, held, contract) for split, held in source.held_out.items()}
    quality = _quality(source, ranks, len(data), force=force)
    answered = _answered(file, contract)
    name = f"{source.name}-{RECIPE}"
    facts = {"name": name, "provenance": provenance, "quality": quality}
    write_atomic(draft / CARD_FILE, two_stage_card(facts, contract, len(data)).encode())
    bundle = write_two_stage_bundle(draft, contract, (source.user_ids, source.item_ids), answered, facts)
    for runtime in (file, reference):
        check_two_stages(runtime, bundle)
    return bundle


def _stored_rows(source: TwoStageSource) -> I32 | NDArray[np.int16]:
    """Users' rows in as few bytes as hold them."""
    small = int(source.user_rows.max(initial=0)) <= np.iinfo(np.int16).max
    return source.user_rows.astype(np.int16) if small else source.user_rows


def _answered(file: OnnxTwoStages, contract: TwoStageContract) -> tuple[TwoStageQuestion, ...]:
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


@dataclass(frozen=True, slots=True, eq=False)
class _Ranks:
    """Of the held-out item of each user (N,), from 0; what the first stage did not find is behind all."""

    first: I64
    both: I64
    found: float
    """Share of them that the first stage found."""
    compared: int
    """Users whose list numpy gives too, to the bit."""


def _ranks(
    file: OnnxTwoStages, reference: TwoStageRuntime, held: HeldOut, contract: TwoStageContract
) -> _Ranks:
    """The lists of a split; GateError where numpy's differ from the file's in an id or a score."""
    first, both = np.full((2, held.users.size), contract.n_items, np.int64)
    compared = np.zeros(held.users.size, np.bool_)
    compared[stream(0, "compared users").permutation(held.users.size)[:MOST_COMPARED]] = True
    for at in range(held.users.size):
        asked = held.asked(at, contract)
        answers = file.rank(asked), file.first(asked)
        if compared[at]:
            _check_equal(answers, (reference.rank(asked), reference.first(asked)), asked)
        for ranks, (items, _) in zip((both, first), answers, strict=True):
            place = np.flatnonzero(items == held.taken[at])
            if place.size:
                ranks[at] = place[0]
    return _Ranks(first, both, float((first < contract.n_items).mean()), int(compared.sum()))


def _check_equal(file: Any, reference: Any, asked: StagedRequest) -> None:
    for found, wanted in zip(file, reference, strict=True):
        if not all(np.array_equal(one, other) for one, other in zip(found, wanted, strict=True)):
            raise GateError(
                f"the file answers user {asked.user} with items {found[0].tolist()[:K]}, numpy with "
                f"{wanted[0].tolist()[:K]}: it does not compute its tables."
            )


def _metrics(ranks: I64) -> dict[str, Any]:
    """Recall and NDCG of one held-out item a user (N,)."""
    gained = np.where(ranks < K, 1.0 / np.log2(ranks + 2.0), 0.0)
    return {
        GATED_BY: gained,
        **{f"recall@{k}": (ranks < k).astype(np.float64) for k in (K, 50)},
    }


def _gain(ranks: _Ranks) -> dict[str, Any]:
    """Of each metric both means, the difference and its 95 % interval over users."""
    before, after = _metrics(ranks.first), _metrics(ranks.both)
    found: dict[str, Any] = {"users": ranks.first.size, "found": ranks.found, "compared": ranks.compared}
    for name, values in before.items():
        interval = paired_bootstrap(values, after[name], stream(0, f"two stages {name}"))
        means = {"first": float(values.mean()), "both": float(after[name].mean())}
        found[name] = {**means, "gain": interval.mean, "low": interval.low, "high": interval.high}
    return found


def _quality(
    source: TwoStageSource, ranks: Mapping[str, _Ranks], n_bytes: int, *, force: bool
) -> dict[str, Any]:
    """The chain of metrics, and the gate; GateError where that is not met and not overruled."""
    gains = {split: _gain(of_split) for split, of_split in ranks.items()}
    failure = _failure(source, gains["valid"][GATED_BY])
    if failure and not force:
        raise GateError(
            f"{source.name}-{RECIPE} is below its gate: {failure} --force publishes it all the same."
        )
    teacher, first = source.facts.get("teacher"), source.facts["first_stage"]
    chain = [stage("teacher", teacher["name"], None, teacher["metrics"])] if teacher else []
    after = {
        split: {name: gain[name]["both"] for name in _metrics(np.zeros(1, np.int64))}
        for split, gain in gains.items()
    }
    chain += [
        stage("first stage", first["name"], None, first["metrics"]),
        stage("two stages", str(source.facts["name"]), None, source.facts["metrics"]),
        stage(RECIPE, f"{source.name}-{RECIPE}", n_bytes, after),
    ]
    gate = {"met": failure is None, "failure": failure, "overruled": failure is not None}
    return {"chain": chain, "stages": {"candidates": source.candidates, "gain": gains, "gate": gate}}


def _failure(source: TwoStageSource, gain: Mapping[str, float]) -> str | None:
    """Why the second stage is not worth its bytes, in a sentence; None where it is."""
    if gain["low"] > 0:
        return None
    return (
        f"valid NDCG@10 {gain['first']:.4f} of the first stage alone became {gain['both']:.4f}: "
        f"{gain['gain']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}] with 95 % confidence, not above "
        f"0. Ship the first stage alone: recpress-edge export --student {source.first.name} --int8."
    )


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
        "versions": {package: version(package) for package in FORMATS[DEFAULT].made_by},
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
