"""A trained click model to a published bundle: fold, store, check against numpy, gate, self-test."""

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge import __version__
from recpress_edge.artifacts.clicks.bundle import ClickBundle, open_click_bundle, write_click_bundle
from recpress_edge.artifacts.clicks.contract import ClickContract
from recpress_edge.artifacts.clicks.evaluation import ClickRows
from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.folded import ITEM, FoldedModel, fold, tensors_of
from recpress_edge.artifacts.clicks.metrics import click_metrics
from recpress_edge.artifacts.clicks.selftest import ClickQuestion, agrees
from recpress_edge.artifacts.clicks.weights import ClickWeights, logits
from recpress_edge.artifacts.formats import DEFAULT, FORMATS
from recpress_edge.artifacts.manifest import CLICK_SCHEMA, MANIFEST
from recpress_edge.core.arrays import I32, U8
from recpress_edge.core.errors import ArtifactError, ConfigError, GateError
from recpress_edge.core.files import check_ours, new_directory, write_atomic
from recpress_edge.core.registry import named
from recpress_edge.device.clicks.ranker import check_clicks
from recpress_edge.device.clicks.runtimes import ClickRuntime, numpy_clicks, open_clicks
from recpress_export.card import CARD_FILE
from recpress_export.clicks.card import click_card
from recpress_export.clicks.questions import questions
from recpress_export.student import bundle_stem, stage

MAX_AUC_LOSS: Final = 0.0005
MAX_LOGLOSS_GAIN: Final = 0.002
"""What int8 may cost on the validation rows."""
TOLERANCE: Final = 1e-4
"""Of a logit, as a share of the self-test's largest: sums of some hundred float32 products differ by 1e-6."""
K: Final = 10
_WRITER: Final = "recpress_export.clicks.graph:clicks_onnx"
"""Imported when a file is written: it needs the package onnx."""
_CHECKED_ROWS: Final = 300
"""Validation rows for which the file ranks the whole catalogue as numpy does."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClickSource:
    """What a click bundle is made from."""

    weights: ClickWeights
    catalogue: I32
    """Every item's rows of its fields' tables (I, W_T)."""
    item_ids: tuple[str, ...]
    users: I32
    """Of the validation rows (n,), like those that follow."""
    items: I32
    labels: U8
    rows: I32
    """(n, W)"""
    asked: I32
    """Columns of user and context alone (n, W_C)."""
    facts: Mapping[str, Any]
    """The model's record."""
    licence: str | None
    command: str
    test: ClickRows | None = None
    """Rows that travel along, for a device to judge the file by."""

    @property
    def name(self) -> str:
        """The model's, with a seed that is not 0."""
        return bundle_stem(str(self.facts["name"]), int(self.facts["seed"]))


@dataclass(frozen=True, slots=True, eq=False)
class ExportedClicks:
    """A published click bundle."""

    bundle: ClickBundle
    unchanged: bool


def of_requests(fields: tuple[FeatureField, ...], rows: I32) -> I32:
    """The columns of user and context of rows (n, W)."""
    kept = np.repeat([field.side != ITEM for field in fields], [field.width for field in fields])
    return np.ascontiguousarray(rows[:, kept])


def build_clicks(source: ClickSource, target: Path, recipe: str, *, force: bool) -> ExportedClicks:
    """Write, check and publish a bundle.

    ``recipe``: one of RECIPES. GateError: it costs more than the gate allows and ``force`` is off; nothing is
    written. ConfigError: something else is at ``target`` and ``force`` is off.
    """
    check_ours(target, MANIFEST)
    unchanged = False
    with contextlib.suppress(_SameThereError), new_directory(target, force=True) as draft:
        made = _fill(draft, source, recipe, force=force)
        if target.exists() and not force:
            unchanged = _same(target, made.digest)
            if not unchanged:
                raise ConfigError(
                    f"{target} exists and is not what would be written. Choose another --out, or add --force "
                    "to replace it."
                )
            raise _SameThereError
    return ExportedClicks(open_click_bundle(target), unchanged)


class _SameThereError(Exception):
    """Raised to stop when an identical bundle already exists."""


def _same(target: Path, digest: str) -> bool:
    try:
        return open_click_bundle(target).digest == digest
    except ArtifactError:
        return False


def _fill(draft: Path, source: ClickSource, recipe: str, *, force: bool) -> ClickBundle:
    model = fold(source.weights, source.catalogue)
    fields = model.request.fields
    contract = ClickContract(
        recipe=recipe,
        n_items=len(source.item_ids),
        dim=source.weights.dim,
        pairs=source.weights.pairs,
        fields=fields,
        folded=tuple(field.name for field in source.weights.fields if field not in fields),
        score_tolerance=0.0,
    )
    provenance = _provenance(source)
    data: bytes = named(_WRITER)(contract, tensors_of(model, recipe), _metadata(provenance, contract))
    path = draft / contract.model_file
    write_atomic(path, data)
    stored, file = numpy_clicks(path, contract), open_clicks(path, contract).model
    answered = _answered(file, questions(fields, contract.n_items))
    largest = max(abs(score) for question in answered for score in question.scores)
    contract = dataclasses.replace(contract, score_tolerance=TOLERANCE * largest)
    _check_file(file, stored, source, answered, contract.score_tolerance)
    quality = _quality(stored, source, contract.recipe, len(data), force=force)
    name = f"{source.name}-{contract.recipe}"
    facts = {"name": name, "provenance": provenance, "quality": quality}
    write_atomic(draft / CARD_FILE, click_card(facts, contract, len(data), source.test).encode())
    bundle = write_click_bundle(draft, contract, source.item_ids, answered, facts, source.test)
    check_clicks(file, bundle)
    check_clicks(stored, bundle)
    return bundle


