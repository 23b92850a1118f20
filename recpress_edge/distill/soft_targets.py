"""What a student of soft targets learns: a distribution over items for each user, from train and teacher."""

from dataclasses import dataclass

import numpy as np

from recpress_edge.core.arrays import F32, I32, I64, places_of_rows
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.outputs import Rankings


@dataclass(frozen=True, slots=True)
class Targets:
    """A distribution over items for each user, few of them above zero.

    indptr (U + 1,), items (nnz,), weights (nnz,): user u wants items[indptr[u]:indptr[u + 1]], the
    weights of which sum to 1 (a user without any sums to 0).
    """

    indptr: I64
    items: I32
    weights: F32

    def rows(self, users: I64) -> tuple[I64, I64, F32]:
        """offsets (B,), items and weights of these users, as ``embedding_bag`` takes them."""
        counts = self.indptr[users + 1] - self.indptr[users]
        at = places_of_rows(self.indptr, users)
        return np.cumsum(counts) - counts, self.items[at].astype(np.int64), self.weights[at]


@dataclass(frozen=True, slots=True)
class TeacherTargets:
    """The teacher's distribution over its best unobserved items: items (U, N), weights (U, N)."""

    items: I32
    weights: F32


def mix_targets(train: Interactions, teacher: TeacherTargets | None, teacher_weight: float) -> Targets:
    """(1 − w) · uniform over the user's train items + w · the teacher's distribution.

    Without a teacher w is 0. A user without train items follows the teacher alone, and one to whom the
    teacher has nothing left to offer follows the train items alone.
    """
    counts = train.counts()
    if teacher is None:
        weights = (1.0 / np.maximum(counts, 1)).astype(np.float32)
        return Targets(train.indptr, train.indices, np.repeat(weights, counts))
    own_share = np.where(counts > 0, 1.0 - teacher_weight, 0.0)  # (U,)
    own_share[teacher.weights.sum(axis=1) == 0] = 1.0
    size = teacher.items.shape[1]
    indptr = train.indptr + size * np.arange(train.n_users + 1)
    listed = indptr[1:, None] - size + np.arange(size)  # (U, N): a user's train items come first
    own = np.ones(int(indptr[-1]), bool)
    own[listed] = False
    items, weights = np.empty(own.size, np.int32), np.empty(own.size, np.float32)
    items[own], items[listed] = train.indices, teacher.items
    weights[own] = np.repeat(own_share / np.maximum(counts, 1), counts)
    weights[listed] = teacher.weights * (1.0 - own_share)[:, None]
    return Targets(indptr, items, weights)


def teacher_targets(top: Rankings, temperature: float) -> TeacherTargets:
    """Softmax of the teacher's scores / temperature over each user's best unobserved items.

    A user with fewer unobserved items gets a shorter list: the rest weighs nothing.
    """
    best = np.where(np.isfinite(top.scores[:, :1]), top.scores[:, :1], 0.0)
    return _targets(top.items, _shares(np.exp((top.scores - best) / np.float32(temperature))))


def rank_targets(top: Rankings, scale: float, head_scale: float, head_share: float) -> TeacherTargets:
    """Two lists in one, each falling by rank r = 0, 1, …: e^(−r / scale), and a share of e^(−r / head_scale).

    The long one teaches what belongs on the list, the short one what belongs on top of it.
    """
    ranks = np.arange(top.items.shape[1])
    lists = (np.where(top.items >= 0, np.exp(-ranks / by), 0.0) for by in (scale, head_scale))
    long, head = (_shares(weights.astype(np.float32)) for weights in lists)
    return _targets(top.items, (1.0 - head_share) * long + head_share * head)


def _shares(weights: F32) -> F32:
    """Rows that sum to 1, but for those without anything."""
    total = weights.sum(axis=1, keepdims=True)
    total[total == 0] = 1.0
    shares: F32 = weights / total
    return shares


def _targets(items: I32, weights: F32) -> TeacherTargets:
    """Places without an item, which weigh nothing, point at item 0."""
    return TeacherTargets(np.maximum(items, 0), weights)
