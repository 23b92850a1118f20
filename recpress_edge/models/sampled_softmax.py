"""A softmax over a catalogue that is too large to score: its denominator from sampled items.

Bengio and Senécal, "Adaptive importance sampling to accelerate training of a neural probabilistic language
model", IEEE TNN 2008: a sum over the catalogue is estimated by the sum over the items drawn, each divided
by its probability to be drawn (log-q correction). Drawn are items by popularity and the train items of the
batch (mixed negatives: Yang et al., WWW 2020). A user's own items are no negatives: they count once.
"""

from typing import Final

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.arrays import F32, F64, I64
from recpress_edge.core.errors import ConfigError

FULL_SCORES: Final = 4_000_000_000
"""Users times items from which an epoch over the whole catalogue takes many minutes."""
POPULARITY_POWER: Final = 0.5
"""Items are drawn with p ∝ (their interactions + 1)^this: between popularity and uniform."""


def is_sampled(setting: str, n_users: int, n_items: int, recipe: str | None) -> bool:
    """Whether the softmax of so many users and items is sampled; a recipe's rounding reads whole tables."""
    if setting == "sampled" and recipe is not None:
        raise ConfigError(
            f'method.softmax = "sampled" cannot train for {recipe}: its scales depend on every row. '
            'Leave method.softmax out, or set "full".'
        )
    if setting == "by-size":
        return recipe is None and n_users * n_items >= FULL_SCORES
    return setting == "sampled"


class Popularity:
    """Draws items with p ∝ (interactions + 1)^power, with replacement."""

    def __init__(self, item_counts: I64, power: float = POPULARITY_POWER) -> None:
        self.counts = item_counts
        weights = (item_counts + 1.0) ** power
        self.share: F64 = weights / weights.sum()
        self._cumulated = np.cumsum(self.share)

    def draw(self, size: int, rng: np.random.Generator) -> I64:
        """So many items (S,), some of them several times."""
        drawn = np.searchsorted(self._cumulated, rng.random(size) * self._cumulated[-1], side="right")
        found: I64 = drawn.clip(max=self.share.size - 1)
        return found

    def candidates(
        self, in_batch: I64, n_users: int, batch_users: int, size: int, rng: np.random.Generator
    ) -> tuple[I64, F32]:
        """Distinct items (C,), ascending, and −log of the probability of each to be among them (C,).

        ``in_batch`` (P,): train items of the batch's users, so many of ``n_users``. An item is missing where
        no draw has hit it and none of its users is in the batch.
        """
        items = np.unique(np.concatenate([in_batch, self.draw(size, rng)]))
        with np.errstate(divide="ignore"):
            missed = size * np.log1p(-self.share[items])
            missed += batch_users * np.log1p(-np.minimum(self.counts[items] / n_users, 1.0))
        return items, -np.log(-np.expm1(missed)).astype(np.float32)


def sampled_logsumexp(
    left: Tensor,
    drawn: Tensor,
    log_weights: Tensor,
    own: tuple[Tensor, Tensor],
    own_at: tuple[Tensor, Tensor],
) -> Tensor:
    """log(Σ_{j drawn, not own} e^{log w_j + left_i · drawn_j} + Σ_{j own} e^{s_ij}) of each row: (B,).

    left (B, D), drawn (C, D), log_weights (C,). ``own``: the row and the score s of every own item (P,) each;
    ``own_at``: the row and the column of those that were drawn too, which are left out there.
    """
    others = torch.addmm(log_weights, left, drawn.T)
    others = others.index_put(own_at, others.new_full((), -torch.inf)).logsumexp(dim=1)
    rows, scores = own
    top = others.detach().clone().scatter_reduce_(0, rows, scores.detach(), "amax")
    summed = (others - top).exp().index_add(0, rows, (scores - top.index_select(0, rows)).exp())
    return summed.log() + top
