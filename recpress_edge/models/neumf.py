"""NeuMF: a product of embeddings plus a small network over other embeddings."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.rng import stream
from recpress_edge.models.bpr import NegativeSampler, batch_size, highest
from recpress_edge.models.method import NetworkMethod, TrainingInput
from recpress_edge.models.row_adam import is_by_rows, optimizer_for
from recpress_edge.models.settings import NeuMFConfig

_BLOCK_VALUES = 2**17  # of the first hidden layer at a time: half a megabyte stays in a core's own cache


class NeuMF(nn.Module):
    """score(u, i) = w · [g_u ∘ g_i ; MLP([m_u ; m_i])] + b.

    He et al., "Neural Collaborative Filtering", WWW 2017, with two hidden layers in the halving tower of
    its section 4: dim factors of either part, MLP embeddings of 2·dim, 4·dim → 2·dim → dim. As the first
    hidden layer is as wide as an embedding, folding it into the item table (on export) costs no bytes.

    user_gmf (U, d), item_gmf (I, d), user_mlp (U, 2d), item_mlp (I, 2d), hidden1 (2d, 4d), hidden2 (d, 2d),
    output (2d,), drawn by the stream "init" of the seed; a product weight above 0 stands for those drawn.
    """

    def __init__(
        self, n_users: int, n_items: int, dim: int, seed: int, init_std: float, product_weight: float = 0.0
    ) -> None:
        super().__init__()
        rng = stream(seed, "init")
        wide = 2 * dim

        def normal(*shape: int, std: float = init_std) -> nn.Parameter:
            # Drawn by numpy, not torch, so that a model starts from the same numbers on CPU and CUDA.
            return nn.Parameter(torch.from_numpy(rng.standard_normal(shape, np.float32) * np.float32(std)))

        self.user_gmf, self.item_gmf = normal(n_users, dim), normal(n_items, dim)
        self.user_mlp, self.item_mlp = normal(n_users, wide), normal(n_items, wide)
        # He's initialisation for rectifiers, as the inputs are: variance 2 / fan-in.
        self.hidden1_weight = normal(wide, 2 * wide, std=(2 / (2 * wide)) ** 0.5)
        self.hidden1_bias = nn.Parameter(torch.zeros(wide))
        self.hidden2_weight = normal(dim, wide, std=(2 / wide) ** 0.5)
        self.hidden2_bias = nn.Parameter(torch.zeros(dim))
        self.output_weight = normal(2 * dim, std=(1 / (2 * dim)) ** 0.5)
        if product_weight:  # GMF with weights of one is matrix factorisation, section 3.2
            self.output_weight.data[:dim] = product_weight
        self.output_bias = nn.Parameter(torch.zeros(1))
        self.by_rows = False
        """Whether the embeddings get sparse gradients, of the rows that were read."""

    def tables(self) -> tuple[Tensor, ...]:
        """Parameters that have a row for each user or item."""
        return self.user_gmf, self.item_gmf, self.user_mlp, self.item_mlp

    def user_rows(self, users: Tensor) -> Tensor:
        """Both embeddings side by side: (B,) -> (B, 3d)."""
        return self._side_by_side(users, self.user_gmf, self.user_mlp)

    def _side_by_side(self, places: Tensor, *tables: Tensor) -> Tensor:
        return torch.cat([F.embedding(places, table, sparse=self.by_rows) for table in tables], dim=-1)

    def item_rows(self, items: Tensor) -> Tensor:
        """Both embeddings side by side: (B,) or (B, n) -> (B, 3d) or (B, n, 3d)."""
        return self._side_by_side(items, self.item_gmf, self.item_mlp)

    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of each user with its items: users (B,), items (B,) or (B, n) -> as items."""
        user_rows = self.user_rows(users)
        return self.scores_of_rows(
            user_rows[:, None] if items.dim() == 2 else user_rows, self.item_rows(items)
        )

    def scores_of_rows(self, user_rows: Tensor, item_rows: Tensor) -> Tensor:
        """Scores of rows (..., 3d) with rows that broadcast with them.

        The first layer over both is the sum of a layer over either: W[m_u ; m_i] = Wᵤm_u + Wᵢm_i.
        """
        dim = self.user_gmf.shape[1]
        of_user, of_item = self.hidden1_weight.chunk(2, dim=1)
        first = F.linear(user_rows[..., dim:], of_user, self.hidden1_bias)
        first = torch.relu(first + F.linear(item_rows[..., dim:], of_item))
        second = torch.relu(F.linear(first, self.hidden2_weight, self.hidden2_bias))
        product = user_rows[..., :dim] * self.output_weight[:dim]
        by_product = (product * item_rows[..., :dim]).sum(dim=-1)
        return by_product + second @ self.output_weight[dim:] + self.output_bias

    def catalogue_scores(self, users: Tensor) -> Tensor:
        """Scores of every item, without gradient, the first layer over the items once for all users.

        users (B,) -> (B, I).
        """
        dim = self.user_gmf.shape[1]
        of_user, of_item = self.hidden1_weight.chunk(2, dim=1)
        by_user = F.linear(F.embedding(users, self.user_mlp), of_user, self.hidden1_bias)  # (B, 2d)
        by_item = F.linear(self.item_mlp, of_item)  # (I, 2d)
        product = F.embedding(users, self.user_gmf) * self.output_weight[:dim]
        scores = torch.addmm(self.output_bias, product, self.item_gmf.T)  # (B, I)
        block = _BLOCK_VALUES // (2 * dim) if scores.device.type == "cpu" else len(by_item)
        for start in range(0, len(by_item), max(block, 1)):
            part = slice(start, start + max(block, 1))
            for row, of_this in zip(scores[:, part], by_user, strict=True):
                first = (by_item[part] + of_this).relu_()  # (n, 2d)
                second = torch.addmm(self.hidden2_bias, first, self.hidden2_weight.T).relu_()
                row.add_(torch.mv(second, self.output_weight[dim:]))
        return scores


