"""ECAE as a method: trained jointly, it scores by the mean of both networks' softmaxes."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.rng import stream, torch_seed
from recpress_edge.models.ecae.network import (
    ECAENetwork,
    cross_entropy,
    dense,
    joint_scores,
    retraining_loss,
)
from recpress_edge.models.ecae.settings import ECAEConfig
from recpress_edge.models.method import NetworkMethod, TrainingInput
from recpress_edge.models.nn import Adam
from recpress_edge.models.outputs import StoredNetwork

_COPIES: Final = 5
"""Of a parameter: itself, its gradient, Adam's two moments, and the best epoch's."""
_ROWS_HELD: Final = 14
"""Rows of all items for each user of a step: inputs, scores, softmaxes, and what their gradients need."""
_BLOCK_USERS: Final = 512
CODES: Final = ("user_generated", "user_retrained")
"""Hidden layers of the train users, stored beside the parameters: what a student asks for."""
DECODERS: Final = ("generator_out", "retrainer_out")


class ECAE(NetworkMethod):
    """Items of a user → generator → distillation layer → retraining network; both recommend.

    After Pan, He and Yu, "Collaborative autoencoder", Neurocomputing 332, 2019, of which the abstract alone
    was at hand: generation and retraining network, the distillation layer that weighs each unit, one joint
    training, and both outputs are the paper's; the equations and settings are our own (network.py).
    """

    network: ECAENetwork

    def __init__(self, given: TrainingInput, config: ECAEConfig) -> None:
        n_items = given.train.n_items
        learned = n_items * (4 * given.dim + 3) * _COPIES
        given.require_memory(
            (learned + config.batch_users * n_items * _ROWS_HELD) * torch.float32.itemsize,
            f"ECAE of {n_items:,} items with hidden layers of {given.dim}, {config.batch_users} rows of "
            "scores at a time,",
            "Set a smaller method.batch_users, or take a smaller dim.",
        )
        self.given, self.config = given, config
        generator = torch.Generator().manual_seed(torch_seed(given.seed, "init"))
        self.network = ECAENetwork(n_items, given.dim, generator).to(given.device)
        self.optimizer = Adam(self.network, config.learning_rate, 0.0)
        self.known = np.flatnonzero(given.train.counts())

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        order = stream(self.given.seed, "shuffle", epoch).permutation(self.known)
        noise = torch.Generator().manual_seed(torch_seed(self.given.seed, "noise", epoch))
        for start in range(0, order.size, self.config.batch_users):
            yield self._batch_loss(order[start : start + self.config.batch_users], noise)

    def _batch_loss(self, users: I64, noise: torch.Generator) -> Tensor:
        config, network = self.config, self.network
        pairs = network.generator.pairs(self.given.train, users)
        code = network.generator.hidden(*pairs, users.size, config.dropout, noise)
        scores = network.generator_out(code)
        items = dense(pairs, *scores.shape)
        loss = cross_entropy(items, scores)
        if self._is_generator:
            return loss
        soft = network.soft_data(scores, items, config)
        second = network.retrained(network.distilled(soft, items), config.dropout, noise)
        again = retraining_loss(network.retrainer_out(second), soft, items, config.soft_share)
        return loss + config.retraining_weight * again

    @property
    def _is_generator(self) -> bool:
        """Whether the retraining network learns nothing, and so recommends nothing."""
        return self.config.retraining_weight == 0

    @torch.no_grad()
    def _codes(self, users: I64) -> list[Tensor]:
        """The hidden layers that recommend, (B, H) each."""
        network = self.network
        pairs = network.generator.pairs(self.given.train, users)
        first = network.generator.hidden(*pairs, users.size)
        if self._is_generator:
            return [first]
        scores = network.generator_out(first)
        items = dense(pairs, *scores.shape)
        return [
            first,
            network.retrained(network.distilled(network.soft_data(scores, items, self.config), items)),
        ]

    @torch.no_grad()
    def scores(self, users: I64) -> F32:
        """log(½ softmax(z¹) + ½ softmax(z²)) after the train items (B, I)."""
        rows = np.empty((users.size, self.given.train.n_items), np.float32)
        decoders = (self.network.generator_out, self.network.retrainer_out)
        for start in range(0, users.size, _BLOCK_USERS):
            codes = self._codes(users[start : start + _BLOCK_USERS])
            both = joint_scores([decode(code) for decode, code in zip(decoders, codes, strict=False)])
            rows[start : start + _BLOCK_USERS] = both.cpu().numpy()
        return rows

    def parameters(self) -> dict[str, Tensor]:
        """The network's, and the hidden layers of the train users (U, H) that recommend."""
        return {**super().parameters(), **dict(zip(CODES, self._all_codes(), strict=False))}

    def _all_codes(self) -> list[Tensor]:
        train = self.given.train
        starts = range(0, train.n_users, _BLOCK_USERS)
        blocks = [self._codes(np.arange(at, min(at + _BLOCK_USERS, train.n_users))) for at in starts]
        return [torch.cat(parts) for parts in zip(*blocks, strict=True)]

    def architecture(self) -> dict[str, Any]:
        n_layers = 1 if self._is_generator else len(CODES)
        items = [f"{decoder}.weight" for decoder in DECODERS[:n_layers]]
        return {"kind": "ecae", "user_rows": list(CODES[:n_layers]), "item_rows": items}


class StoredECAE:
    """A finished ECAE's scores of the users whom it was trained on, from what its folder holds."""

    def __init__(self, stored: StoredNetwork, device: str) -> None:
        def tensor(name: str) -> Tensor:
            return torch.from_numpy(stored.parameters[name]).to(device)

        self._parts = [
            (tensor(codes), tensor(f"{decoder}.weight"), tensor(f"{decoder}.bias"))
            for codes, decoder in zip(stored.architecture["user_rows"], DECODERS, strict=False)
        ]

    def scores(self, users: Tensor) -> Tensor:
        """As :meth:`ECAE.scores`: users (B,) -> (B, I)."""
        return joint_scores([F.linear(codes[users], weight, bias) for codes, weight, bias in self._parts])
