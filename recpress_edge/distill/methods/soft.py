"""The soft-target method: cosine scores, whole rows, targets shared between the train items and a teacher."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recpress_edge.core.rng import stream
from recpress_edge.distill.config import SoftConfig
from recpress_edge.distill.soft import (
    TeacherTargets,
    mix_targets,
    rank_targets,
    teacher_targets,
)
from recpress_edge.models.adam import Adam
from recpress_edge.models.logsumexp import logsumexp_of_product
from recpress_edge.models.method import Factorised, Job, Method
from recpress_edge.models.mf import first_tables
from recpress_edge.models.quantised import stored_tables


class Soft(Factorised, Method):
    """Cross-entropy of a softmax over the catalogue; without a teacher, over the train items alone."""

    def __init__(self, job: Job, config: SoftConfig) -> None:
        self.job = job
        self.config = config
        self.mf = first_tables(job, config.init_std)
        self.optimizer = Adam(self.mf, config.learning_rate, 0.0)
        self.targets = mix_targets(job.train, self._teacher_targets(), config.teacher_weight)

    def _teacher_targets(self) -> TeacherTargets | None:
        """From scores where the teacher has a scale that is known, else from ranks alone."""
        job, config = self.job, self.config
        if job.teacher is None:
            return None
        top = job.teacher.top_items(job.train, config.top_items)
        if config.targets == "ranks" or (config.targets == "usual" and not job.teacher.has("embeddings")):
            return rank_targets(top, config.rank_scale)
        return teacher_targets(top, config.teacher_temperature)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        order = stream(self.job.seed, "shuffle", epoch).permutation(self.job.train.n_users)
        for start in range(0, order.size, self.config.batch_users):
            yield self._batch_loss(order[start : start + self.config.batch_users])

    def _batch_loss(self, users: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Tensor:
        """Mean over the users (B,) of logsumexp(row) − Σ target · logit, which is the cross-entropy."""
        device = self.job.device
        offsets, items, weights = (torch.from_numpy(part).to(device) for part in self.targets.rows(users))
        unit_users, unit_items = self._unit_rows(torch.from_numpy(users).to(device))
        logit_users = unit_users / self.config.temperature
        wanted = F.embedding_bag(items, unit_items, offsets, mode="sum", per_sample_weights=weights)  # (B, D)
        return (logsumexp_of_product(logit_users, unit_items) - (logit_users * wanted).sum(dim=1)).mean()

    def _unit_rows(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of these users (B, D) and of all items (I, D), of unit length but for a recipe's rounding."""
        unit_items = F.normalize(self.mf.item_emb)
        if self.job.recipe is None:
            return F.normalize(F.embedding(users, self.mf.user_emb)), unit_items
        user_emb, item_emb = stored_tables(self.job.recipe, F.normalize(self.mf.user_emb), unit_items)
        return F.embedding(users, user_emb), item_emb

    def tables(self) -> tuple[Tensor, Tensor]:
        """Rows of unit length: their product is the cosine, which ranks as cosine / τ does."""
        return F.normalize(self.mf.user_emb.detach()), F.normalize(self.mf.item_emb.detach())