def pointwise_loss(positive: Tensor, negatives: Tensor) -> Tensor:
    """−Σ log σ(s⁺) − Σ log σ(−s⁻): binary cross-entropy, a sum over the batch.

    He et al., WWW 2017, equation 7. positive (B,), negatives (B, n) -> ().
    """
    return -F.logsigmoid(positive).sum() - F.logsigmoid(-negatives).sum()


class NeuMFMethod(NetworkMethod):
    """NeuMF trained pointwise, all parts at once."""

    network: NeuMF

    def __init__(self, given: TrainingInput, config: NeuMFConfig) -> None:
        self.given = given
        self.config = config
        train = given.train
        network = NeuMF(
            train.n_users, train.n_items, given.dim, given.seed, config.init_std, config.product_weight
        )
        self.network = network.to(given.device)
        self.sampler = NegativeSampler(train)
        self.by_rows = self.network.by_rows = is_by_rows(config, train.n_users + train.n_items, given.recipe)
        self.batch_size = batch_size(config, len(train))
        self.sampled: tuple[Tensor, ...] = self.network.tables()
        self.optimizer = optimizer_for(
            self.network,
            self.sampled,
            config.learning_rate,
            config.weight_decay,
            by_rows=self.by_rows,
        )

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        config, given = self.config, self.given
        each = config.negatives * config.candidates
        for users, positives, drawn in self.sampler.batches(
            given.seed, epoch, each, self.batch_size, given.device
        ):
            yield self.batch_loss(users, positives, self._negatives(users, drawn))

    def steps(self) -> int:
        return self.sampler.steps(self.batch_size)

    def _negatives(self, users: Tensor, drawn: Tensor) -> Tensor:
        """Of each set of candidates the one that is scored highest now. drawn (B, n · C) -> (B, n)"""
        if self.config.candidates == 1:
            return drawn
        with torch.no_grad():
            scores = self.network.pair_scores(users, drawn)
        sets = (len(users), self.config.negatives, self.config.candidates)
        return highest(drawn.view(sets), scores.view(sets))

    def batch_loss(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        """Loss () of one batch of indices: users (B,), positives (B,), negatives (B, n)."""
        items = torch.cat([positives[:, None], negatives], dim=1)  # (B, 1 + n)
        scores = self.network.pair_scores(users, items)
        return pointwise_loss(scores[:, 0], scores[:, 1:])

    def scores(self, users: I64) -> F32:
        with torch.inference_mode():
            rows: F32 = (
                self.network.catalogue_scores(torch.from_numpy(users).to(self.given.device)).cpu().numpy()
            )
        return rows

    def architecture(self) -> dict[str, Any]:
        rows = {f"{side}_rows": [f"{side}_gmf", f"{side}_mlp"] for side in ("user", "item")}
        return {"kind": "neumf", **rows}
