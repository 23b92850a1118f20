"""HetComp: which of several teachers' rankings a student learns when, and the losses on them.

Kang et al., "Distillation from Heterogeneous Models for Top-K Recommendation", WWW 2023. Every teacher is a
trajectory: its rankings at a few points of its training, from easy to final. Each user moves along each
trajectory at a pace of its own; all of it is done for all users at once.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.arrays import F64, I32, I64
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.lists import EMPTY, best_unobserved, listed_pairs, places_in
from recpress_edge.distill.plackett_luce import relaxed_ranking_loss
from recpress_edge.distill.settings import HetCompConfig
from recpress_edge.distill.terms import TableRows, on_device
from recpress_edge.models.bpr import first_tables
from recpress_edge.models.method import Factorised, Method, TrainingInput
from recpress_edge.models.nn import CLAMP, Adam, logsumexp_of_product
from recpress_edge.models.outputs import Tables
from recpress_edge.models.qat import stored_tables

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


class HetComp(Factorised, Method):
    """A factorised student that learns the fused ranking of its teachers and no interactions.

    A batch is users with their whole rows, each user once an epoch: the authors' batches of interactions
    would do the same rows some twenty times.
    """

    def __init__(self, given: TrainingInput, config: HetCompConfig) -> None:
        self.given = given
        self.config = config
        self.mf = first_tables(given, config.init_std)
        self.optimizer = Adam(self.mf, config.learning_rate, config.weight_decay)
        self.trajectories = [teacher.stages() for teacher in given.teachers]
        self.last = np.array([len(trajectory.items) - 1 for trajectory in self.trajectories])
        """Of each teacher (T,): one that was done early may have fewer checkpoints than the others."""
        # Fine-tuning goes on where training ended.
        first = self.last if given.start else np.zeros_like(self.last)
        self.selected = torch.from_numpy(np.tile(first, (given.train.n_users, 1)))
        self.recorded = torch.full(self.selected.shape, torch.nan, dtype=torch.float64)
        self.listed: list[Tensor] | None = None
        """Observed (U, O) and top (U, K) items as now selected; None after a change or a fresh start."""
        self.left_out = given.train
        """Train items, and with them the top items as now selected: all but these are the rest."""

    def memory(self) -> dict[str, Tensor]:
        return {"selected": self.selected, "recorded": self.recorded}

    @property
    def is_final(self) -> bool:
        """Whether every user has reached the end of every trajectory."""
        return bool((self.selected.numpy() == self.last).all())

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        if epoch and epoch % self.config.check_every == 0 and not self.is_final:
            self._advance(epoch)
        if self.listed is None:
            observed, top = self._targets()
            self.listed = [on_device(part, self.given.device) for part in (observed, top)]
            self.left_out = self.given.train.union(listed_pairs(top, self.given.train.n_items))
        order = stream(self.given.seed, "shuffle", epoch).permutation(self.given.train.n_users)
        for start in range(0, order.size, self.config.batch_users):
            yield self._batch_loss(order[start : start + self.config.batch_users])

    def _advance(self, epoch: int) -> None:
        """Compare the student with the next checkpoint of every teacher, and move on where it is time."""
        train, sharpness = self.given.train, self.config.sharpness
        tables = Tables(*(table.cpu().numpy() for table in self.tables()))
        own = best_unobserved(tables, train, DISCREPANCY_DEPTH)
        selected = self.selected.numpy()
        following = np.minimum(selected + 1, self.last)
        users = np.arange(train.n_users)
        now = np.stack(
            [
                discrepancy(own, trajectory.items[following[:, at], users], train.n_items, sharpness)
                for at, trajectory in enumerate(self.trajectories)
            ],
            axis=1,
        )  # (U, T)
        threshold = self.config.alpha * self.config.alpha_decay ** (epoch // self.config.check_every)
        moved, recorded = advance(selected, self.recorded.numpy(), now, self.last, threshold)
        if (moved != selected).any():
            self.listed = None
        self.selected.copy_(torch.from_numpy(moved))
        self.recorded.copy_(torch.from_numpy(recorded))

    def _targets(self) -> tuple[I64, I64]:
        """Observed (U, O) and unobserved top (U, K) items, as the selected checkpoints rank them together."""
        train, config = self.given.train, self.config
        users, owners = np.arange(train.n_users), train.users()
        pairs = np.arange(len(train))
        chosen = self.selected.numpy()
        lists, observed = [], []
        for at, trajectory in enumerate(self.trajectories):
            lists.append(trajectory.items[chosen[:, at], users])
            observed.append(trajectory.observed[chosen[owners, at], pairs])
        return (
            fused_observed(train, observed, config.observed_items, config.sharpness),
            fused_lists(lists, config.top_items, config.sharpness),
        )

    def _batch_loss(self, users: I64) -> Tensor:
        assert self.listed is not None
        rows = on_device(users, self.given.device)
        student = TableRows(*stored_tables(self.given.recipe, self.mf.user_emb, self.mf.item_emb))
        observed, top = (part.index_select(0, rows) for part in self.listed)
        scores = student.user_lists(rows, torch.cat([observed, top], dim=1))
        scores = torch.where(scores.isinf(), scores, scores.clamp(-CLAMP, CLAMP))
        left_row, left_item = (on_device(part, self.given.device) for part in self.left_out.pairs_of(users))
        log_rest = logsumexp_of_product(
            student.user_rows(rows), student.item_emb, (left_row, left_item), CLAMP
        )
        if not self.is_final:
            return self.config.overall_weight * overall_loss(scores, log_rest)
        of_observed, of_top = scores[:, : observed.shape[1]], scores[:, observed.shape[1] :]
        lengths = (self.config.long_list, self.config.short_list)
        return self.config.fine_weight * fine_grained_loss(of_observed, of_top, log_rest, lengths)

    def tables(self) -> tuple[Tensor, Tensor]:
        return self.mf.user_emb.detach(), self.mf.item_emb.detach()
