"""Ranking metrics, each with its formula, over all items or over thirds by popularity."""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import F64, I64, Bool

CUTOFFS: Final = (10, 20, 50)
"""The K of every table."""
DEFAULT_CUTOFF: Final = 50
"""The K that judges where nothing says otherwise."""
HEAD_CUTOFF: Final = 10
"""The K of the head of a list: what a device shows."""
BALANCED: Final = "balanced"
CHOICES: Final = (
    BALANCED,
    "recall",
    "ndcg",
    *(f"{kind}@{k}" for k in CUTOFFS for kind in ("recall", "ndcg")),
)
"""What an epoch, a setting or a model is chosen by; without a K it is the one that judges the data set.

Balanced is the geometric mean of Recall at that K and NDCG@10. It reads the whole list and its head; a gain
of one per cent counts the same in either, whatever their scales, and none is bought by giving up the other.
"""
CLICK_CHOICES: Final = ("auc", "logloss")
"""What an epoch of a click model is chosen by; log loss the lower the better."""
_WRITTEN: Final = {"recall": "Recall", "ndcg": "NDCG"}
_JUDGES: Final = (50, 20, 10, 5, 3, 2, 1)
_JUDGED_SHARE: Final = 4

THIRDS: Final = ("head", "mid", "tail")
"""The three groups by which recall is split, everywhere."""

RECALL_DEFINITION = (
    "hits / |relevant|, full ranking, ties to the lower item index, users with >= 1 relevant item"
)


def judging_cutoff(candidates: NDArray[np.integer]) -> int:
    """The K by which models of a data set are chosen and gated: 50 unless the catalogue is too small for it.

    The largest of 50, 20, 10, 5, 3, 2, 1 that is at most a quarter of the median number of candidates:
    with more, a list in any order holds most of what is relevant, and tells a model from chance poorly.
    candidates (B,): unmasked items of each evaluated user.
    """
    middle = float(np.median(candidates)) if candidates.size else 0.0
    return next((k for k in _JUDGES if k * _JUDGED_SHARE <= middle), _JUDGES[-1])


def is_certain(k: int, candidates: NDArray[np.integer]) -> bool:
    """Whether Recall@k is 1 for every user in whatever order: nobody has more than k candidates (B,)."""
    return int(candidates.max(initial=0)) <= k


def stated_cutoff(facts: Mapping[str, Any]) -> int:
    """The judging K that a model's or record's facts state under "cutoff"; 50 where they state none."""
    value = facts.get("cutoff")
    return value if type(value) is int and value in _JUDGES else DEFAULT_CUTOFF


def telling_cutoff(facts: Mapping[str, Any], candidates: NDArray[np.integer]) -> int:
    """:func:`stated_cutoff`, unless it tells nothing of users with so many candidates (B,)."""
    stated = stated_cutoff(facts)
    return judging_cutoff(candidates) if is_certain(stated, candidates) else stated


def worth(metrics: Mapping[str, Any], cutoff: int, by: str = BALANCED) -> tuple[float, float]:
    """By what models of a data set are compared: the higher the better, then the second figure.

    ``metrics``: recall@K and ndcg@K for K of :func:`reported_cutoffs` of ``cutoff``. A recall that is None
    (1 in whatever order) tells nothing: NDCG@cutoff decides. By one of CLICK_CHOICES, both of these are read.
    """
    if by in CLICK_CHOICES:
        auc, loss = float(metrics["auc"]), -float(metrics["logloss"])
        return (auc, loss) if by == "auc" else (loss, auc)
    whole, head = metrics[f"recall@{cutoff}"], metrics[f"ndcg@{min(HEAD_CUTOFF, cutoff)}"]
    last = float(metrics[f"ndcg@{cutoff}"])
    if whole is None:
        return last, head
    if by == BALANCED:
        return math.sqrt(whole * head), last
    value = metrics[by] if "@" in by else metrics[f"{by}@{cutoff}"]
    return (last if value is None else value), last


def reported_cutoffs(judge: int) -> tuple[int, ...]:
    """The K of every table, and the one that judges where it is none of them."""
    return tuple(sorted({*CUTOFFS, judge}))


def shown_metrics(judge: int) -> tuple[str, ...]:
    """What every table, gate and verdict states: Recall@10, NDCG@10 and Recall at the K that judges.

    10 is that K where it is smaller: two metrics are left then.
    """
    head = min(HEAD_CUTOFF, judge)
    return tuple(dict.fromkeys((f"recall@{head}", f"ndcg@{head}", f"recall@{judge}")))


def metric_title(name: str) -> str:
    """'Recall@50', 'NDCG@10': a metric as people read it."""
    kind, at, k = name.partition("@")
    return f"{_WRITTEN.get(kind, kind)}{at}{k}"


