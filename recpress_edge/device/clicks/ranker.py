"""A click bundle that answers on a device: values of a request in, the best candidates out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.artifacts.clicks.bundle import ClickBundle, open_click_bundle
from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.selftest import Values, agrees
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ArtifactError, ConfigError, unknown_name
from recpress_edge.device.clicks.runtimes import NUMPY, ONNXRUNTIME, ClickRuntime, open_clicks

__all__ = ["NUMPY", "ONNXRUNTIME", "ClickRanker", "RankedCandidates", "check_clicks", "check_values"]


@dataclass(frozen=True, slots=True, eq=False)
class RankedCandidates:
    """An answer: items by their ids, best first, with the chance of each."""

    items: tuple[str, ...]
    logits: F32
    """(k,)"""
    unknown: tuple[str, ...]
    """Candidates that the bundle does not know, in the order given; they are left out."""

    @property
    def chances(self) -> F32:
        """1 / (1 + e^−logit) (k,)."""
        found: F32 = (1 / (1 + np.exp(-self.logits.astype(np.float64)))).astype(np.float32)
        return found


class ClickRanker:
    """A click bundle, verified and self-tested, ready to answer."""

    def __init__(self, bundle: ClickBundle, runtime: ClickRuntime) -> None:
        self.bundle, self._runtime = bundle, runtime
        self._ids = bundle.item_ids()
        self._index = {name: place for place, name in enumerate(self._ids)}

    @classmethod
    def load(cls, folder: Path | str, runtime: str | None = None, *, trust: Trust = ANYBODY) -> "ClickRanker":
        """Open a bundle by its format's runtime or by ``numpy``; ArtifactError where its self-test fails.

        ``trust``: whose bundles are taken.
        """
        bundle = open_click_bundle(Path(folder), trust)
        opened = open_clicks(bundle.model_path, bundle.contract, runtime)
        check_clicks(opened.model, bundle)
        return cls(bundle, opened.model)

    @property
    def fields(self) -> tuple[str, ...]:
        """What a request may state."""
        return tuple(field.name for field in self.bundle.contract.fields)

    def rank(
        self,
        values: Values,
        candidates: Sequence[str] | None = None,
        k: int = 10,
        seen: Sequence[str] = (),
    ) -> RankedCandidates:
        """The best k of the candidates, or of the whole catalogue, for a request.

        ``values``: by field; one that is not named is missing. ``seen`` items are left out. Fewer than k
        candidates are all ranked. ConfigError for an unknown field, a k below 1, or no known candidate.
        """
        for name in values:
            if name not in self.fields:
                raise unknown_name("field", name, self.fields)
        if k < 1:
            raise ConfigError(f"k must be at least 1, got {k}")
        unknown: tuple[str, ...] = ()
        among = np.arange(len(self._ids))
        if candidates is not None:
            unknown = tuple(dict.fromkeys(name for name in candidates if name not in self._index))
            among = np.unique([self._index[name] for name in candidates if name in self._index])
        among = np.setdiff1d(among, [self._index[name] for name in seen if name in self._index])
        if not among.size:
            raise ConfigError("none of the candidates is an item of the bundle")
        row = np.array(_row(self.bundle.contract.fields, values), np.int32)
        items, logits = self._runtime.rank(row, among.astype(np.int64), min(k, among.size))
        return RankedCandidates(tuple(self._ids[item] for item in items.tolist()), logits, unknown)


def check_values(fields: tuple[FeatureField, ...], values: Values) -> None:
    """ConfigError for a value that its field cannot read."""
    _row(fields, values)


def _row(fields: tuple[FeatureField, ...], values: Values) -> list[int]:
    return [row for field in fields for row in _rows(field, values.get(field.name))]


def _rows(field: FeatureField, value: Any) -> list[int]:
    several = isinstance(value, list | tuple)
    if value is not None and several != (field.kind == "many"):
        wanted = "a list of texts" if field.kind == "many" else "one value"
        raise ConfigError(f"field {field.name!r} takes {wanted}, got {value!r}")
    if not several and (isinstance(value, bool) or not isinstance(value, str | int | float | None)):
        raise ConfigError(f"field {field.name!r} takes a text or a number, got {value!r}")
    try:
        return field.rows_of(value)
    except ValueError as error:
        raise ConfigError(f"field {field.name!r}: {error}") from None


def check_clicks(runtime: ClickRuntime, bundle: ClickBundle) -> None:
    """Ask a runtime the self-test; ArtifactError for another answer."""
    for number, question in enumerate(bundle.selftest()):
        row, candidates = np.array(question.row, np.int32), np.array(question.candidates, np.int64)
        items, scores = runtime.rank(row, candidates, len(question.items))
        if not agrees(question, items.tolist(), scores.tolist(), bundle.contract.score_tolerance):
            raise ArtifactError(
                f"{bundle.folder}: question {number} of the self-test is answered otherwise: items "
                f"{items.tolist()[:5]}, expected {list(question.items[:5])}",
                fault="answers",
            )
