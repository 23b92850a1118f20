"""The second stage as a network: z = a · s₁ + f(x), where f is a DeepFM that begins as nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from recpress_edge.core.rng import stream
from recpress_edge.models.clicks.network import FieldTables, pair_products
from recpress_edge.models.clicks.rows import FieldLayout
from recpress_edge.models.two_stages.lists import ListFields


@dataclass(frozen=True, slots=True, eq=False)
class ItemSide:
    """What an item adds, of all items or of some."""

    linear: Tensor
    """Σ_T w + ½(|s_T|² − q_T) (I,)."""
    sums: Tensor
    """s_T (I, d)."""
    hidden: Tensor
    """W_T e_T (I, H)."""


class Reranker(nn.Module):
    """f(x) = Σ_T w + ½(|s_T|² − q_T) + s_C · s_T + layers of (W_C e_C + W_T e_T + b₁).

    C are the fields of user and context, T those of the item, s = Σ e, q = Σ e². It is a DeepFM (Guo et al.,
    IJCAI 2017) without the parts that all candidates of a request share: they change no order. Embeddings of
    items' fields, their weights and the output layer begin as zeros, and a as 1: so z begins as s₁.
    """

    def __init__(self, fields: ListFields, dim: int, layers: Sequence[int], seed: int, std: float) -> None:
        super().__init__()
        rng = stream(seed, "init")
        self.asked = FieldTables(FieldLayout(fields.asked), dim, rng, std)
        self.items = FieldTables(FieldLayout(fields.items), dim, rng, 0.0)
        del self.asked.weight, self.asked.bias, self.items.bias  # the same for all candidates
        self.first_asked = _linear(len(fields.asked) * dim, layers[0], rng)
        self.first_items = _linear(len(fields.items) * dim, layers[0], rng, bias=False)
        self.hidden = nn.ModuleList(_linear(n_in, n_out, rng) for n_in, n_out in pairwise(layers))
        self.output = nn.Parameter(torch.zeros(layers[-1]))
        self.scale = nn.Parameter(torch.ones(1))

    def item_side(self, rows: Tensor) -> ItemSide:
        """Of items' rows (I, W_T)."""
        embedded = self.items.embedded(rows)  # (I, F, d)
        linear = self.items.of_fields(rows, self.items.weight[:, None]).sum(dim=(1, 2))
        return ItemSide(
            linear + pair_products(embedded), embedded.sum(dim=1), self.first_items(embedded.flatten(1))
        )

    def forward(
        self,
        rows: Tensor,
        candidates: Tensor,
        scores: Tensor,
        items: ItemSide,
        dropout: float = 0.0,
        noise: torch.Generator | None = None,
    ) -> Tensor:
        """z (B, C) of requests (B, W), their candidates (B, C) and first-stage scores in units (B, C)."""
        embedded = self.asked.embedded(rows)  # (B, F, d)
        sums, first = embedded.sum(dim=1), self.first_asked(embedded.flatten(1))
        z = self.scale * scores + items.linear[candidates]
        z = z + torch.einsum("bd,bcd->bc", sums, items.sums[candidates])
        values = dropped(torch.relu(first[:, None] + items.hidden[candidates]), dropout, noise)
        for layer in self.hidden:
            values = dropped(torch.relu(layer(values)), dropout, noise)
        return z + values @ self.output

    def penalty(self) -> Tensor:
        """½ ‖·‖² of all embeddings and of the items' weights."""
        assert self.asked.embedding is not None
        assert self.items.embedding is not None
        tables = (self.asked.embedding, self.items.embedding, self.items.weight)
        return 0.5 * torch.stack([table.square().sum() for table in tables]).sum()


def dropped(values: Tensor, share: float, noise: torch.Generator | None) -> Tensor:
    """Values of which a share is zero, the others grown to make up; all of them without noise."""
    if not share or noise is None:
        return values
    kept = torch.empty_like(values).bernoulli_(1 - share, generator=noise)
    return values * kept.div_(1 - share)


def _linear(n_in: int, n_out: int, rng: np.random.Generator, *, bias: bool = True) -> nn.Linear:
    """Xavier-normal weights, zero biases, drawn by numpy."""
    made = nn.Linear(n_in, n_out, bias=bias)
    std = np.float32((2.0 / (n_in + n_out)) ** 0.5)
    with torch.no_grad():
        made.weight.copy_(torch.from_numpy(rng.standard_normal((n_out, n_in), np.float32) * std))
        if bias:
            made.bias.zero_()
    return made
