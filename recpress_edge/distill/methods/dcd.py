"""Dual correction: only what the student gets wrong, for users and for items (response-based)."""

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.draws import F32, I32, places_in, transposed, weighted_draw
from recpress_edge.distill.methods.rrd import list_loss
from recpress_edge.distill.ranking_config import DCDConfig
from recpress_edge.distill.sources import best_unobserved, teacher_lists, teacher_user_lists
from recpress_edge.distill.terms import Batch, DistilledBPR, Rows, Term, on_device
from recpress_edge.models.method import Job
from recpress_edge.models.teacher import Tables


class CorrectionTerm(Term):
    """RRD's loss with underestimated columns on top, in the teacher's order, and overestimated ones beneath.

    Lee and Kim, "Dual Correction Strategy for Ranking Distillation in Top-N Recommender System", CIKM 2021.
    Underestimated: better ranked by the teacher than by the student; drawn with
    p ∝ tanh(ε · difference). Ranks beyond the lists that are compared count as the lists' length.
    The correction alone: the paper adds it to RRD, which uses the same lists.
    """

    def __init__(
        self, job: Job, train: Interactions, teacher: I32, weight: float, drawn: int, config: DCDConfig
    ) -> None:
        """train: rows are users, or, for the item side, items; teacher (N, L): its lists for these rows."""
        self.job = job
        self.train = train
        self.teacher = teacher
        self.weight = weight
        self.drawn = drawn
        self.config = config
        self.by_item = train is not job.train
        self.student = torch.zeros(teacher.shape, dtype=torch.int32)
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
                weighted_draw(lists, odds, self.drawn, stream(self.job.seed, f"{purpose} {kind}", epoch)),
                self.job.device,
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


class DCD(DistilledBPR):
    """BPR beside the corrections of both sides."""

    def __init__(self, job: Job, config: DCDConfig) -> None:
        items = transposed(job.train)
        super().__init__(
            job,
            config,
            {
                "users": CorrectionTerm(
                    job,
                    job.train,
                    teacher_lists(job, config.pool),
                    config.list_weight,
                    config.corrected,
                    config,
                ),
                "items": CorrectionTerm(
                    job,
                    items,
                    teacher_user_lists(job, config.item_pool),
                    config.item_weight,
                    (config.corrected + 1) // 2,
                    config,
                ),
            },
        )
