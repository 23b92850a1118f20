"""Candidate lists: what a first stage found at a moment, which of it was taken, and what was known then."""

from dataclasses import dataclass

import numpy as np

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.core.arrays import F32, I32, I64

NOT_FOUND = -1


@dataclass(frozen=True, slots=True, eq=False)
class CandidateLists:
    """Requests (N,) with the best C items of a first stage, best first."""

    users: I64
    """Who asks (N,)."""
    items: I32
    """(N, C)"""
    scores: F32
    """Of the first stage (N, C), descending."""
    taken: I64
    """Place of the item that was taken (N,); NOT_FOUND where the first stage did not find it."""
    rows: I32
    """Rows of the fields of user and context (N, W), as they were known before the choice."""
    taught: F32 | None = None
    """What a teacher says of the candidates (N, C)."""

    def __len__(self) -> int:
        return len(self.users)


@dataclass(frozen=True, slots=True, eq=False)
class ListFields:
    """The fields of a second stage."""

    asked: tuple[FeatureField, ...]
    """Of user and context, in the order of the columns of ``rows``."""
    items: tuple[FeatureField, ...]
    catalogue: I32
    """Every item's rows of its own fields (I, W_T)."""


@dataclass(frozen=True, slots=True, eq=False)
class ListInput:
    """What a second stage learns from."""

    fields: ListFields
    lists: CandidateLists
    """Those alone of which the taken item was found."""
    unit: float
    """First-stage scores are divided by it, so that their softmax fits what was taken as well as it can."""


def fitted_unit(scores: F32, taken: I64) -> float:
    """The unit u at which softmax(scores / u) makes the taken places likeliest: (N, C), (N,)."""
    spread = float(np.std(scores, axis=1).mean()) or 1.0
    candidates = [spread * 2.0 ** (power / 4) for power in range(-24, 25)]

    def cost(unit: float) -> float:
        logits = scores / np.float32(unit)
        top = logits.max(axis=1, keepdims=True)
        norm = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
        return float((norm - logits[np.arange(len(taken)), taken]).mean(dtype=np.float64))

    best: float = min(candidates, key=cost)
    return best
