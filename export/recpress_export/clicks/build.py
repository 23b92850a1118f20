"""A trained click model to a published bundle: fold, store, check against numpy, gate, self-test."""

import contextlib
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.clicks.bundle import ClickBundle, open_click_bundle, write_click_bundle
from recpress_edge.artifacts.clicks.evaluation import EvaluationRows
from recpress_edge.artifacts.clicks.folded import FoldedModel
from recpress_edge.artifacts.clicks.metrics import click_metrics
from recpress_edge.artifacts.clicks.selftest import ClickQuestion, agrees
from recpress_edge.artifacts.clicks.weights import logits
from recpress_edge.artifacts.formats import DEFAULT
from recpress_edge.artifacts.manifest import MANIFEST
from recpress_edge.core.errors import ArtifactError, ConfigError, GateError
from recpress_edge.core.files import check_ours, new_directory, write_atomic
from recpress_edge.device.clicks.ranker import check_clicks
from recpress_edge.device.clicks.runtimes import ClickRuntime, numpy_clicks, open_clicks
from recpress_export.card import CARD_FILE
from recpress_export.clicks.card import click_card
from recpress_export.clicks.draft import ClickSource, DraftModel, bundle_name, draft_model, of_requests
from recpress_export.clicks.questions import questions
from recpress_export.student import stage

__all__ = ["ClickSource", "ExportedClicks", "build_clicks", "of_requests"]

MAX_AUC_LOSS: Final = 0.0005
MAX_LOGLOSS_GAIN: Final = 0.002
"""What int8 may cost on the validation rows."""
TOLERANCE: Final = 1e-4
"""Of a logit, as a share of the self-test's largest: sums of some hundred float32 products differ by 1e-6."""
K: Final = 10
_CHECKED_ROWS: Final = 300
"""Validation rows for which the file ranks the whole catalogue as numpy does."""


@dataclass(frozen=True, slots=True, eq=False)
class ExportedClicks:
    """A published click bundle."""

    bundle: ClickBundle
    unchanged: bool


def build_clicks(
    source: ClickSource,
    target: Path,
    recipe: str,
    *,
    force: bool,
    file_format: str = DEFAULT,
    gated: bool = False,
) -> ExportedClicks:
    """Write, check and publish a bundle.

    ``recipe``: one of those of the format. GateError: it costs more than the gate allows, and ``force`` is
    off or the bundle must be ``gated``; nothing is written. ConfigError: something else is at ``target``
    and ``force`` is off.
    """
    check_ours(target, MANIFEST)
    unchanged = False
    with contextlib.suppress(_SameThereError), new_directory(target, force=True) as draft:
        made = _fill(draft, source, draft_model(source, recipe, file_format), force=force and not gated)
        if target.exists() and not force:
            unchanged = _same(target, made.digest)
            if not unchanged:
                raise ConfigError(
                    f"{target} exists and is not what would be written. Choose another --out, or add --force "
                    "to replace it."
                )
            raise _SameThereError
    return ExportedClicks(open_click_bundle(target), unchanged)


class BelowGateError(GateError):
    """A file loses more than the gate allows."""

    def __init__(self, message: str, failure: str) -> None:
        super().__init__(message)
        self.failure = failure


class _SameThereError(Exception):
    """Raised to stop when an identical bundle already exists."""


def _same(target: Path, digest: str) -> bool:
    try:
        return open_click_bundle(target).digest == digest
    except ArtifactError:
        return False


def _fill(draft: Path, source: ClickSource, stored_as: DraftModel, *, force: bool) -> ClickBundle:
    contract, provenance = stored_as.contract, stored_as.provenance
    data = stored_as.to_bytes()
    path = draft / contract.model_file
    write_atomic(path, data)
    stored, file = numpy_clicks(path, contract), open_clicks(path, contract).model
    answered = _answered(file, questions(contract.fields, contract.n_items))
    largest = max(abs(score) for question in answered for score in question.scores)
    contract = dataclasses.replace(contract, score_tolerance=TOLERANCE * largest)
    _check_file(file, stored, source, answered, contract.score_tolerance)
    quality = _quality(stored, source, contract.recipe, len(data), force=force)
    name = bundle_name(source, contract.recipe, contract.format)
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
    """The file must rank the catalogue as numpy does, for validation rows and for the self-test's, and give
    every validation row its logit.
    """
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
    asked = EvaluationRows(source.asked, source.items, source.labels, source.users)
    apart = np.abs(asked.logits(file.rank) - stored.logits(source.asked, source.items)).max()
    if not apart <= tolerance:  # also catches NaN
        raise GateError(
            f"a validation row's logit is {apart:g} from numpy's: the file does not compute its tables."
        )


def _quality(
    stored: FoldedModel, source: ClickSource, recipe: str, n_bytes: int, *, force: bool
) -> dict[str, Any]:
    """The chain of metrics, and the gate; GateError where that is not met and not overruled."""
    before = click_metrics(source.users, source.labels, logits(source.weights, source.rows))
    after = click_metrics(source.users, source.labels, stored.logits(source.asked, source.items))
    failure = _failure(before, after)
    if failure and not force:
        raise BelowGateError(
            f"{source.name}-{recipe} is below its gate: {failure} --force publishes it all the same.", failure
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
