"""Soft-target listwise distillation: the loss over whole rows of the catalogue, and the teacher's targets."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recpress_edge.data.interactions import Interactions
from recpress_edge.models.teacher import Rankings

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]


class _LogSumExpOfProduct(torch.autograd.Function):
    """logsumexp over j of left_i · right_j, and its gradient, with one (B, I) array and one exp.

    Autograd's own chain keeps the logits and their softmax and takes the exponential twice.
    No maximum is subtracted, so the products must stay below about 80 (the cosines over the
    temperature do: the settings see to it).
    """

    @staticmethod
    def forward(
        ctx: Any,
        left: Tensor,
        right: Tensor,
        rows: Tensor | None,
        columns: Tensor | None,
        clamp: float | None,
    ) -> Tensor:
        product = left @ right.T  # (B, I)
        flat = None
        if clamp is not None and float(product.abs().max()) > clamp:
            flat = product.abs() > clamp  # where it is clamped it has no slope
            product.clamp_(-clamp, clamp)
        weights = product.exp_()
        if rows is not None:
            weights[rows, columns] = 0.0
        total = weights.sum(dim=1)  # (B,)
        if flat is not None:
            weights.masked_fill_(flat, 0.0)
        ctx.save_for_backward(left, right, weights, total)
        return total.log()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        left, right, weights, total = ctx.saved_tensors
        # A row with everything left out sums to zero, and has no slope.
        share = torch.where(total > 0, grads[0] / total, 0.0)[:, None]  # (B, 1)
        return share * (weights @ right), weights.T @ (share * left), None, None, None


def logsumexp_of_product(
    left: Tensor,
    right: Tensor,
    left_out: tuple[Tensor, Tensor] | None = None,
    clamp: float | None = None,
) -> Tensor:
    """log Σ_j exp(left_i · right_j), for products below about 80. left (B, D), right (I, D) -> (B,).

    ``left_out``: (rows, columns) of products that are not part of the sum. ``clamp``: products are held
    between −clamp and clamp, so that any are allowed.
    """
    rows, columns = left_out if left_out is not None else (None, None)
    result: Tensor = _LogSumExpOfProduct.apply(left, right, rows, columns, clamp)  # type: ignore[no-untyped-call]
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
