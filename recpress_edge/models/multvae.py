"""Mult-VAE: a variational autoencoder of users, with a multinomial likelihood over the catalogue."""

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
from recpress_edge.models.settings import MultVAEConfig

_BLOCK_USERS = 4096


def elbo_loss(log_likelihood: Tensor, mean: Tensor, log_var: Tensor, beta: float) -> Tensor:
    """−Σ_ui x_ui log softmax(logits_u)_i + β KL(N(mean, e^log_var) ‖ N(0, 1)), the mean over the users.

    Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018, eq. 4 to 6.

    log_likelihood (): the sum without its sign; mean and log_var (B, d) -> ().
    """
    divergence = 0.5 * (log_var.exp() + mean.square() - 1.0 - log_var).sum()
    return (beta * divergence - log_likelihood) / len(mean)


class MultVAE(Factorised, Method):
    """Items of a user → tanh layer → mean and log variance (d) → softmax over the catalogue.

    Deviation: the decoder is linear, logits = W z + b, not a second network of the encoder's width. That
    costs a third of the time, and makes the model two tables: [z, 1] · [W, b].
    """

    def __init__(self, given: TrainingInput, config: MultVAEConfig) -> None:
        require_autoencoder_memory(
            given,
            f"Mult-VAE of {given.train.n_items:,} items",
            given.train.n_items,
            config.hidden,
            config.batch_users,
        )
        self.given = given
        self.config = config
        generator = torch.Generator().manual_seed(torch_seed(given.seed, "init"))
        self.encoder = SparseEncoder(given.train.n_items, config.hidden, 2 * given.dim, generator).to(
            given.device
        )
        self.decoder = softmax_decoder(given.dim, given.train.n_items, generator, given.device)
        learned = nn.ModuleDict({"encoder": self.encoder, "decoder": self.decoder})
        self.optimizer = Adam(learned, config.learning_rate, 0.0)
        self.known = np.flatnonzero(given.train.counts())

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        order = stream(self.given.seed, "shuffle", epoch).permutation(self.known)
        noise = torch.Generator().manual_seed(torch_seed(self.given.seed, "noise", epoch))
        n_batches = -(-order.size // self.config.batch_users)
        for batch in range(n_batches):
            users = order[batch * self.config.batch_users : (batch + 1) * self.config.batch_users]
            step = epoch * n_batches + batch
            yield self._batch_loss(users, noise, self.beta_at(step, n_batches))

    def beta_at(self, step: int, steps_an_epoch: int) -> float:
        """β grows linearly from 0 to its end over the first ``anneal_epochs``."""
        return self.config.beta * min(step / (self.config.anneal_epochs * steps_an_epoch), 1.0)

    def _batch_loss(self, users: I64, noise: torch.Generator, beta: float) -> Tensor:
        rows, items = self.encoder.pairs(self.given.train, users)
        mean, log_var = self.encoder(rows, items, users.size, self.config.dropout, noise).chunk(2, dim=1)
        drawn = torch.randn(mean.shape, generator=noise).to(mean.device)
        code = mean + drawn * (0.5 * log_var).exp()
        likelihood = softmax_log_likelihood(code, self.decoder, rows, items)
        return elbo_loss(likelihood, mean, log_var, beta)

    @torch.no_grad()
    def tables(self) -> tuple[Tensor, Tensor]:
        """[mean, 1] (U, d + 1) and [W, b] (I, d + 1)."""
        train, device = self.given.train, self.given.device
        user_emb = torch.ones(train.n_users, self.given.dim + 1, device=device)
        for start in range(0, train.n_users, _BLOCK_USERS):
            users = np.arange(start, min(start + _BLOCK_USERS, train.n_users))
            encoded = self.encoder(*self.encoder.pairs(train, users), users.size)
            user_emb[start : start + users.size, :-1] = encoded.chunk(2, dim=1)[0]
        return user_emb, torch.cat([self.decoder.weight, self.decoder.bias[:, None]], dim=1)
