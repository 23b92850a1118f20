"""Dual correction: only what the student gets wrong, for users and for items (response-based)."""

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.arrays import F32, I32
from recpress_edge.core.rng import stream
from recpress_edge.distill.lists import (
    best_unobserved,
    places_in,
    teacher_lists,
    teacher_user_lists,
    weighted_draw,
)
from recpress_edge.distill.rrd import list_loss
from recpress_edge.distill.settings import DCDConfig
from recpress_edge.distill.terms import Batch, Rows, Term, on_device
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import Tables


class CorrectionTerm(Term):
    """RRD's loss with underestimated columns on top, in the teacher's order, and overestimated ones beneath.

    Lee and Kim, "Dual Correction Strategy for Ranking Distillation in Top-N Recommender System", CIKM 2021.
    Underestimated: better ranked by the teacher than by the student; drawn with
    p ∝ tanh(ε · difference). Ranks beyond the lists that are compared count as the lists' length.
    The correction alone: the paper adds it to RRD, which uses the same lists.
    """

    def __init__(self, given: TrainingInput, config: DCDConfig, *, by_item: bool = False) -> None:
        self.given = given
        self.config = config
        self.by_item = by_item
        if by_item:
            self.train, self.teacher = given.train.transposed(), teacher_user_lists(given, config.item_pool)
            self.weight, self.drawn = config.item_weight, (config.corrected + 1) // 2
        else:
            self.train, self.teacher = given.train, teacher_lists(given, config.pool)
            self.weight, self.drawn = config.list_weight, config.corrected
        self.student = torch.zeros(self.teacher.shape, dtype=torch.int32)
        """The student's own lists (N, L) when last looked at."""
        self.odds: tuple[F32, F32] | None = None
        """Log weights of the teacher's and of the student's listed columns; None after a fresh start."""

    def memory(self) -> dict[str, Tensor]:
        return {"student": self.student}

    def start(self, epoch: int, tables: tuple[Tensor, Tensor]) -> None:
        if epoch % self.config.refresh_every == 0:
            user_emb, item_emb = (table.cpu().numpy() for table in tables)
            own = Tables(item_emb, user_emb) if self.by_item else Tables(user_emb, item_emb)
            self.student.copy_(torch.from_numpy(best_unobserved(own, self.train, self.teacher.shape[1])))
            self.odds = None
        own_lists = self.student.numpy()
        if self.odds is None:
            self.odds = (
                discrepancy_odds(self.teacher, own_lists, self.train.n_items, self.config.steepness),
                discrepancy_odds(own_lists, self.teacher, self.train.n_items, self.config.steepness),
            )
        purpose = "dcd items" if self.by_item else "dcd users"
        self.corrected = [
            on_device(
                weighted_draw(lists, odds, self.drawn, stream(self.given.seed, f"{purpose} {kind}", epoch)),
                self.given.device,
            )
            for kind, lists, odds in zip(("under", "over"), (self.teacher, own_lists), self.odds, strict=True)
        ]

    def loss(self, student: Rows, batch: Batch) -> Tensor:
        return list_loss(student, batch, *self.corrected, by_item=self.by_item)


def discrepancy_odds(better: I32, worse: I32, n_items: int, steepness: float) -> F32:
    """log tanh(ε · max(rank in ``worse`` − rank in ``better``, 0)) of the columns that ``better`` lists.

    better, worse (N, L) -> (N, L), -inf where the difference is not above zero.
    """
    gap = places_in(worse, better, n_items) - np.arange(better.shape[1])
    with np.errstate(divide="ignore"):
        odds: F32 = np.log(np.tanh(steepness * np.maximum(gap, 0))).astype(np.float32)
    return odds


def item_corrections(given: TrainingInput, config: DCDConfig) -> CorrectionTerm:
    """The same term over the users of an item."""
    return CorrectionTerm(given, config, by_item=True)
