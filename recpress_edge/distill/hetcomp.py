"""HetComp: which of several teachers' rankings a student is shown when, and the losses on them.

Kang et al., "Distillation from Heterogeneous Models for Top-K Recommendation", WWW 2023. Every teacher is a
trajectory: its rankings at a few points of its training, from easy to final. Each user moves along each
trajectory at a pace of its own; all of it is done for all users at once.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.draws import EMPTY, I32, I64, places_in
from recpress_edge.distill.plackett_luce import relaxed_ranking_loss

F64 = NDArray[np.float64]

DISCREPANCY_DEPTH = 50


def importance(ranks: I64 | I32, sharpness: float) -> F64:
    """e^{−rank / sharpness}, ranks from 0."""
    return np.exp(-ranks / sharpness)


def fused_lists(lists: Sequence[I32], size: int, sharpness: float) -> I64:
    """Items by their summed importance over the teachers' lists, best first, ties to the lower index.

    lists: (U, L) each, EMPTY where they end -> (U, size), EMPTY where all teachers together list fewer.
    """
    items = np.concatenate(lists, axis=1)  # (U, T · L)
    ranks = np.concatenate([np.broadcast_to(np.arange(part.shape[1]), part.shape) for part in lists], axis=1)
    order = np.argsort(items, axis=1, kind="stable")
    items = np.take_along_axis(items, order, axis=1)
    weights = np.take_along_axis(importance(ranks, sharpness), order, axis=1)
    begins = np.ones(items.shape, bool)  # where the run of one user and item begins
    begins[:, 1:] = items[:, 1:] != items[:, :-1]
    sums = np.zeros(items.shape)
    sums[begins] = np.add.reduceat(weights.ravel(), np.flatnonzero(begins))
    sums[items == EMPTY] = 0.0
    best = np.argsort(-sums, axis=1, kind="stable")[:, :size]
    found = np.take_along_axis(sums, best, axis=1) > 0
    return np.where(found, np.take_along_axis(items, best, axis=1), EMPTY).astype(np.int64)


def fused_observed(train: Interactions, ranks: Sequence[I64 | I32], size: int, sharpness: float) -> I64:
    """A user's own train items by their summed importance, the first ``size`` of them.

    ranks: (nnz,) of each teacher, the rank of a pair's item among its user's train items -> (U, size).
    """
    summed = np.sum([importance(part, sharpness) for part in ranks], axis=0)
    users = train.users()
    order = np.lexsort((train.indices, -summed, users))
    place = np.arange(len(train)) - train.indptr[users]
    kept = place < size
    observed = np.full((train.n_users, size), EMPTY, np.int64)
    observed[users[kept], place[kept]] = train.indices[order][kept]
    return observed


def discrepancy(student: I32, teacher: I32, n_items: int, sharpness: float) -> F64:
    """1 − NDCG of the student's list against a teacher's, gain 2^{importance of the teacher's rank} − 1.

    student (U, K), teacher (U, L): the best value is that of the teacher's own first K. -> (U,)
    """
    depth = student.shape[1]
    gains = np.append(2.0 ** importance(np.arange(teacher.shape[1]), sharpness) - 1.0, 0.0)
    discount = 1.0 / np.log2(np.arange(2, depth + 2))
    reached = gains[places_in(teacher, student, n_items)] @ discount
    kept = min(depth, teacher.shape[1])
    own = np.where(teacher[:, :kept] == EMPTY, 0.0, gains[:kept]) @ discount[:kept]
    return 1.0 - np.divide(reached, own, out=np.ones(len(own)), where=own > 0)


def advance(selected: I64, recorded: F64, now: F64, last: I64, threshold: float) -> tuple[I64, F64]:
    """Move each (user, teacher) on where the student is near enough to the next checkpoint, or drifts away.

    now: discrepancy to the next checkpoint; recorded: the same when it was first looked at, NaN before.
    Advances where recorded / now exceeds the threshold or is below 1; after an advance the next look records.
    selected, recorded, now (U, T), last (T,) of each teacher -> the new selected and recorded.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = recorded / now
    moves = (selected < last) & ~np.isnan(recorded) & ((ratio > threshold) | (ratio < 1.0))
    moves |= (selected < last) & (now <= 0.0)  # nothing is left to learn before the next one
    return selected + moves, np.where(moves, np.nan, np.where(np.isnan(recorded), now, recorded))


def overall_loss(listed: Tensor, log_rest: Tensor) -> Tensor:
    """Σ over listed items of −[s − log(e^s + Σ_rest e^{s_j})]: all of them above the rest, in no order.

    listed (B, K), -inf at empty places, log_rest (B,): log Σ over items neither observed nor listed -> ().
    """
    present = listed > -torch.inf
    s = listed.masked_fill(~present, 0.0)
    return (torch.logaddexp(s, log_rest[:, None]) - s).masked_fill(~present, 0.0).sum()


def fine_grained_loss(observed: Tensor, top: Tensor, log_rest: Tensor, lengths: tuple[int, int]) -> Tensor:
    """The order of the observed items, and half of that of the first items of the top list, twice.

    Every list has all that comes after it in the denominators: the rest of the top list too.
    observed (B, O), top (B, K), log_rest (B,), lengths such as (50, 10) -> ().
    """
    rest = log_rest[:, None]
    tops = [relaxed_ranking_loss(top[:, :n], torch.cat([top[:, n:], rest], dim=1)) for n in lengths]
    return relaxed_ranking_loss(observed, rest) + 0.5 * (tops[0] + tops[1])
