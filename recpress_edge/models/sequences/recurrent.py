"""A history that forgets: a sum of the items read, in which each dimension has a decay of its own."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.core.rng import stream
from recpress_edge.models.sequences.settings import LRHConfig

FIRST_SCALE = 10.0
"""What the cosines are multiplied with at the start."""


class Recurrent(nn.Module):
    """Next-item scores from a linear recurrence.

    s_t = λ ∘ s_(t−1) + H[i_t], and the score of item j after t is scale · cos(p + s_t, E_j).

    Each dimension k has a decay λ_k = σ(r_k). Only the last ``history_length`` items count: their weights
    λ^age are finite, and a file can hold them as a table. With λ = 1 it is the history profile's sum. A
    diagonal linear recurrence is the usual one of the literature on state spaces (S4D, Gu et al., NeurIPS
    2022), here with no input matrix but an item's row, and no output but a cosine.

    item_emb E and history_emb H (I, d), prior p (d,), decay_logit r (d,), log_scale (), hint (e, d).
    """

    def __init__(self, n_items: int, dim: int, seed: int, config: LRHConfig, hint_width: int = 0) -> None:
        """``hint_width``: dimensions that a linear map of the states has, for training alone; 0: no map."""
        super().__init__()
        rng = stream(seed, "init")
        self.history_length = config.history_length

        def drawn(*shape: int) -> nn.Parameter:
            values = rng.standard_normal(shape, np.float32) * np.float32(config.init_std)
            return nn.Parameter(torch.from_numpy(values))

        self.item_emb, self.history_emb = drawn(n_items, dim), drawn(n_items, dim)
        self.prior = drawn(dim)
        self.log_scale = nn.Parameter(torch.tensor(float(np.log(FIRST_SCALE))))
        first = torch.linspace(config.least_decay, config.most_decay, dim).clamp(1e-6, 1 - 1e-6)
        learned = config.decays == "learned"
        self.decay_logit = nn.Parameter(torch.logit(first) if learned else torch.full((dim,), torch.inf))
        self.decay_logit.requires_grad_(learned)
        self.hint = nn.Parameter(torch.zeros(hint_width, dim)) if hint_width else None

    @property
    def decay(self) -> Tensor:
        """λ (d,), above 0 and at most 1."""
        return torch.sigmoid(self.decay_logit)

    def states(self, items: Tensor) -> Tensor:
        """The state before anything and after each item: items (B, n) -> (B, n + 1, d).

        An item of index I adds nothing.
        """
        length = items.shape[1]
        held = items < len(self.history_emb)
        rows = F.embedding(items.clamp(max=len(self.history_emb) - 1), self.history_emb) * held[..., None]
        weights = self._weights(length)  # (n + 1, n, d)
        return torch.einsum("tsd,bsd->btd", weights, rows) + self.prior

    def _weights(self, length: int) -> Tensor:
        """λ^age of what state t reads at place s, 0 where it does not: (n + 1, n, d)."""
        places = torch.arange(length, device=self.prior.device)
        ages = torch.arange(length + 1, device=self.prior.device)[:, None] - 1 - places  # (n + 1, n)
        read = (ages >= 0) & (ages < self.history_length)
        powers = F.logsigmoid(self.decay_logit) * ages.clamp(min=0)[..., None]
        return powers.exp() * read[..., None]

    def factors(self, states: Tensor, items: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Whose product is scale · cos: (P, d), and of all items or of these (S,) -> (I, d) or (S, d)."""
        rows = self.item_emb if items is None else F.embedding(items, self.item_emb)
        return self.log_scale.exp() * F.normalize(states, dim=-1), F.normalize(rows, dim=-1)
