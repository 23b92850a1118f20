"""Several teachers as one: their rankings fused by rank, whatever the scale of their scores."""

import numpy as np

from recpress_edge.core.arrays import F32, I64
from recpress_edge.models.method import ClosedForm, TrainingInput
from recpress_edge.models.outputs import ranking_length
from recpress_edge.models.ranking import top_items
from recpress_edge.models.settings import EnsembleConfig


def rank_weights(config: EnsembleConfig, length: int) -> F32:
    """What an item at rank r = 0, 1, … of one member adds to its score (L,)."""
    ranks = np.arange(length)
    if config.fusion == "reciprocal":
        return (1.0 / (config.offset + ranks)).astype(np.float32)
    return np.exp(-ranks / config.scale).astype(np.float32)


class Ensemble(ClosedForm):
    """score(u, i) = Σ over the members of the weight of i's rank in the member's list of u.

    Reciprocal rank fusion (Cormack et al., SIGIR 2009), or summed rank importance e^(−r / scale) (Kang
    et al., WWW 2023). A list holds a member's 1,000 best unobserved items, fewer from 134,000 users
    on: what none lists scores 0. The whole catalogue is ranked by it, ties to the lower index.
    """

    def __init__(self, given: TrainingInput, config: EnsembleConfig) -> None:
        self.given = given
        self.config = config

    def fit(self) -> None:
        train = self.given.train
        length = ranking_length(train.n_users, train.n_items)
        item, score = np.int32().nbytes, np.float32().nbytes  # scores are held of one member at a time
        self.given.require_memory(
            train.n_users * length * (item * (len(self.given.teachers) + 1) + score),
            f"an ensemble of {len(self.given.teachers)} keeps {length:,} items a user of each and",
            "Leave members out.",
        )
        self.items = [top_items(teacher, train, length).items for teacher in self.given.teachers]

    def scores(self, users: I64) -> F32:
        fused = np.zeros((users.size, self.given.train.n_items + 1), np.float32)  # the last: where lists end
        rows = np.arange(users.size)[:, None]
        for items in self.items:
            mine = items[users]  # (B, L), an item at most once in a row
            fused[rows, mine] += rank_weights(self.config, mine.shape[1])
        return np.ascontiguousarray(fused[:, :-1])