def choice_title(by: str, judge: int | str = "K") -> str:
    """What a choice of :data:`CHOICES` reads where that K judges, as people read it."""
    if by == BALANCED:
        head = HEAD_CUTOFF if isinstance(judge, str) else min(HEAD_CUTOFF, judge)
        return f"√(Recall@{judge} · NDCG@{head})"
    return metric_title(by if "@" in by else f"{by}@{judge}")


def without_certain(means: Mapping[str, float], candidates: NDArray[np.integer]) -> dict[str, float | None]:
    """The metrics, None for each Recall@K that is 1 by necessity. candidates (B,)."""
    return {name: None if _certain(name, candidates) else value for name, value in means.items()}


def _certain(name: str, candidates: NDArray[np.integer]) -> bool:
    kind, _, k = name.partition("@")
    return kind == "recall" and is_certain(int(k), candidates)


def _hits(topk: NDArray[np.integer], relevant: Sequence[Collection[int]]) -> Bool:
    """Which of the listed items are relevant. All users at once: a loop over them took longer than ranking.

    topk (B, K) -> (B, K)
    """
    if len(topk) != len(relevant):
        raise ValueError(f"{len(topk)} ranking lists for {len(relevant)} users")
    sizes = [len(r) for r in relevant]
    wanted = np.fromiter(itertools.chain.from_iterable(relevant), np.int64, sum(sizes))
    # an item's place among all pairs of user and item; -1, which pads lists, has one that nobody wants
    span = max(int(topk.max(initial=0)), int(wanted.max(initial=0))) + 2
    start = np.arange(len(topk), dtype=np.int64) * span + 1
    return np.isin(topk.astype(np.int64) + start[:, None], wanted + np.repeat(start, sizes))


def _ratio(part: NDArray[Any], whole: NDArray[Any]) -> F64:
    out = np.full(len(whole), np.nan)
    np.divide(part, whole, out=out, where=whole > 0)
    return out


def recall_by_user(
    topk: NDArray[np.integer], relevant: Sequence[Collection[int]], *, capped: bool = False
) -> F64:
    """``hits / |relevant|`` per user, NaN where nothing is relevant. topk (B, K) -> (B,).

    ``capped`` divides by ``min(K, |relevant|)`` instead: the other definition found under this name.
    """
    sizes = np.array([len(r) for r in relevant], np.float64)
    ideal = np.minimum(sizes, topk.shape[1]) if capped else sizes
    hits = _hits(topk, relevant).sum(axis=1)
    return _ratio(hits, ideal)


def recall_at_k(
    topk: NDArray[np.integer], relevant: Sequence[Collection[int]], *, capped: bool = False
) -> float:
    """Mean of :func:`recall_by_user` over users with at least one relevant item."""
    return float(np.nanmean(recall_by_user(topk, relevant, capped=capped)))


def ndcg_by_user(topk: NDArray[np.integer], relevant: Sequence[Collection[int]]) -> F64:
    """Σ hit_r / log2(r + 1) over ranks r = 1..K, divided by its best value, per user (B,).

    Binary gains; the best value places ``min(K, |relevant|)`` hits first. NaN where nothing is relevant.
    """
    discount = 1.0 / np.log2(np.arange(2, topk.shape[1] + 2))
    best = np.concatenate([[0.0], np.cumsum(discount)])
    sizes = np.array([len(r) for r in relevant])
    ideal = best[np.minimum(sizes, topk.shape[1])]
    gained = _hits(topk, relevant) @ discount
    return _ratio(gained, ideal)


def ndcg_at_k(topk: NDArray[np.integer], relevant: Sequence[Collection[int]]) -> float:
    """Mean of :func:`ndcg_by_user` over users with at least one relevant item."""
    return float(np.nanmean(ndcg_by_user(topk, relevant)))


def overlap_by_user(left: NDArray[np.integer], right: NDArray[np.integer]) -> F64:
    """Share of each user's list that both lists hold, order aside. (B, K), (B, K) -> (B,)."""
    if left.shape != right.shape:
        raise ValueError(f"lists of different shape: {left.shape} and {right.shape}")
    shared = [np.intersect1d(a, b).size / left.shape[1] for a, b in zip(left, right, strict=True)]
    return np.array(shared, np.float64)


def popularity_groups(item_counts: I64, n_groups: int) -> I64:
    """Group of each item (I,), 0 the most popular: each group holds about 1 / n of all interactions.

    Items are taken from the most popular down, ties to the lower index; an item belongs to the group in
    which the interactions before it end. Items without interactions are in the last group.
    item_counts (I,): train interactions of each item.
    """
    order = np.argsort(-item_counts, kind="stable")
    counts = item_counts[order]
    before = np.cumsum(counts) - counts
    groups = np.empty(item_counts.size, np.int64)
    total = int(counts.sum())
    groups[order] = np.minimum(before * n_groups // total, n_groups - 1) if total else n_groups - 1
    return groups
