"""How two stages are judged together: the list that a user gets in the end, against the first stage's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import paired_bootstrap
from recpress_edge.data.holdout import Split, relevant_items
from recpress_edge.data.interactions import Dataset
from recpress_edge.models.two_stages.lists import CandidateLists
from recpress_edge.training.evaluate import SplitMetrics, metrics_from_ranks, split_metrics

JUDGED_BY: Final = "ndcg@10"
"""What the second stage must raise."""
TOLD: Final = (JUDGED_BY, "recall@10", "recall@50")


@dataclass(frozen=True, slots=True, eq=False)
class JudgedLists:
    """The held-out item of each user, and what the first stage makes of it."""

    lists: CandidateLists
    ranks: I64
    """Of the held-out items by the first stage (N,), from 0."""

    def ranks_with(self, z: F32) -> I64:
        """Ranks (N,) when the candidates are ranked by z (N, C), equal ones as the first stage has them; what
        was not found stays where it is.
        """
        places, taken = np.arange(z.shape[1]), self.lists.taken
        own = np.take_along_axis(z, np.maximum(taken, 0)[:, None], 1)
        before = (z > own) | ((z == own) & (places < taken[:, None]))
        return np.where(taken >= 0, before.sum(axis=1), self.ranks)

    @property
    def found(self) -> float:
        """Share of the held-out items among the candidates: no second stage can find more."""
        return float((self.lists.taken >= 0).mean())


def metrics_of(ranks: I64, data: Dataset, split: Split) -> SplitMetrics:
    """Of the ranks (N,) of the held-out items."""
    return split_metrics(ranks, relevant_items(data, split), data, split)


def gain_of(first: I64, both: I64, data: Dataset, split: Split) -> dict[str, Any]:
    """What the second stage adds: of each metric both means, the difference and its 95 % interval over users.

    ``first`` and ``both``: ranks (N,).
    """
    relevant = relevant_items(data, split)
    before, after = (metrics_from_ranks(ranks, relevant, (10, 50))[1] for ranks in (first, both))
    return gains(before, after)


def gains(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The same from metrics by user (B,)."""
    found = {}
    for name in TOLD:
        interval = paired_bootstrap(before[name], after[name], stream(0, f"two stages {name}"))
        found[name] = {
            "first": float(before[name].mean()),
            "both": float(after[name].mean()),
            "gain": interval.mean,
            "low": interval.low,
            "high": interval.high,
        }
    return found
