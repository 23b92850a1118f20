"""The autoencoder of one hidden layer: a history bundle with a tanh and a bias an item."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.artifacts.tanh_history import COUNTED
from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.rng import stream, torch_seed
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.autoencoder.soft_labels import mixed_cross_entropy, soft_scores
from recpress_edge.models.autoencoder import SparseLayer
from recpress_edge.models.ecae.network import Decoder, dense
from recpress_edge.models.ecae.settings import AEConfig
from recpress_edge.models.method import NetworkMethod, TrainingInput
from recpress_edge.models.nn import Adam
from recpress_edge.models.ranking import ScoreRows

_COPIES: Final = 5
"""Of a parameter: itself, its gradient, Adam's two moments, and the best epoch's."""
_ROWS_HELD: Final = 8
"""Rows of all items for each user of a step: items, scores, softmaxes, and what their gradients need."""


class AENetwork(nn.Module):
    """user = tanh(prior + Σ history_emb[item] / √n), scores = item_emb · user + item_bias."""

    def __init__(self, n_items: int, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.encoder = SparseLayer(n_items, dim, generator)
        self.decoder = Decoder(dim, n_items, generator)


class AEMethod(NetworkMethod):
    """Learned from users' items, and from a teacher's distribution over the whole catalogue too."""

    network: AENetwork

    def __init__(self, given: TrainingInput, config: AEConfig) -> None:
        n_items = given.train.n_items
        learned = n_items * (2 * given.dim + 1) * _COPIES
        given.require_memory(
            (learned + config.batch_users * n_items * _ROWS_HELD) * torch.float32.itemsize,
            f"an autoencoder of {n_items:,} items, {config.batch_users} rows of scores at a time,",
            "Set a smaller method.batch_users, or take a smaller dim.",
        )
        self.given, self.config = given, config
        generator = torch.Generator().manual_seed(torch_seed(given.seed, "init"))
        self.network = AENetwork(n_items, given.dim, generator).to(given.device)
        self.optimizer = Adam(self.network, config.learning_rate, 0.0)
        self.known = np.flatnonzero(given.train.counts())
        self._told = None if given.teacher is None else soft_scores(given.teacher, given.device)
        self._train_rows = self.rows_after(given.train)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        order = stream(self.given.seed, "shuffle", epoch).permutation(self.known)
        noise = torch.Generator().manual_seed(torch_seed(self.given.seed, "noise", epoch))
        for start in range(0, order.size, self.config.batch_users):
            yield self._batch_loss(order[start : start + self.config.batch_users], noise)

    def _batch_loss(self, users: I64, noise: torch.Generator) -> Tensor:
        config, network = self.config, self.network
        pairs = network.encoder.pairs(self.given.train, users)
        scores = network.decoder(network.encoder.hidden(*pairs, users.size, config.dropout, noise))
        items = dense(pairs, users.size, scores.shape[1])
        told = None
        if self._told is not None:
            with torch.no_grad():
                told = self._told(torch.from_numpy(users).to(self.given.device))
        return mixed_cross_entropy(scores, items, told, config.soft_share, config.temperature)

    def scores(self, users: I64) -> F32:
        return self._train_rows(users)

    def rows_after(self, histories: Interactions) -> ScoreRows:
        """Of more than ``COUNTED`` items √n is that of as many, as in the exported file."""

        def rows(users: I64) -> F32:
            network = self.network
            pairs, items = network.encoder.pairs(histories, users)
            with torch.inference_mode():
                counts = torch.bincount(pairs, minlength=users.size)
                summed = F.embedding_bag(items, network.encoder.first, counts.cumsum(0) - counts, mode="sum")
                scale = counts.clamp(1, COUNTED).to(summed.dtype).rsqrt()[:, None]
                code = torch.tanh(summed * scale + network.encoder.bias)
                scores: F32 = network.decoder(code).cpu().numpy()
            return scores

        return rows

    def parameters(self) -> dict[str, Tensor]:
        """What a file needs: item_emb (I, d), item_bias (I,), history_emb (I, d), prior (d,)."""
        encoder, decoder = self.network.encoder, self.network.decoder
        return {
            "item_emb": decoder.weight.detach(),
            "item_bias": decoder.bias.detach(),
            "history_emb": encoder.first.detach(),
            "prior": encoder.bias.detach(),
        }

    def architecture(self) -> dict[str, Any]:
        return {"kind": "ae"}
