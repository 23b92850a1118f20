"""The held-out item ranked against sampled unobserved items: 499 as DE-RRD and IR-RRD do, 100 as BERT4Rec.

Sampled metrics differ from those of the full ranking and are not comparable with them (Krichene and Rendle,
"On Sampled Metrics for Item Recommendation", KDD 2020); they serve to compare with published tables.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import DataError
from recpress_edge.core.rng import stream
from recpress_edge.data.holdout import Split, relevant_items
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.distill.lists import EMPTY, Unlisted
from recpress_edge.models.ranking import ScoreRows

N_NEGATIVES: Final = 499
CUTOFFS: Final = (5, 10, 20)
_BLOCK_USERS: Final = 512
Drawn = Literal["uniform", "popularity"]


@dataclass(frozen=True, slots=True)
class Candidates:
    """The items ranked for each user who has one item held out in a split."""

    users: I64
    """(B,)"""
    held_out: I64
    """The one relevant item of each user (B,)."""
    negatives: I64
    """Items in none of the user's splits, without replacement (B, N); -1 where there are fewer."""
    seed: int
    drawn: Drawn = "uniform"

    @property
    def definition(self) -> str:
        """The protocol in words, for a record."""
        how = "uniform" if self.drawn == "uniform" else "by their interactions in train"
        most = "up to " if (self.negatives == EMPTY).any() else ""
        return (
            f"the held-out item against {most}{self.negatives.shape[1]} items in none of the user's splits, "
            f"{how} without replacement, seed {self.seed}, ties to the lower item index"
        )


def sample_candidates(
    data: Dataset, split: Split, seed: int, size: int = N_NEGATIVES, drawn: Drawn = "uniform"
) -> Candidates:
    """Draw the negatives of every user who has one item held out in ``split``."""
    relevant = relevant_items(data, split)
    if relevant.counts().max(initial=0) != 1:
        most = relevant.counts().max(initial=0)
        raise DataError(
            f"LOO-{size} ranks one held-out item a user, but {data.name!r} has up to {most} in {split}. "
            "Import it with --split loo."
        )
    observed = data.train.union(data.valid).union(data.test)
    users = np.flatnonzero(relevant.counts())
    rng = stream(seed, f"negatives of {split}")
    if drawn == "uniform":
        negatives = Unlisted(observed).draw(size, rng)[users]
    else:
        negatives = _popular(observed, data.train.item_counts(), users, size, rng)
    return Candidates(users, relevant.indices.astype(np.int64), negatives, seed, drawn)


def _popular(observed: Interactions, counts: I64, users: I64, size: int, rng: np.random.Generator) -> I64:
    """Items (B, N) of these users (B,), drawn one after the other by their interactions (I,).

    The largest of log count + Gumbel noise are such a draw (Efraimidis and Spirakis, 2006).
    """
    found = np.full((users.size, size), EMPTY, np.int64)
    with np.errstate(divide="ignore"):
        weights = np.log(counts)
    kept = min(size, counts.size)
    for start in range(0, users.size, _BLOCK_USERS):
        block = users[start : start + _BLOCK_USERS]
        keys = weights + rng.gumbel(size=(block.size, counts.size))
        keys[observed.pairs_of(block)] = -np.inf
        best = np.argpartition(-keys, kept - 1, axis=1)[:, :kept]
        never = np.isneginf(np.take_along_axis(keys, best, axis=1))
        found[start : start + block.size, :kept] = np.where(never, EMPTY, best)
    return found


def evaluate_sampled(rows: ScoreRows, candidates: Candidates) -> dict[str, float]:
    """hit@K, mrr@K and ndcg@K for K in 5, 10, 20 of a model that scores whole rows."""
    ranks = np.empty(candidates.users.size, np.int64)
    for start in range(0, ranks.size, _BLOCK_USERS):
        part = slice(start, start + _BLOCK_USERS)
        scores = rows(candidates.users[part])  # (B, I)
        held_out, negatives = candidates.held_out[part, None], candidates.negatives[part]
        wanted: F32 = np.take_along_axis(scores, held_out, axis=1)
        others: F32 = np.take_along_axis(scores, np.maximum(negatives, 0), axis=1)
        before = (others > wanted) | ((others == wanted) & (negatives < held_out))
        ranks[part] = (before & (negatives != EMPTY)).sum(axis=1)
    return metrics_at_ranks(ranks)


def metrics_at_ranks(ranks: I64) -> dict[str, float]:
    """Means over users of one relevant item each, at these ranks from 0 (B,).

    hit@K = [rank < K], mrr@K = [rank < K] / (rank + 1), ndcg@K = [rank < K] / log2(rank + 2).
    """
    gains = {"hit": np.ones(ranks.size), "mrr": 1.0 / (ranks + 1), "ndcg": 1.0 / np.log2(ranks + 2)}
    return {
        f"{name}@{k}": float(np.where(ranks < k, gain, 0.0).mean())
        for name, gain in gains.items()
        for k in CUTOFFS
    }