def _answered(file: ClickRuntime, asked: tuple[ClickQuestion, ...]) -> tuple[ClickQuestion, ...]:
    """The questions with the file's answers."""
    found = []
    for question in asked:
        candidates = np.array(question.candidates, np.int64)
        items, scores = file.rank(np.array(question.row, np.int32), candidates, min(K, candidates.size))
        found.append(
            dataclasses.replace(question, items=tuple(items.tolist()), scores=tuple(scores.tolist()))
        )
    return tuple(found)


def _check_file(
    file: ClickRuntime,
    stored: FoldedModel,
    source: ClickSource,
    answered: tuple[ClickQuestion, ...],
    tolerance: float,
) -> None:
    """The file must rank the catalogue as numpy does, for validation rows and for the self-test's."""
    whole = np.arange(len(source.item_ids))
    rows = [*source.asked[:_CHECKED_ROWS], *(np.array(question.row, np.int32) for question in answered)]
    for row in rows:
        items, scores = stored.rank(row, whole, min(K, whole.size))
        expected = ClickQuestion({}, (), (), tuple(items.tolist()), tuple(scores.tolist()))
        found = file.rank(row, whole, len(items))
        if not agrees(expected, found[0].tolist(), found[1].tolist(), tolerance):
            raise GateError(
                f"the file answers row {row.tolist()} with items {found[0].tolist()}, numpy with "
                f"{items.tolist()}: it does not compute its tables."
            )


def _quality(
    stored: FoldedModel, source: ClickSource, recipe: str, n_bytes: int, *, force: bool
) -> dict[str, Any]:
    """The chain of metrics, and the gate; GateError where that is not met and not overruled."""
    before = click_metrics(source.users, source.labels, logits(source.weights, source.rows))
    after = click_metrics(source.users, source.labels, stored.logits(source.asked, source.items))
    failure = _failure(before, after)
    if failure and not force:
        raise GateError(
            f"{source.name}-{recipe} is below its gate: {failure} --force publishes it all the same."
        )
    teacher = source.facts.get("teacher")
    chain = [stage("teacher", teacher["name"], None, teacher["metrics"])] if teacher else []
    chain += [
        stage("student", str(source.facts["name"]), None, source.facts["metrics"]),
        stage(recipe, f"{source.name}-{recipe}", n_bytes, {"valid": after}),
    ]
    gate = {
        "max_auc_loss": MAX_AUC_LOSS,
        "max_logloss_gain": MAX_LOGLOSS_GAIN,
        "met": failure is None,
        "failure": failure,
        "overruled": failure is not None,
    }
    clicks = {"rows": len(source.labels), "before": before, "after": after, "gate": gate}
    return {"chain": chain, "clicks": clicks}


def _failure(before: Mapping[str, float | None], after: Mapping[str, float | None]) -> str | None:
    """What is lost more than allowed, in a sentence; None where nothing is."""
    for name, sign, limit in (("auc", -1, MAX_AUC_LOSS), ("logloss", 1, MAX_LOGLOSS_GAIN)):
        was, became = before[name], after[name]
        assert was is not None
        assert became is not None
        if sign * (became - was) > limit:
            return f"valid {name} {was:.4f} became {became:.4f}, more than {limit:g} worse."
    return None


def _provenance(source: ClickSource) -> dict[str, Any]:
    """Who made this from what; nothing in it depends on when or where."""
    facts = source.facts
    teacher = facts.get("teacher")
    return {
        "created_by": f"recpress-edge {__version__}",
        "command": source.command,
        "student": facts["name"],
        "method": facts["method"],
        "dim": facts["dim"],
        "seed": facts["seed"],
        "teacher": {key: teacher[key] for key in ("name", "sha256")} if teacher else None,
        "dataset": {
            **{key: facts["dataset"].get(key) for key in ("name", "digest", "protocol", "labels_digest")},
            "licence": source.licence,
        },
        "model_sha256": facts["sha256"],
        "versions": {package: version(package) for package in FORMATS[DEFAULT].made_by},
    }


def _metadata(provenance: Mapping[str, Any], contract: ClickContract) -> dict[str, str]:
    """What the model file says about itself when it is found without its bundle."""
    return {
        "recpress.schema": CLICK_SCHEMA,
        "recpress.created_by": provenance["created_by"],
        "recpress.student": provenance["student"],
        "recpress.model_sha256": provenance["model_sha256"],
        "recpress.recipe": contract.recipe,
        "recpress.fields": ",".join(field.name for field in contract.fields),
    }
