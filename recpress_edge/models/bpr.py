"""Bayesian personalised ranking: its loss, its negatives and the method."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recpress_edge.core.errors import DataError
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.adam import Adam
from recpress_edge.models.config import BPRConfig
from recpress_edge.models.method import Factorised, Job, Method
from recpress_edge.models.mf import first_tables
from recpress_edge.models.quantised import stored_tables

I64 = NDArray[np.int64]


def bpr_loss(user: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """-Σ log σ(u · i⁺ - u · i⁻), a sum over the batch.

    Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009.
    The L2 term is left to the optimiser's weight decay.

    user (B, D), positive (B, D), negative (B, D) -> ().
    """
    return -F.logsigmoid((user * (positive - negative)).sum(dim=1)).sum()


def hardest(user_rows: Tensor, candidates: Tensor, item_emb: Tensor) -> Tensor:
    """Of each set of candidates the one that is scored highest now, as the negative to learn from.

    Zhang et al., "Optimizing Top-N Collaborative Filtering via Dynamic Negative Item Sampling", SIGIR 2013.

    user_rows (B, D), candidates (B, N, C), item_emb (I, D) -> (B, N).
    """
    with torch.no_grad():
        rows = F.embedding(candidates.flatten(1), item_emb)  # (B, N · C, D)
        return highest(candidates, torch.bmm(rows, user_rows[:, :, None]).view_as(candidates))


def highest(candidates: Tensor, scores: Tensor) -> Tensor:
    """Of each set the candidate with the highest score. candidates, scores (B, N, C) -> (B, N)."""
    return candidates.gather(2, scores.argmax(dim=2, keepdim=True))[:, :, 0]


class NegativeSampler:
    """Uniform unobserved items for each positive, redrawn each epoch, all at once.

    A user who has every item has no negative: none of its interactions is among the positives, P of nnz.
    """

    def __init__(self, train: Interactions) -> None:
        if not len(train):
            raise DataError("no training interactions: nothing to learn from")
        users = train.users()
        has_negatives = (train.counts() < train.n_items)[users]  # (nnz,)
        if not has_negatives.any():
            raise DataError(
                f"every user has all {train.n_items} items, so there is no item to tell the liked ones from. "
                "Keep fewer interactions, for example with a rating threshold on import."
            )
        self._n_items = train.n_items
        self._users = users[has_negatives].astype(np.int64)  # (P,)
        self._positives = train.indices[has_negatives].astype(np.int64)  # (P,)
        self._keys = self._users * train.n_items + self._positives  # ascending, by the container's order

    def epoch(self, seed: int, epoch: int, each: int) -> tuple[I64, I64, I64]:
        """Shuffled users (P,), positives (P,), negatives (P, each), these no train items."""
        order = stream(seed, "shuffle", epoch).permutation(self._users.size)
        users = self._users[order]
        negatives = self._draw(np.repeat(users, each), stream(seed, "negatives", epoch))
        return users, self._positives[order], negatives.reshape(-1, each)

    def batches(
        self, seed: int, epoch: int, each: int, size: int, device: str
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """:meth:`epoch` by ``size`` positives: users (B,), positives (B,), negatives (B, each)."""
        drawn = self.epoch(seed, epoch, each)
        users, positives, negatives = (torch.from_numpy(column).to(device) for column in drawn)
        for start in range(0, len(users), size):
            part = slice(start, start + size)
            yield users[part], positives[part], negatives[part]

    def _draw(self, users: I64, rng: np.random.Generator) -> I64:
        negatives = rng.integers(self._n_items, size=users.size)
        again = np.arange(users.size)
        while again.size:  # rejection keeps the draw exactly uniform over the unobserved items
            keys = users[again] * self._n_items + negatives[again]
            at = np.minimum(np.searchsorted(self._keys, keys), self._keys.size - 1)
            again = again[self._keys[at] == keys]
            negatives[again] = rng.integers(self._n_items, size=again.size)
        return negatives


class BPR(Factorised, Method):
    """Matrix factorisation trained by BPR; the base of the topology students."""

    def __init__(self, job: Job, config: BPRConfig) -> None:
        self.job = job
        self.config = config
        self.mf = first_tables(job, config.init_std)
        self.sampler = NegativeSampler(job.train)
        self.optimizer = Adam(self.mf, config.learning_rate, config.weight_decay)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        config, job = self.config, self.job
        for users, positives, drawn in self.sampler.batches(
            job.seed, epoch, config.candidates, config.batch_size, job.device
        ):
            yield self.batch_loss(users, positives, self._negatives(users, drawn))

    def _negatives(self, users: Tensor, drawn: Tensor) -> Tensor:
        """The negative of each positive (B,) among those drawn (B, candidates)."""
        if self.config.candidates == 1:
            return drawn[:, 0]
        user_emb, item_emb = self.tables()
        return hardest(F.embedding(users, user_emb), drawn[:, None], item_emb)[:, 0]

    def batch_loss(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """Loss () of one batch of indices, (B,) each."""
        user_emb, item_emb = stored_tables(self.job.recipe, self.mf.user_emb, self.mf.item_emb)
        item_rows = F.embedding(torch.cat([positives, negatives]), item_emb)  # (2B, D)
        user_rows = F.embedding(users, user_emb)  # (B, D)
        return bpr_loss(user_rows, item_rows[: len(positives)], item_rows[len(positives) :])

    def tables(self) -> tuple[Tensor, Tensor]:
        return self.mf.user_emb.detach(), self.mf.item_emb.detach()
