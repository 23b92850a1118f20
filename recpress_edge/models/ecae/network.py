"""The collaborative autoencoder: a generator, a distillation layer with a gate an item, a retraining network.

Of the paper only the abstract was at hand: its parts are the paper's, the equations are our own.
"""

import math
from collections.abc import Sequence
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.models.autoencoder import SparseLayer
from recpress_edge.models.ecae.settings import ECAEConfig

GATE_LIMIT: Final = 12.0
"""Logits of gates are held between −this and this, so that a gate is above 0 and below 1 in float32."""
_LEAST: Final = 1e-12


class Decoder(nn.Module):
    """A code (B, H) to scores of all items (B, I)."""

    def __init__(self, hidden: int, n_items: int, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_items, hidden))
        self.bias = nn.Parameter(torch.zeros(n_items))
        nn.init.xavier_normal_(self.weight, generator=generator)

    def forward(self, code: Tensor) -> Tensor:
        return F.linear(code, self.weight, self.bias)


class ECAENetwork(nn.Module):
    """Items of a user x (B, I) of zeros and ones → two rows of scores z¹ and z² (B, I).

    generator          z¹ = W (tanh(V Drop(x / ‖x‖) + b)) + c
    soft data          s = n · softmax(z¹ / T), n the user's number of items
    distillation layer x̃ = g ∘ s + (1 − g) ∘ x, g = σ(a) a gate an item
    retraining network z² as z¹, of its own weights, from x̃

    loss = CE(x, z¹) + λ [(1 − μ) CE(x, z²) + μ CE(s, z²)].
    """

    def __init__(self, n_items: int, hidden: int, generator: torch.Generator) -> None:
        super().__init__()
        self.generator = SparseLayer(n_items, hidden, generator)
        self.generator_out = Decoder(hidden, n_items, generator)
        self.gate_logit = nn.Parameter(torch.zeros(n_items))
        self.retrainer = SparseLayer(n_items, hidden, generator)
        self.retrainer_out = Decoder(hidden, n_items, generator)

    @property
    def gate(self) -> Tensor:
        """g (I,), above 0 and below 1: the share of generated data in an item's input."""
        return torch.sigmoid(self.gate_logit.clamp(-GATE_LIMIT, GATE_LIMIT))

    def distilled(self, soft: Tensor, items: Tensor) -> Tensor:
        """The distillation layer: g ∘ s + (1 − g) ∘ x. soft and items (B, I) -> (B, I)."""
        gate = self.gate
        return gate * soft + (1.0 - gate) * items

    def retrained(self, given: Tensor, dropout: float = 0.0, noise: torch.Generator | None = None) -> Tensor:
        """The hidden layer of the retraining network (B, H). given (B, I), of any length a row."""
        scaled = given / given.norm(dim=1, keepdim=True).clamp(min=_LEAST)
        if dropout:
            kept = torch.rand(scaled.shape, generator=noise).to(scaled.device) >= dropout
            scaled = scaled * kept / (1.0 - dropout)
        return torch.tanh(scaled @ self.retrainer.first + self.retrainer.bias)

    def soft_data(self, scores: Tensor, items: Tensor, config: ECAEConfig) -> Tensor:
        """s = n · softmax(z¹ / T), with gradients only where they go ``through``; all (B, I)."""
        told = scores if config.through else scores.detach()
        return items.sum(dim=1, keepdim=True) * torch.softmax(told / config.temperature, dim=1)


def dense(pairs: tuple[Tensor, Tensor], n_rows: int, n_items: int) -> Tensor:
    """x (B, I) of zeros and ones from where its ones are."""
    items = torch.zeros(n_rows, n_items, device=pairs[0].device)
    items[pairs] = 1.0
    return items


def joint_scores(several: Sequence[Tensor]) -> Tensor:
    """log(½ softmax(z¹) + ½ softmax(z²)), or log softmax(z¹) of one alone; (B, I) each.

    The order is that of the mean of both, in a range that floats hold.
    """
    both = torch.stack([F.log_softmax(scores, dim=1) for scores in several])
    return both.logsumexp(dim=0) - math.log(len(several))


def cross_entropy(wanted: Tensor, scores: Tensor) -> Tensor:
    """CE(p, z) = −Σ_i p_i log softmax(z)_i, the mean over users: (B, I) each -> ()."""
    return -(wanted * F.log_softmax(scores, dim=1)).sum() / len(wanted)


def retraining_loss(retrained: Tensor, soft: Tensor, items: Tensor, share: float) -> Tensor:
    """(1 − μ) CE(x, z²) + μ CE(s, z²): retrained, soft and items (B, I) -> ()."""
    return cross_entropy((1.0 - share) * items + share * soft, retrained)
