"""Collaborative distillation: soft labels on items drawn by the teacher's rank (response-based)."""

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.rng import stream
from recpress_edge.distill.lists import EMPTY, ranked_draw, teacher_lists
from recpress_edge.distill.plackett_luce import soft_label_loss
from recpress_edge.distill.settings import CDConfig
from recpress_edge.distill.terms import Batch, Rows, Term, on_device
from recpress_edge.models.method import TrainingInput


class SoftLabelTerm(Term):
    """Binary cross-entropy against the teacher's soft labels on unobserved items drawn by its ranking.

    Lee et al., "Collaborative Distillation for Top-N Recommendation", ICDM 2019. There a label is σ of the
    teacher's score; here it is exp(−rank / decay), so that teachers of any scale, and those that give
    rankings alone, can be used. Drawn by the teacher's rank (their student-guided form) alone.
    """

    def __init__(self, given: TrainingInput, config: CDConfig) -> None:
        self.given = given
        self.config = config
        self.weight = config.list_weight
        self.lists = teacher_lists(given, config.pool)  # (U, L)
        places = np.arange(self.lists.shape[1], dtype=np.int32)
        self.places = np.where(self.lists == EMPTY, np.int32(EMPTY), places)

    def start(self, epoch: int, tables: tuple[Tensor, Tensor]) -> None:
        rng = stream(self.given.seed, "cd", epoch)
        places = ranked_draw(self.places, self.config.drawn, self.config.sharpness, rng)  # (U, K)
        # EMPTY places read the last item of their row, and are masked again.
        items = np.take_along_axis(self.lists, places, axis=1).astype(np.int64)
        self.items = on_device(np.where(places == EMPTY, EMPTY, items), self.given.device)
        labels = np.exp(-places / self.config.label_decay).astype(np.float32)
        self.labels = torch.from_numpy(labels).to(self.given.device)

    def loss(self, student: Rows, batch: Batch) -> Tensor:
        users = torch.unique(batch.users)
        scores = student.user_lists(users, self.items.index_select(0, users))
        return soft_label_loss(scores, self.labels.index_select(0, users))
