"""HetComp: one student from heterogeneous teachers, along their trajectories (response-based)."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.rng import stream
from recpress_edge.distill.draws import I64, listed_pairs
from recpress_edge.distill.hetcomp import (
    DISCREPANCY_DEPTH,
    advance,
    discrepancy,
    fine_grained_loss,
    fused_lists,
    fused_observed,
    overall_loss,
)
from recpress_edge.distill.hetcomp_config import HetCompConfig
from recpress_edge.distill.sources import best_unobserved
from recpress_edge.distill.terms import TableRows, on_device
from recpress_edge.models.adam import Adam
from recpress_edge.models.logsumexp import CLAMP, logsumexp_of_product
from recpress_edge.models.method import Factorised, Job, Method
from recpress_edge.models.mf import first_tables
from recpress_edge.models.quantised import stored_tables
from recpress_edge.models.teacher import Tables


class HetComp(Factorised, Method):
    """A factorised student that learns the fused ranking of its teachers, and no interactions beside.

    A batch is users with their whole rows, each user once an epoch: the authors' batches of interactions
    would do the same rows some twenty times.
    """

    def __init__(self, job: Job, config: HetCompConfig) -> None:
        self.job = job
        self.config = config
        self.mf = first_tables(job, config.init_std)
        self.optimizer = Adam(self.mf, config.learning_rate, config.weight_decay)
        self.trajectories = [teacher.stages() for teacher in job.teachers]
        self.last = np.array([len(trajectory.items) - 1 for trajectory in self.trajectories])
        """Of each teacher (T,): one that was done early may have fewer checkpoints than the others."""
        # Fine-tuning goes on where training ended.
        first = self.last if job.start else np.zeros_like(self.last)
        self.selected = torch.from_numpy(np.tile(first, (job.train.n_users, 1)))
        self.recorded = torch.full(self.selected.shape, torch.nan, dtype=torch.float64)
        self.listed: list[Tensor] | None = None
        """Observed (U, O) and top (U, K) items as now selected; None after a change or a fresh start."""
        self.left_out = job.train
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
            self.listed = [on_device(part, self.job.device) for part in (observed, top)]
            self.left_out = self.job.train.union(listed_pairs(top, self.job.train.n_items))
        order = stream(self.job.seed, "shuffle", epoch).permutation(self.job.train.n_users)
        for start in range(0, order.size, self.config.batch_users):
            yield self._batch_loss(order[start : start + self.config.batch_users])

    def _advance(self, epoch: int) -> None:
        """Compare the student with the next checkpoint of every teacher, and move on where it is time."""
        train, sharpness = self.job.train, self.config.sharpness
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
        train, config = self.job.train, self.config
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
        rows = on_device(users, self.job.device)
        student = TableRows(*stored_tables(self.job.recipe, self.mf.user_emb, self.mf.item_emb))
        observed, top = (part.index_select(0, rows) for part in self.listed)
        scores = student.user_lists(rows, torch.cat([observed, top], dim=1))
        scores = torch.where(scores.isinf(), scores, scores.clamp(-CLAMP, CLAMP))
        left_row, left_item = (on_device(part, self.job.device) for part in self.left_out.pairs_of(users))
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
