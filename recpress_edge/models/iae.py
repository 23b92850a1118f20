"""I-AE: an autoencoder of items, whose input is the set of users who consumed the item."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from recpress_edge.core.arrays import I64
from recpress_edge.core.rng import stream, torch_seed
from recpress_edge.models.autoencoder import (
    SparseEncoder,
    require_autoencoder_memory,
    softmax_decoder,
    softmax_log_likelihood,
)
from recpress_edge.models.method import Factorised, Method, TrainingInput
from recpress_edge.models.nn import Adam
from recpress_edge.models.settings import IAEConfig

_BLOCK_ITEMS = 512  # rows of users at a time


class IAE(Factorised, Method):
    """Users of an item → tanh layer → z (d) → softmax over the users: the denoising twin of Mult-VAE.

    After the item autoencoders of Sedhain et al., "AutoRec", WWW 2015, with the multinomial likelihood of
    Liang et al., WWW 2018. It learns p(u | i) = softmax(W z_i + b)_u; items are ranked for a user by
    Bayes' rule, p(i | u) ∝ n_i p(u | i), n_i the users of i. In logarithms that is two tables:
    [W, 1] · [z, log n − log Z], Z the softmax's denominator; b_u changes no ranking.
    """

    def __init__(self, given: TrainingInput, config: IAEConfig) -> None:
        require_autoencoder_memory(
            given,
            f"I-AE of {given.train.n_users:,} users",
            given.train.n_users,
            config.hidden,
            config.batch_items,
        )
        self.given = given
        self.config = config
        self.items = given.train.transposed()  # a row per item
        generator = torch.Generator().manual_seed(torch_seed(given.seed, "init"))
        self.encoder = SparseEncoder(given.train.n_users, config.hidden, given.dim, generator).to(
            given.device
        )
        self.decoder = softmax_decoder(given.dim, given.train.n_users, generator, given.device)
        learned = nn.ModuleDict({"encoder": self.encoder, "decoder": self.decoder})
        self.optimizer = Adam(learned, config.learning_rate, config.weight_decay)
        self.known = np.flatnonzero(self.items.counts())

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        order = stream(self.given.seed, "shuffle", epoch).permutation(self.known)
        noise = torch.Generator().manual_seed(torch_seed(self.given.seed, "noise", epoch))
        for start in range(0, order.size, self.config.batch_items):
            yield self._batch_loss(order[start : start + self.config.batch_items], noise)

    def _batch_loss(self, items: I64, noise: torch.Generator) -> Tensor:
        rows, users = self.encoder.pairs(self.items, items)
        hidden = self.encoder(rows, users, items.size, self.config.dropout, noise)
        return -softmax_log_likelihood(hidden, self.decoder, rows, users) / items.size

    @torch.no_grad()
    def tables(self) -> tuple[Tensor, Tensor]:
        """[W, 1] (U, d + 1) and [z, log n − log Z] (I, d + 1)."""
        counts = torch.from_numpy(self.items.counts()).to(self.given.device)
        item_emb = torch.empty(self.items.n_users, self.given.dim + 1, device=self.given.device)
        for start in range(0, self.items.n_users, _BLOCK_ITEMS):
            items = np.arange(start, min(start + _BLOCK_ITEMS, self.items.n_users))
            encoded = self.encoder(*self.encoder.pairs(self.items, items), items.size)
            part = slice(start, start + items.size)
            item_emb[part, :-1] = encoded
            # An item without users counts as half a one: below all others, and not at minus infinity.
            prior = counts[part].clamp(min=0.5).log()
            item_emb[part, -1] = prior - self.decoder(encoded).logsumexp(dim=1)
        ones = torch.ones(self.given.train.n_users, 1, device=self.given.device)
        return torch.cat([self.decoder.weight, ones], dim=1), item_emb
