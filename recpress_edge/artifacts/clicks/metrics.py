"""Metrics of rows with labels: AUC, log loss, GAUC and calibration, in float64, each with its formula."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import F64
from recpress_edge.core.errors import DataError

CLIP: Final = 1e-7
"""Log loss takes no probability nearer to 0 or 1."""
BINS: Final = 10
"""Of equal mass, by which calibration is told."""
CLICK_METRICS: Final = ("auc", "logloss", "gauc", "calibration_error")
"""What every table and record of a click model states."""
TITLES: Final = {"auc": "AUC", "logloss": "log loss", "gauc": "GAUC", "calibration_error": "calibration"}
DEFINITION: Final = (
    "AUC by ranks, ties averaged; log loss of probabilities between 1e-7 and 1 - 1e-7; GAUC is the AUC "
    "within each user who has both outcomes, weighted by rows; calibration error is the mean gap between "
    "predicted and observed rate over 10 bins of equal mass"
)
"""Of these metrics, for a record."""

Labels = NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows whose predictions are next to each other."""

    rows: int
    predicted: float
    """Mean probability."""
    observed: float
    """Share of rows with label 1."""


def auc(labels: Labels, scores: NDArray[Any]) -> float:
    """P(s⁺ > s⁻) + ½ P(s⁺ = s⁻) over all pairs of a row with label 1 and one with 0.

    By ranks, equal scores sharing their mean: (Σ rank⁺ − P(P + 1)/2) / (P · N). labels (n,) of 0 and 1,
    scores (n,); one outcome alone is a DataError.
    """
    ends, total = _both(labels)
    values, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    if np.isnan(values[-1]):
        raise DataError("scores are not numbers: training diverged, lower the learning rate")
    last = np.cumsum(counts, dtype=np.float64)
    ranks = last - (counts - 1) / 2  # from 1
    positive = np.bincount(place[labels == 1], minlength=values.size).astype(np.float64)
    return float((positive @ ranks - ends * (ends + 1) / 2) / (ends * (total - ends)))


def logloss(labels: Labels, probabilities: NDArray[Any]) -> float:
    """−mean(y log p + (1 − y) log(1 − p)), p between CLIP and 1 − CLIP. labels and probabilities (n,)."""
    kept = np.clip(np.asarray(probabilities, np.float64), CLIP, 1 - CLIP)
    return float(-np.where(labels == 1, np.log(kept), np.log1p(-kept)).mean())


def gauc(users: NDArray[np.integer], labels: Labels, scores: NDArray[Any]) -> float | None:
    """Σ_u n_u AUC_u / Σ_u n_u over the users who have both outcomes; None where nobody has.

    Global AUC mostly measures which users are generous; this one ranks within each. users (n,), labels (n,),
    scores (n,).
    """
    order = np.lexsort((scores, users))
    owner, rank = users[order], np.arange(1, users.size + 1, dtype=np.float64)
    first = np.flatnonzero(np.r_[True, owner[1:] != owner[:-1]])
    group = np.cumsum(np.r_[False, owner[1:] != owner[:-1]])
    sizes = np.diff(np.r_[first, owner.size]).astype(np.float64)
    ranks = _mean_of_equal(rank, group, scores[order]) - first[group]
    hits = labels[order] == 1
    positives = np.bincount(group[hits], minlength=sizes.size).astype(np.float64)
    gained = np.bincount(group[hits], ranks[hits], minlength=sizes.size)
    both = (positives > 0) & (positives < sizes)
    if not both.any():
        return None
    pairs = positives[both] * (sizes - positives)[both]
    each = (gained[both] - positives[both] * (positives[both] + 1) / 2) / pairs
    return float(each @ sizes[both] / sizes[both].sum())


def _mean_of_equal(ranks: F64, group: NDArray[np.integer], scores: NDArray[Any]) -> F64:
    """Ranks (n,) of rows sorted by group and score, those of equal group and score averaged."""
    new = np.r_[True, (group[1:] != group[:-1]) | (scores[1:] != scores[:-1])]
    tie = np.cumsum(new) - 1
    found: F64 = (np.bincount(tie, ranks) / np.bincount(tie))[tie]
    return found


def calibration(labels: Labels, probabilities: NDArray[Any], bins: int = BINS) -> tuple[CalibrationBin, ...]:
    """Rows by predicted probability in ``bins`` of equal mass, ascending; of fewer rows a bin each.

    labels (n,), probabilities (n,). Equal predictions keep the order of the rows.
    """
    order = np.argsort(probabilities, kind="stable")
    return tuple(
        CalibrationBin(
            part.size, float(np.mean(probabilities[part], dtype=np.float64)), float(labels[part].mean())
        )
        for part in np.array_split(order, bins)
        if part.size
    )


def calibration_error(found: tuple[CalibrationBin, ...]) -> float:
    """Σ_b n_b |p̄_b − ȳ_b| / n over the bins of :func:`calibration`."""
    total = sum(one.rows for one in found)
    return sum(one.rows * abs(one.predicted - one.observed) for one in found) / total


def click_metrics(
    users: NDArray[np.integer], labels: Labels, logits: NDArray[Any]
) -> dict[str, float | None]:
    """All CLICK_METRICS of the rows (n,); the probability is the logistic function of the ``logits`` (n,)."""
    probabilities = probability(logits)
    return {
        "auc": auc(labels, logits),
        "logloss": logloss(labels, probabilities),
        "gauc": gauc(users, labels, logits),
        "calibration_error": calibration_error(calibration(labels, probabilities)),
    }


def probability(logits: NDArray[Any]) -> F64:
    """σ(z) = 1 / (1 + e^(−z)), in float64 and without overflow. logits (n,) -> (n,)."""
    wide = np.asarray(logits, np.float64)
    falling = np.exp(-np.abs(wide))
    found: F64 = np.where(wide >= 0, 1 / (1 + falling), falling / (1 + falling))
    return found


def _both(labels: Labels) -> tuple[float, float]:
    """How many rows have label 1, and how many there are."""
    ones, total = float(np.count_nonzero(labels)), float(labels.size)
    if ones in (0.0, total):
        raise DataError("AUC needs rows of both outcomes, and all of these have one")
    return ones, total
