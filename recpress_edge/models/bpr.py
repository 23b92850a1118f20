"""Matrix factorisation by Bayesian personalised ranking: tables, negatives, loss and method."""

from collections.abc import Iterator
from typing import Final, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.core.arrays import I32, I64
from recpress_edge.core.errors import DataError
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.method import Factorised, Method, TrainingInput
from recpress_edge.models.qat import stored_tables
from recpress_edge.models.row_adam import is_by_rows, optimizer_for
from recpress_edge.models.settings import BPRConfig, Growth

GROWS_EVERY: Final = 1_000_000
"""Interactions for each of which a growing batch has its batch_size."""
_BLOCK: Final = 2**20  # pairs looked up at a time


class GrowingBatch(Protocol):
    """Settings of what learns from sampled pairs."""

    @property
    def batch_size(self) -> int: ...
    @property
    def batch_growth(self) -> Growth: ...


class MF(nn.Module):
    """Matrix factorisation: score(u, i) = user_emb[u] · item_emb[i].

    user_emb (U, D), item_emb (I, D), float32, drawn from N(0, init_std²) by the stream "init" of the seed.
    """

    def __init__(self, n_users: int, n_items: int, dim: int, seed: int, init_std: float) -> None:
        super().__init__()
        rng = stream(seed, "init")
        # Drawn by numpy, not torch, so that a model starts from the same numbers on CPU and CUDA.
        self.user_emb = nn.Parameter(_normal(rng, (n_users, dim), init_std))
        self.item_emb = nn.Parameter(_normal(rng, (n_items, dim), init_std))


def first_tables(given: TrainingInput, init_std: float) -> MF:
    """The tables that training begins with, on its device: the start's, else drawn ones; rows of whom a warm
    start knows nothing are drawn too.
    """
    mf = MF(given.train.n_users, given.train.n_items, given.dim, given.seed, init_std)
    if given.start is not None:
        with torch.no_grad():
            starts = zip(
                (mf.user_emb, mf.item_emb), (given.start.user_emb, given.start.item_emb), strict=True
            )
            for at, (own, known) in enumerate(starts):
                rows = slice(None) if given.drawn is None else torch.from_numpy(~given.drawn[at])
                own[rows] = torch.from_numpy(known)[rows]
    return mf.to(given.device)


