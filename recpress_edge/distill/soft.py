"""Soft targets: a softmax of cosines over the whole catalogue, against train items and a teacher's list."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recpress_edge.core.arrays import F32, I32, I64
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.settings import SoftConfig
from recpress_edge.models.bpr import first_tables
from recpress_edge.models.method import Factorised, Method, TrainingInput
from recpress_edge.models.nn import logsumexp_of_product
from recpress_edge.models.outputs import Rankings
from recpress_edge.models.qat import stored_tables
from recpress_edge.models.ranking import top_items
from recpress_edge.models.row_adam import optimizer_for
from recpress_edge.models.sampled_softmax import Popularity, is_sampled, sampled_logsumexp


@dataclass(frozen=True, slots=True)
class Targets:
    """A distribution over items for each user, few of them above zero.

    indptr (U + 1,), items (nnz,), weights (nnz,): user u wants items[indptr[u]:indptr[u + 1]], the
    weights of which sum to 1 (a user without any sums to 0).
    """

    indptr: I64
    items: I64
    weights: F32

    def rows(self, users: I64) -> tuple[I64, I64, F32]:
        """offsets (B,), items and weights of these users, as ``embedding_bag`` takes them."""
        counts = self.indptr[users + 1] - self.indptr[users]
        offsets = np.cumsum(counts) - counts
        at = np.repeat(self.indptr[users] - offsets, counts) + np.arange(int(counts.sum()))
        return offsets, self.items[at], self.weights[at]


@dataclass(frozen=True, slots=True)
class TeacherTargets:
    """The teacher's distribution over its best unobserved items: items (U, N), weights (U, N)."""

    items: I64
    weights: F32


def mix_targets(train: Interactions, teacher: TeacherTargets | None, teacher_weight: float) -> Targets:
    """(1 − w) · uniform over the user's train items + w · the teacher's distribution.

    Without a teacher w is 0. A user without train items follows the teacher alone, and one to whom the
    teacher has nothing left to offer follows the train items alone.
    """
    counts = train.counts()
    users, items = train.users().astype(np.int64), train.indices.astype(np.int64)
    if teacher is None:
        weights = 1.0 / np.maximum(counts, 1)[users]
        return Targets(train.indptr, items, weights.astype(np.float32))
    own_share = np.where(counts > 0, 1.0 - teacher_weight, 0.0)  # (U,)
    own_share[teacher.weights.sum(axis=1) == 0] = 1.0
    own_weights = (own_share / np.maximum(counts, 1))[users]
    size = teacher.items.shape[1]
    users = np.concatenate([users, np.repeat(np.arange(train.n_users), size)])
    items = np.concatenate([items, teacher.items.ravel()])
    weights = np.concatenate([own_weights, (teacher.weights * (1.0 - own_share)[:, None]).ravel()])
    order = np.argsort(users, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=train.n_users))])
    return Targets(indptr, items[order], weights[order].astype(np.float32))


def teacher_targets(top: Rankings, temperature: float) -> TeacherTargets:
    """Softmax of the teacher's scores / temperature over each user's best unobserved items.

    A user with fewer unobserved items gets a shorter list: the rest weighs nothing.
    """
    best = np.where(np.isfinite(top.scores[:, :1]), top.scores[:, :1], 0.0)
    return _normalised(top.items, np.exp((top.scores - best) / np.float32(temperature)))


def rank_targets(top: Rankings, scale: float) -> TeacherTargets:
    """Weights ∝ e^(−r / scale) at rank r = 0, 1, …: for teachers whose scores have no scale of their own."""
    weights = np.exp(-np.arange(top.items.shape[1]) / scale).astype(np.float32)
    return _normalised(top.items, np.where(top.items >= 0, weights, np.float32(0.0)))


def _normalised(items: I32, weights: F32) -> TeacherTargets:
    """Places without an item point at item 0 and weigh nothing."""
    total = weights.sum(axis=1, keepdims=True)
    total[total == 0] = 1.0
    return TeacherTargets(np.maximum(items, 0).astype(np.int64), weights / total)


