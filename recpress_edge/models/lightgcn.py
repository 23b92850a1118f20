"""LightGCN: embeddings averaged over a few steps along the interactions, learned by BPR."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from recpress_edge.data.interactions import Interactions
from recpress_edge.models.bpr import NegativeSampler, first_tables, hardest
from recpress_edge.models.method import Factorised, Method, TrainingInput
from recpress_edge.models.nn import Adam, SparseRows
from recpress_edge.models.settings import LightGCNConfig


class Propagation:
    """P = (1 + Â + … + Â^L) / (L + 1), with Â the normalised adjacency of users and items.

    Â_ui = 1 / √(|items of u| · |users of i|) where u consumed i. Â, hence P, is symmetric.
    """

    def __init__(self, train: Interactions, layers: int, device: str) -> None:
        self.layers = layers
        self.to_users = _normalised(train, device)  # (U, I)
        self.to_items = _normalised(train.transposed(), device)  # (I, U)

    def __call__(self, user_emb: Tensor, item_emb: Tensor) -> tuple[Tensor, Tensor]:
        """P times both tables, with gradients. (U, D), (I, D) -> (U, D), (I, D)"""
        result: tuple[Tensor, Tensor] = _Propagated.apply(user_emb, item_emb, self)  # type: ignore[no-untyped-call]
        return result

    def apply(self, user_emb: Tensor, item_emb: Tensor) -> tuple[Tensor, Tensor]:
        """P times both tables, without gradients."""
        users, items = user_emb, item_emb
        user_sum, item_sum = user_emb.clone(), item_emb.clone()
        for _ in range(self.layers):
            users, items = self.to_users @ items, self.to_items @ users
            user_sum += users
            item_sum += items
        return user_sum.div_(self.layers + 1), item_sum.div_(self.layers + 1)


def _normalised(pairs: Interactions, device: str) -> SparseRows:
    rows, columns = np.sqrt(pairs.counts()), np.sqrt(pairs.item_counts())
    weights = 1.0 / (rows[pairs.users()] * columns[pairs.indices])
    return SparseRows.of(pairs, torch.from_numpy(weights.astype(np.float32)), device)


class _Propagated(torch.autograd.Function):
    """Backwards is the same product again, since P is symmetric: no layer need be kept."""

    @staticmethod
    def forward(
        ctx: Any, user_emb: Tensor, item_emb: Tensor, propagation: Propagation
    ) -> tuple[Tensor, Tensor]:
        ctx.propagation = propagation
        return propagation.apply(user_emb, item_emb)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        return *ctx.propagation.apply(*grads), None


class LightGCN(Factorised, Method):
    """He et al., "LightGCN: Simplifying and Powering Graph Convolution Network", SIGIR 2020.

    Deviations: large batches and larger steps, since a propagation over the whole graph costs the same for a
    large batch as for a small one; several negatives a positive, or the hardest of several, where asked for.
    """

    def __init__(self, given: TrainingInput, config: LightGCNConfig) -> None:
        self.given = given
        self.config = config
        self.mf = first_tables(given, config.init_std)
        self.propagation = Propagation(given.train, config.layers, given.device)
        self.sampler = NegativeSampler(given.train)
        self.optimizer = Adam(self.mf, config.learning_rate, 0.0)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        config, given = self.config, self.given
        drawn = config.negatives * config.candidates
        for batch in self.sampler.batches(given.seed, epoch, drawn, config.batch_size, given.device):
            yield self._batch_loss(*batch)

    def _batch_loss(self, users: Tensor, positives: Tensor, drawn: Tensor) -> Tensor:
        """users (B,), positives (B,), drawn (B, N · C) -> ()"""
        user_emb, item_emb = self.propagation(self.mf.user_emb, self.mf.item_emb)
        user_rows = F.embedding(users, user_emb)
        negatives = drawn
        if self.config.candidates > 1:
            sets = drawn.view(len(users), self.config.negatives, self.config.candidates)
            negatives = hardest(user_rows, sets, item_emb)  # (B, N)
        wanted = (user_rows * F.embedding(positives, item_emb)).sum(dim=1, keepdim=True)  # (B, 1)
        others = torch.einsum("bd,bnd->bn", user_rows, F.embedding(negatives, item_emb))  # (B, N)
        learned = [
            F.embedding(rows, table)
            for rows, table in (
                (users, self.mf.user_emb),
                (positives, self.mf.item_emb),
                (negatives[:, 0], self.mf.item_emb),
            )
        ]
        size = sum(rows.square().sum() for rows in learned) / (2 * len(users))
        return F.softplus(others - wanted).mean() + self.config.l2 * size

    def tables(self) -> tuple[Tensor, Tensor]:
        return self.propagation.apply(self.mf.user_emb.detach(), self.mf.item_emb.detach())