def _normal(rng: np.random.Generator, shape: tuple[int, int], std: float) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32) * np.float32(std))


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
                f"every user has all {train.n_items} items, so there is no unobserved item to learn from. "
                "Keep fewer interactions, for example with a rating threshold on import."
            )
        self._n_items = train.n_items
        self._users, self._positives = users[has_negatives], train.indices[has_negatives]  # (P,) int32
        self._observed = _Observed(self._users.astype(np.int64) * train.n_items + self._positives)

    def epoch(self, seed: int, epoch: int, each: int) -> tuple[I32, I32, I64]:
        """Shuffled users (P,), positives (P,), negatives (P, each), these no train items."""
        order = stream(seed, "shuffle", epoch).permutation(self._users.size)
        users = self._users[order]
        negatives = self.unobserved(np.repeat(users, each), stream(seed, "negatives", epoch))
        return users, self._positives[order], negatives.reshape(-1, each)

    def steps(self, size: int) -> int:
        """Batches of so many positives in an epoch."""
        return -(-self._users.size // size)

    def batches(
        self, seed: int, epoch: int, each: int, size: int, device: str
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """:meth:`epoch` by ``size`` positives: users (B,), positives (B,), negatives (B, each)."""
        drawn = self.epoch(seed, epoch, each)
        users, positives, negatives = (torch.from_numpy(column).to(device) for column in drawn)
        for start in range(0, len(users), size):
            part = slice(start, start + size)
            yield users[part].long(), positives[part].long(), negatives[part]

    def unobserved(self, users: I32, rng: np.random.Generator) -> I64:
        """An item for each of these users (N,) that is none of its train items; none may have every item."""
        negatives = rng.integers(self._n_items, size=users.size)
        again = np.concatenate(
            [
                start + self._taken(users[start : start + _BLOCK], negatives[start : start + _BLOCK])
                for start in range(0, users.size, _BLOCK)
            ]
        )
        while again.size:  # rejection keeps the draw exactly uniform over the unobserved items
            negatives[again] = rng.integers(self._n_items, size=again.size)
            again = again[self._taken(users[again], negatives[again])]
        return negatives

    def _taken(self, users: I32, items: I64) -> I64:
        """Which of these pairs are observed."""
        return self._observed.places(users * np.int64(self._n_items) + items)


class _Observed:
    """Keys, ascending, and which of others are among them: few misses of the cache for each that is not."""

    def __init__(self, keys: I64) -> None:
        self._keys = keys
        # About 16 places a key: nine in ten others need no search.
        self._mask = np.int64((1 << max(int(keys.size * 16).bit_length(), 10)) - 1)
        self._marked = np.zeros((int(self._mask) + 1) // 8, np.uint8)
        for start in range(0, keys.size, _BLOCK):
            places = self._hashed(keys[start : start + _BLOCK])
            np.bitwise_or.at(self._marked, places >> 3, np.uint8(1) << (places & 7).astype(np.uint8))

    def _hashed(self, keys: I64) -> I64:
        mixed = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # the golden ratio: Fibonacci hashing
        return (mixed >> np.uint64(24)).astype(np.int64) & self._mask

    def places(self, keys: I64) -> I64:
        """Places in ``keys`` (N,) of those that are among mine."""
        hashed = self._hashed(keys)
        maybe = np.flatnonzero(self._marked[hashed >> 3] >> (hashed & 7).astype(np.uint8) & 1)
        found = np.minimum(np.searchsorted(self._keys, keys[maybe]), self._keys.size - 1)
        found_here: I64 = maybe[self._keys[found] == keys[maybe]]
        return found_here


def batch_size(config: GrowingBatch, n_interactions: int) -> int:
    """Positives of a step. The loss is their sum and weight decay comes once a step.

    As many steps an epoch, whatever the data's size, keep a row's decay an epoch in balance with its own
    interactions, of which it has no more when there are more rows.
    """
    grows = config.batch_growth == "by-size"
    return config.batch_size * (max(n_interactions // GROWS_EVERY, 1) if grows else 1)


class BPR(Factorised, Method):
    """Matrix factorisation trained by BPR."""

    def __init__(self, given: TrainingInput, config: BPRConfig) -> None:
        self.given = given
        self.config = config
        self.mf = first_tables(given, config.init_std)
        self.sampler = NegativeSampler(given.train)
        self.by_rows = is_by_rows(config, given.train.n_users + given.train.n_items, given.recipe)
        self.batch_size = batch_size(config, len(given.train))
        self.sampled: tuple[Tensor, ...] = (self.mf.user_emb, self.mf.item_emb)
        self.optimizer = optimizer_for(
            self.mf, self.sampled, config.learning_rate, config.weight_decay, by_rows=self.by_rows
        )

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        config, given = self.config, self.given
        for users, positives, drawn in self.sampler.batches(
            given.seed, epoch, config.candidates, self.batch_size, given.device
        ):
            yield self.batch_loss(users, positives, self._negatives(users, drawn))

    def steps(self) -> int:
        return self.sampler.steps(self.batch_size)

    def _negatives(self, users: Tensor, drawn: Tensor) -> Tensor:
        """The negative of each positive (B,) among those drawn (B, candidates)."""
        if self.config.candidates == 1:
            return drawn[:, 0]
        user_emb, item_emb = self.tables()
        return hardest(F.embedding(users, user_emb), drawn[:, None], item_emb)[:, 0]

    def batch_loss(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """Loss () of one batch of indices, (B,) each."""
        return self.loss_of(self.stored(), users, positives, negatives)

    def loss_of(
        self, tables: tuple[Tensor, Tensor], users: Tensor, positives: Tensor, negatives: Tensor
    ) -> Tensor:
        """The loss () of one batch of indices, (B,) each, from these tables."""
        user_emb, item_emb = tables
        item_rows = F.embedding(torch.cat([positives, negatives]), item_emb, sparse=self.by_rows)  # (2B, D)
        user_rows = F.embedding(users, user_emb, sparse=self.by_rows)  # (B, D)
        return bpr_loss(user_rows, item_rows[: len(positives)], item_rows[len(positives) :])

    def stored(self) -> tuple[Tensor, Tensor]:
        """Both tables as the recipe stores them, with gradient."""
        return stored_tables(self.given.recipe, self.mf.user_emb, self.mf.item_emb)

    def tables(self) -> tuple[Tensor, Tensor]:
        return self.mf.user_emb.detach(), self.mf.item_emb.detach()
