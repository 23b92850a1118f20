"""Collaborative metric learning: users near the items they like."""

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from recpress_edge.models.bpr import NegativeSampler, batch_size, first_tables
from recpress_edge.models.method import Factorised, Method, TrainingInput
from recpress_edge.models.row_adam import is_by_rows, optimizer_for
from recpress_edge.models.settings import CMLConfig


def cml_loss(user: Tensor, positive: Tensor, negatives: Tensor, margin: float, n_items: int) -> Tensor:
    """Σ w [m + ‖u − i⁺‖² − min_j ‖u − i_j⁻‖²]₊, w = log(1 + I · share of the negatives within the margin).

    Hsieh et al., "Collaborative Metric Learning", WWW 2017, eq. 1 to 3, with the nearest of the sampled
    negatives and the parallel estimate of the rank, as in the authors' program. w has no gradient.

    user (B, D), positive (B, D), negatives (B, N, D) -> ().
    """
    near = (user - positive).square().sum(dim=1)  # (B,)
    far = (user[:, None] - negatives).square().sum(dim=2)  # (B, N)
    gaps = margin + near[:, None] - far
    weight = torch.log1p((gaps > 0).float().mean(dim=1) * n_items)
    return (weight * F.relu(gaps.max(dim=1).values)).sum()


def covariance_loss(rows: Tensor) -> Tensor:
    """Σ over pairs of different dimensions of their squared covariance. rows (N, D) -> ()."""
    centred = rows - rows.mean(dim=0)
    covariance = centred.T @ centred / len(rows)
    return covariance.square().sum() - covariance.diagonal().square().sum()


@torch.no_grad()
def into_the_ball(table: Tensor, places: Tensor) -> None:
    """Rows of a table (N, D) at these places (P,) go back to the surface where they are outside."""
    places = torch.unique(places)
    rows = table.detach().index_select(0, places)
    table.detach().index_copy_(0, places, rows / rows.norm(dim=1, keepdim=True).clamp_(min=1.0))


class CML(Factorised, Method):
    """Distances instead of products, all vectors inside the unit ball."""

    def __init__(self, given: TrainingInput, config: CMLConfig) -> None:
        self.given = given
        self.config = config
        self.mf = first_tables(given, config.init_std / math.sqrt(given.dim))
        self.sampler = NegativeSampler(given.train)
        self.by_rows = is_by_rows(config, given.train.n_users + given.train.n_items, given.recipe)
        tables = (self.mf.user_emb, self.mf.item_emb)
        self.optimizer = optimizer_for(self.mf, tables, config.learning_rate, 0.0, by_rows=self.by_rows)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        config, given = self.config, self.given
        size = batch_size(config, len(given.train))
        self._into_the_ball()
        for users, positives, drawn in self.sampler.batches(
            given.seed, epoch, config.negatives, size, given.device
        ):
            yield self._batch_loss(users, positives, drawn)
            if self.by_rows:  # nothing else has moved
                into_the_ball(self.mf.user_emb, users)
                into_the_ball(self.mf.item_emb, torch.cat([positives, drawn.flatten()]))
            else:
                self._into_the_ball()

    def steps(self) -> int:
        return self.sampler.steps(batch_size(self.config, len(self.given.train)))

    def _batch_loss(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        user, positive, others = (
            F.embedding(rows, table, sparse=self.by_rows)
            for rows, table in (
                (users, self.mf.user_emb),
                (positives, self.mf.item_emb),
                (negatives, self.mf.item_emb),
            )
        )
        loss = cml_loss(user, positive, others, self.config.margin, self.given.train.n_items)
        drawn = torch.cat([user, positive, others.flatten(0, 1)])
        return loss + self.config.covariance_weight * len(users) * covariance_loss(drawn)

    @torch.no_grad()
    def _into_the_ball(self) -> None:
        """Vectors that the last step moved out of the unit ball go back to its surface."""
        for table in (self.mf.user_emb, self.mf.item_emb):
            table.div_(table.norm(dim=1, keepdim=True).clamp_(min=1.0))

    def tables(self) -> tuple[Tensor, Tensor]:
        """[2u, 1] and [i, −‖i‖²]: their product is −‖u − i‖² + ‖u‖², and ‖u‖² changes no ranking."""
        self._into_the_ball()
        user_emb, item_emb = self.mf.user_emb.detach(), self.mf.item_emb.detach()
        ones = torch.ones(len(user_emb), 1, device=user_emb.device)
        return (
            torch.cat([2.0 * user_emb, ones], dim=1),
            torch.cat([item_emb, -item_emb.square().sum(dim=1, keepdim=True)], dim=1),
        )
