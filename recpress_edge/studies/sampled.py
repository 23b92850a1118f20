"""LOO-499: the held-out item ranked against 499 sampled unobserved items, as DE-RRD and IR-RRD report it.

Sampled metrics differ from those of the full ranking and are not comparable with them (Krichene and Rendle,
"On Sampled Metrics for Item Recommendation", KDD 2020); they serve to compare with published tables.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import DataError
from recpress_edge.core.rng import stream
from recpress_edge.data.holdout import Split, relevant_items
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.lists import EMPTY, Unlisted

N_NEGATIVES: Final = 499
CUTOFFS: Final = (5, 10, 20)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The items ranked for each user who has one item held out in a split."""

    users: I64
    """(B,)"""
    held_out: I64
    """The one relevant item of each user (B,)."""
    negatives: I64
    """Items in none of the user's splits, uniform without replacement (B, 499); -1 where there are fewer."""
    seed: int

    @property
    def definition(self) -> str:
        """The protocol in words, for a record."""
        return (
            f"the held-out item against {self.negatives.shape[1]} items in none of the user's splits, "
            f"uniform without replacement, seed {self.seed}, ties to the lower item index"
        )


def sample_candidates(data: Dataset, split: Split, seed: int, size: int = N_NEGATIVES) -> Candidates:
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
    negatives = Unlisted(observed).draw(size, stream(seed, f"negatives of {split}"))[users]
    return Candidates(users, relevant.indices.astype(np.int64), negatives, seed)


def evaluate_sampled(user_emb: F32, item_emb: F32, candidates: Candidates) -> dict[str, float]:
    """hit@K, mrr@K and ndcg@K for K in 5, 10, 20 of score = user · item. user_emb (U, D), item_emb (I, D)."""
    users, items = torch.from_numpy(user_emb), torch.from_numpy(item_emb)
    negatives = torch.from_numpy(candidates.negatives)
    held_out = torch.from_numpy(candidates.held_out)
    with torch.inference_mode():
        rows = F.embedding(torch.from_numpy(candidates.users), users)[:, :, None]  # (B, D, 1)
        scores = torch.bmm(F.embedding(negatives.clamp_min(0), items), rows)[:, :, 0]  # (B, 499)
        wanted = torch.bmm(F.embedding(held_out, items)[:, None], rows)[:, :, 0]  # (B, 1)
        before = (scores > wanted) | ((scores == wanted) & (negatives < held_out[:, None]))
        before &= negatives != EMPTY
    return metrics_at_ranks(before.sum(dim=1).numpy())


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
