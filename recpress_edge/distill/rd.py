"""Ranking distillation: the teacher's best items as weighted positives (response-based)."""

import torch
from torch import Tensor

from recpress_edge.core.rng import stream
from recpress_edge.distill.lists import Unlisted, teacher_lists
from recpress_edge.distill.plackett_luce import discrepancy_weights, position_weights, top_list_loss
from recpress_edge.distill.settings import RDConfig
from recpress_edge.distill.terms import Batch, Rows, Term, on_device
from recpress_edge.models.method import TrainingInput


class TopListTerm(Term):
    """−Σ w log σ(s) over the teacher's top K, weighted by position and by how much too low the student ranks.

    Tang and Wang, "Ranking Distillation: Learning Compact Ranking Models With High Performance for
    Recommender System", KDD 2018. The weights by position of a user sum to 1; the discrepancy scales each
    of them and the product is not normalised again, so what the student ranks well already costs nothing.
    """

    def __init__(self, given: TrainingInput, config: RDConfig) -> None:
        self.given = given
        self.config = config
        self.weight = config.list_weight
        self.top = torch.from_numpy(teacher_lists(given, config.top_items).astype("int64")).to(given.device)
        self.by_position = position_weights(self.top.shape[1], config.sharpness).to(given.device)
        self.unlisted = Unlisted(given.train)

    def start(self, epoch: int, tables: tuple[Tensor, Tensor]) -> None:
        self.dynamic = epoch >= self.config.dynamic_from
        if self.dynamic:
            rng = stream(self.given.seed, "rd sampled", epoch)
            self.sampled = on_device(self.unlisted.draw(self.config.sampled, rng), self.given.device)

    def loss(self, student: Rows, batch: Batch) -> Tensor:
        users = torch.unique(batch.users)
        scores = student.user_lists(users, self.top.index_select(0, users))
        weights = self.by_position
        if self.dynamic:
            with torch.no_grad():
                sampled = student.user_lists(users, self.sampled.index_select(0, users))
            n_items = self.given.train.n_items
            weights = weights * discrepancy_weights(scores, sampled, n_items, self.config.steepness)
        return top_list_loss(scores, weights)
