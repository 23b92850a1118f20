"""Unbiased distillation: the teacher's order inside groups of equally popular items (response-based)."""

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.arrays import I32, I64
from recpress_edge.core.metrics import popularity_groups
from recpress_edge.core.rng import stream
from recpress_edge.distill.lists import EMPTY, geometric_draw, teacher_lists
from recpress_edge.distill.plackett_luce import pairs_loss
from recpress_edge.distill.settings import UnKDConfig
from recpress_edge.distill.terms import Batch, Rows, Term, on_device
from recpress_edge.models.method import TrainingInput


class GroupPairsTerm(Term):
    """−Σ log σ(s⁺ − s⁻) over pairs of one popularity group, ordered as the teacher orders them.

    Chen et al., "Unbiased Knowledge Distillation for Recommendation", WSDM 2023. Groups hold equally many
    interactions; every group gives the same number of pairs. The ranking of a group is the teacher's list
    of ``pool`` items with the other groups left out. Both items of a pair are drawn independently, with
    p ∝ exp(−rank in the group / sharpness); a pair of one item with itself says nothing and counts nothing.
    """

    def __init__(self, given: TrainingInput, config: UnKDConfig) -> None:
        self.given = given
        self.config = config
        self.weight = config.list_weight
        group = popularity_groups(given.train.item_counts(), config.groups)
        self.lists, self.first, self.counts = grouped_lists(
            teacher_lists(given, config.pool), group, config.groups
        )

    def start(self, epoch: int, tables: tuple[Tensor, Tensor]) -> None:
        rng = stream(self.given.seed, "unkd", epoch)
        pairs = [
            geometric_draw(self.counts.ravel(), self.config.pairs, self.config.sharpness, rng)
            for _ in range(2)
        ]  # (U · groups, pairs) each
        places = np.stack([np.minimum(*pairs), np.maximum(*pairs)])
        void = (places[0] == places[1]) | (places == EMPTY)  # of a pair drawn twice, or of an empty group
        users = self.given.train.n_users
        at = (self.first.reshape(-1, 1) + places).reshape(2, users, -1)
        rows = np.arange(users)[:, None]
        items = np.where(void.reshape(at.shape), EMPTY, self.lists[rows, at.clip(0, self.lists.shape[1] - 1)])
        self.better, self.worse = (on_device(part.astype(np.int64), self.given.device) for part in items)

    def loss(self, student: Rows, batch: Batch) -> Tensor:
        users = torch.unique(batch.users)
        listed = [part.index_select(0, users) for part in (self.better, self.worse)]
        scores = student.user_lists(users, torch.cat(listed, dim=1))
        return pairs_loss(scores[:, : listed[0].shape[1]], scores[:, listed[0].shape[1] :])


def grouped_lists(lists: I32, group: I64, n_groups: int) -> tuple[I32, I64, I64]:
    """Lists (U, L) sorted by group, each group's part in the old order, with where each begins and its size.

    group (I,) of each item -> lists (U, L), first (U, n_groups), counts (U, n_groups); EMPTY places last.
    """
    group_of = np.where(lists == EMPTY, n_groups, group[lists])
    order = np.argsort(group_of, axis=1, kind="stable")
    counts = np.stack([(group_of == g).sum(axis=1) for g in range(n_groups)], axis=1)
    return np.take_along_axis(lists, order, axis=1), np.cumsum(counts, axis=1) - counts, counts