class Soft(Factorised, Method):
    """Cross-entropy of a softmax over the catalogue; without a teacher, over the train items alone."""

    def __init__(self, given: TrainingInput, config: SoftConfig) -> None:
        self.given = given
        self.config = config
        self.mf = first_tables(given, config.init_std)
        train, tables = given.train, (self.mf.user_emb, self.mf.item_emb)
        self.sampled = is_sampled(config.softmax, train.n_users, train.n_items, given.recipe)
        self.optimizer = optimizer_for(self.mf, tables, config.learning_rate, 0.0, by_rows=self.sampled)
        self.popularity = Popularity(train.item_counts())
        self.targets = mix_targets(given.train, self._teacher_targets(), config.teacher_weight)

    def _teacher_targets(self) -> TeacherTargets | None:
        """From scores where the teacher has a scale that is known, else from ranks alone."""
        given, config = self.given, self.config
        if given.teacher is None:
            return None
        top = top_items(given.teacher, given.train, config.top_items)
        if config.targets == "ranks" or (config.targets == "usual" and not given.teacher.has("embeddings")):
            return rank_targets(top, config.rank_scale)
        return teacher_targets(top, config.teacher_temperature)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        order = stream(self.given.seed, "shuffle", epoch).permutation(self.given.train.n_users)
        for start in range(0, order.size, self.config.batch_users):
            users = order[start : start + self.config.batch_users]
            if self.sampled:
                yield self._sampled_loss(users, stream(self.given.seed, "softmax", epoch, start))
            else:
                yield self._batch_loss(users)

    def steps(self) -> int:
        return -(-self.given.train.n_users // self.config.batch_users)

    def _batch_loss(self, users: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Tensor:
        """Mean over the users (B,) of logsumexp(row) − Σ target · logit, which is the cross-entropy."""
        device = self.given.device
        offsets, items, weights = (torch.from_numpy(part).to(device) for part in self.targets.rows(users))
        unit_users, unit_items = self._unit_rows(torch.from_numpy(users).to(device))
        logit_users = unit_users / self.config.temperature
        wanted = F.embedding_bag(items, unit_items, offsets, mode="sum", per_sample_weights=weights)  # (B, D)
        return (logsumexp_of_product(logit_users, unit_items) - (logit_users * wanted).sum(dim=1)).mean()

    def _sampled_loss(self, users: I64, rng: np.random.Generator) -> Tensor:
        """:meth:`_batch_loss` with the catalogue's sum estimated from sampled items."""
        train, device = self.given.train, self.given.device
        offsets, own, weights = self.targets.rows(users)
        owner = np.repeat(np.arange(users.size), np.diff(np.append(offsets, own.size)))
        drawn, log_weights = self.popularity.candidates(
            train.pairs_of(users)[1], train.n_users, users.size, self.config.sampled_items, rng
        )
        places, at = np.unique(np.concatenate([drawn, own]), return_inverse=True)
        column = np.minimum(np.searchsorted(drawn, own), drawn.size - 1)
        hit = drawn[column] == own
        item_rows = F.normalize(
            F.embedding(torch.from_numpy(places).to(device), self.mf.item_emb, sparse=True)
        )
        left = F.normalize(F.embedding(torch.from_numpy(users).to(device), self.mf.user_emb, sparse=True))
        left = left / self.config.temperature
        of_drawn, of_own, row, weight, log_weight = (
            torch.from_numpy(part).to(device)
            for part in (at[: drawn.size], at[drawn.size :], owner, weights, log_weights)
        )
        scores = (left.index_select(0, row) * item_rows.index_select(0, of_own)).sum(dim=1)  # (P,)
        own_at = (row[torch.from_numpy(hit)], torch.from_numpy(column[hit]).to(device))
        total = sampled_logsumexp(
            left, item_rows.index_select(0, of_drawn), log_weight, (row, scores), own_at
        )
        return (total.sum() - (weight * scores).sum()) / users.size

    def _unit_rows(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of these users (B, D) and of all items (I, D), of unit length but for a recipe's rounding."""
        unit_items = F.normalize(self.mf.item_emb)
        if self.given.recipe is None:
            return F.normalize(F.embedding(users, self.mf.user_emb)), unit_items
        user_emb, item_emb = stored_tables(self.given.recipe, F.normalize(self.mf.user_emb), unit_items)
        return F.embedding(users, user_emb), item_emb

    def tables(self) -> tuple[Tensor, Tensor]:
        """Rows of unit length: their product is the cosine, which ranks as cosine / τ does."""
        return F.normalize(self.mf.user_emb.detach()), F.normalize(self.mf.item_emb.detach())
