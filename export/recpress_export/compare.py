"""How far one ranking is from another of the same users."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.core.arrays import F64, I64
from recpress_edge.core.errors import DataError
from recpress_edge.core.metrics import (
    is_certain,
    ndcg_by_user,
    overlap_by_user,
    recall_by_user,
    reported_cutoffs,
    without_certain,
)
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import Interval, paired_bootstrap
from recpress_export.popularity import Third, recall_by_third
from recpress_export.ranking import TopLists


@dataclass(frozen=True, slots=True)
class Overlap:
    """Share of a list that the reference holds too: mean and lowest of the users."""

    mean: float
    lowest: float


@dataclass(frozen=True, slots=True)
class Change:
    """A metric of the reference and of the file, and the mean difference with its bootstrap interval."""

    before: float
    after: float
    delta: Interval


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Yardstick:
    """What a comparison of two rankings needs besides them."""

    users: Evaluation
    """The validation users."""
    item_counts: I64
    """(I,) train interactions of each item of the catalogue."""
    cutoff: int
    """The K that judges; see core.metrics.judging_cutoff."""
    seed: int
    """Of the bootstrap alone."""

    @property
    def n_items(self) -> int:
        return int(self.item_counts.size)


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a file's rankings are from its reference's."""

    reference: str
    """What the file is compared with."""
    users: int
    cutoff: int
    """The K that judges."""
    overlap: Mapping[str, Overlap]
    """overlap@10, unless nobody has more than 10 candidates, and overlap@cutoff."""
    change: Mapping[str, Change]
    """recall@cutoff, ndcg@cutoff; empty where nothing was held out."""
    item_shift: float
    """Largest change of the share of users who have an item among their first ``cutoff``."""
    certain: bool
    """Whether nobody has more than ``cutoff`` candidates: then no ranking differs from another."""
    identical_users: int
    """Users whose list of 50 is the same, in the same order."""
    first_difference: float | None
    """First rank (from 1) that differs: the median over the other users."""
    metrics_before: Mapping[str, float | None]
    metrics_after: Mapping[str, float | None]
    by_popularity: Mapping[str, Third]
    """Recall@cutoff by head, mid and tail: thirds of the train interactions."""
    exact_users: int | None = None
    """Users for whom ids and scores equal the integer reference; None where the recipe is not exact."""

    def facts(self) -> dict[str, Any]:
        """As plain JSON."""
        return dataclasses.asdict(self)


def compare(
    reference: TopLists,
    found: TopLists,
    by: Yardstick,
    name: str,
    *,
    exact: int | None = None,
    error: float = 0.0,
) -> Parity:
    """Both rankings of the same users. ``name``: of the reference; ``exact``: see Parity.exact_users.

    Where nobody has anything relevant, the lists are compared and no metric is.

    ``error``: share of a list's largest score within which scores of both sides tie. Of the items that tie
    with the last place either may be listed, so they count as shared.
    """
    users, k = by.users, by.cutoff
    if not users.users.size:
        raise DataError("the data set has no validation users, so the export cannot be checked")
    relevant = [users.relevant(row).tolist() for row in range(users.users.size)]
    judged = users.relevant_indices.size > 0
    candidates = users.candidates(by.n_items) if judged else by.n_items - np.diff(users.seen_indptr)
    lists = (reference.items, found.items)
    before, after = (_metrics(items, relevant, k) if judged else {} for items in lists)
    differs = reference.items != found.items
    other = differs.any(axis=1)
    first = reference.items[:, :k], found.items[:, :k]
    return Parity(
        reference=name,
        users=int(users.users.size),
        cutoff=k,
        overlap={
            f"overlap@{n}": _overlap(reference, found, n, error)
            for n in sorted({k} if is_certain(10, candidates) else {10, k})
        },
        change={
            metric: _change(before[metric], after[metric], by.seed, metric)
            for metric in (f"recall@{k}", f"ndcg@{k}")
            if judged
        },
        item_shift=_item_shift(*first, by.n_items),
        certain=is_certain(k, candidates),
        identical_users=int((~other).sum()),
        first_difference=float(np.median(differs[other].argmax(axis=1) + 1)) if other.any() else None,
        metrics_before=without_certain(_means(before), candidates),
        metrics_after=without_certain(_means(after), candidates),
        by_popularity=recall_by_third(*first, relevant, by.item_counts, by.seed),
        exact_users=exact,
    )


def _metrics(items: I64, relevant: list[list[int]], judge: int) -> dict[str, F64]:
    cutoffs = reported_cutoffs(judge)
    return {
        **{f"recall@{k}": recall_by_user(items[:, :k], relevant) for k in cutoffs},
        **{f"ndcg@{k}": ndcg_by_user(items[:, :k], relevant) for k in cutoffs},
    }


def _means(by_user: Mapping[str, F64]) -> dict[str, float]:
    return {metric: float(np.nanmean(values)) for metric, values in by_user.items()}


def _item_shift(before: I64, after: I64, n_items: int) -> float:
    """Largest change of an item's share of lists (B, K): shows one wrong row, which a mean hardly does."""
    left, right = (np.bincount(items[items >= 0], minlength=n_items) for items in (before, after))
    return float(np.abs(left - right).max() / len(before))


def _overlap(reference: TopLists, found: TopLists, k: int, error: float) -> Overlap:
    left, right = reference.items[:, :k], found.items[:, :k]
    # Padding must not count as shared (-1 on one side, -2 on the other), nor lengthen a list.
    shared = overlap_by_user(left, np.where(right < 0, -2, right)) * left.shape[1]
    if error:
        shared += _tied_with_the_last(reference, found, k, error)
    shares = shared / np.maximum(np.minimum(reference.lengths(), k), 1)
    return Overlap(float(shares.mean()), float(shares.min()))


def _tied_with_the_last(reference: TopLists, found: TopLists, k: int, error: float) -> F64:
    """Items of each list that the reference's ends before, with scores that tie with its last (B,)."""
    left, right = reference.items[:, :k], found.items[:, :k]
    least = reference.scores[:, :k].min(axis=1) - error * np.abs(reference.scores).max(axis=1)
    full = reference.lengths() >= k  # a shorter list holds every candidate
    tied = (found.scores[:, :k] >= least[:, None]) & (right >= 0) & full[:, None]
    others = [np.isin(of, before, invert=True) for of, before in zip(right, left, strict=True)]
    return np.asarray((tied & np.array(others)).sum(axis=1), np.float64)


def _change(before: F64, after: F64, seed: int, metric: str) -> Change:
    interval = paired_bootstrap(before, after, stream(seed, f"parity {metric}"))
    return Change(float(np.nanmean(before)), float(np.nanmean(after)), interval)
