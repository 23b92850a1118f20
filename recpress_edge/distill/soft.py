"""Soft-target listwise distillation: the loss over whole rows of the catalogue, and the teacher's targets."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recpress_edge.data.interactions import Interactions
from recpress_edge.models.method import Tables

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

_BLOCK_USERS = 512  # rows of teacher scores at a time


class _LogSumExpOfProduct(torch.autograd.Function):
    """logsumexp over j of left_i · right_j, and its gradient, with one (B, I) array and one exp.

    Autograd's own chain keeps the logits and their softmax and takes the exponential twice.
    No maximum is subtracted, so the products must stay below about 80 (the cosines over the
    temperature do: the settings see to it).
    """

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        weights = (left @ right.T).exp_()  # (B, I)
        total = weights.sum(dim=1)  # (B,)
        ctx.save_for_backward(left, right, weights, total)
        return total.log()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        left, right, weights, total = ctx.saved_tensors
        share = (grads[0] / total)[:, None]  # (B, 1)
        return share * (weights @ right), weights.T @ (share * left)


def logsumexp_of_product(left: Tensor, right: Tensor) -> Tensor:
    """log Σ_j exp(left_i · right_j), for products below about 80. left (B, D), right (I, D) -> (B,)."""
    result: Tensor = _LogSumExpOfProduct.apply(left, right)  # type: ignore[no-untyped-call]
    return result


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


def teacher_targets(teacher: Tables, train: Interactions, size: int, temperature: float) -> TeacherTargets:
    """Softmax of the teacher's scaled scores / temperature over each user's ``size`` best unobserved items.

    A user with fewer unobserved items gets a shorter list: the rest weighs nothing.
    """
    items, scores = teacher_top(teacher, train, min(size, train.n_items))
    best = np.where(np.isfinite(scores[:, :1]), scores[:, :1], 0.0)
    weights = np.exp((scores - best) / np.float32(temperature))
    total = weights.sum(axis=1, keepdims=True)
    return TeacherTargets(items, weights / np.where(total > 0, total, 1.0))


def teacher_top(teacher: Tables, train: Interactions, size: int) -> tuple[I64, F32]:
    """The teacher's best unobserved items of each user, best first, and their scores, (U, size) each.

    Users are scaled to unit length and the item table to unit root mean square length, so that one
    temperature suits teachers of any scale. No ranking changes, and a cosine teacher's scores stay cosines.
    Ties go to the lower item index; -inf marks train items at the end of a list that is too long.
    """
    item_emb = torch.from_numpy(teacher.item_emb)
    item_emb = item_emb / item_emb.square().sum(dim=1).mean().sqrt()
    user_emb = F.normalize(torch.from_numpy(teacher.user_emb))
    users = train.users().astype(np.int64)
    items = np.empty((train.n_users, size), np.int64)
    scores = np.empty((train.n_users, size), np.float32)
    for start in range(0, train.n_users, _BLOCK_USERS):
        block = user_emb[start : start + _BLOCK_USERS] @ item_emb.T  # (B, I)
        seen = slice(train.indptr[start], train.indptr[start + len(block)])
        columns = train.indices[seen].astype(np.int64)
        block[torch.from_numpy(users[seen] - start), torch.from_numpy(columns)] = -torch.inf
        part = slice(start, start + len(block))
        items[part], scores[part] = best_columns(block, size)
    return items, scores


def best_columns(scores: Tensor, size: int) -> tuple[I64, F32]:
    """The ``size`` best columns of each row, ties to the lower index, and their values. scores (B, I)."""
    values, columns = (part.numpy() for part in scores.topk(size, dim=1))
    for row, line in enumerate(scores.numpy()):
        # topk picks any of the columns that tie for the last place.
        if np.count_nonzero(line >= values[row, -1]) > size:
            columns[row] = np.argsort(-line, kind="stable")[:size]
            values[row] = line[columns[row]]
    order = np.lexsort((columns, -values), axis=1)
    return np.take_along_axis(columns, order, 1), np.take_along_axis(values, order, 1)
