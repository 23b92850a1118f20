"""Networks of cells: causal operations over a sequence, one cell upon the other, and a tied item table."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.artifacts.cell import ATTENTION, NONE, OPERATIONS, Cell, edges_of
from recpress_edge.core.rng import stream
from recpress_edge.models.sequences.settings import AdaRecConfig
from recpress_edge.models.sequences.transformer import Noise, drawn_parameter, norm_parameters, normed

EdgeWeights = Mapping[str, Tensor | float]
"""What the operations of an edge count; those that are not named count nothing."""


class CellEdge(nn.Module):
    """One operation of one edge: states (B, n, d) -> (B, n, d), each from its own place and earlier ones.

    What lies before a sequence counts as zeros. Inputs are not negative, so that holds for a maximum too.
    weight (d, taps · d) and bias (d,) of a convolution, earliest tap first; qkv_weight (3d, d), qkv_bias,
    mix_weight (d, d), mix_bias of an attention with one head.
    """

    def __init__(self, name: str, dim: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.name, self.what = name, OPERATIONS[name]
        if name == ATTENTION:
            self.qkv_weight, self.qkv_bias = _linear(3 * dim, dim, rng)
            self.mix_weight, self.mix_bias = _linear(dim, dim, rng)
        elif self.what.weighted:
            self.weight, self.bias = _linear(dim, self.what.taps * dim, rng)

    def forward(self, x: Tensor) -> Tensor:
        if self.name == NONE:
            return torch.zeros_like(x)
        if self.name == ATTENTION:
            return self._attend(x)
        if self.what.taps == 1:
            return x
        taps = [shifted(x, age * self.what.step) for age in reversed(range(self.what.taps))]
        if self.what.weighted:
            return F.linear(torch.cat(taps, dim=-1), self.weight, self.bias)
        stacked = torch.stack(taps)
        return stacked.mean(dim=0) if self.name.startswith("average") else stacked.amax(dim=0)

    def _attend(self, x: Tensor) -> Tensor:
        length, dim = x.shape[1:]
        query, key, value = F.linear(x, self.qkv_weight, self.qkv_bias).chunk(3, dim=-1)
        logits = (query @ key.transpose(-1, -2)) * dim**-0.5
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        mixed = logits.masked_fill(later, -torch.inf).softmax(dim=-1) @ value
        return F.linear(mixed, self.mix_weight, self.mix_bias)


def shifted(x: Tensor, places: int) -> Tensor:
    """What stood so many places before: (B, n, d) -> (B, n, d), zeros at the beginning."""
    return F.pad(x, (0, 0, places, 0))[:, : x.shape[1]] if places else x


class CellBlock(nn.Module):
    """x + ReLU(Norm(Σ_n softmax(a)_n · node_n)); a node sums its edges, each over ReLU of its source.

    ``names`` says what operations each edge has: one of a cell, all of a search. node_weights a (K,), gain
    and shift (d,).
    """

    def __init__(
        self, names: Sequence[Sequence[str]], nodes: int, dim: int, rng: np.random.Generator
    ) -> None:
        super().__init__()
        self._edges = edges_of(nodes)
        made = [nn.ModuleDict({name: CellEdge(name, dim, rng) for name in some}) for some in names]
        self.edges = nn.ModuleList(made)
        self._by_name = made
        self.node_weights = nn.Parameter(torch.zeros(nodes))
        self.gain, self.shift = norm_parameters(dim)

    def forward(self, x: Tensor, weights: Sequence[EdgeWeights], noise: Noise) -> Tensor:
        """x (B, n, d) -> (B, n, d); ``weights`` of each edge."""
        states = [x]
        shares = self.node_weights.softmax(dim=0)
        for node in range(1, len(shares) + 1):
            total = torch.zeros_like(x)
            for (at, source), edge, counted in zip(self._edges, self._by_name, weights, strict=True):
                if at == node:
                    before = torch.relu(states[source])
                    for name, weight in counted.items():
                        total = total + weight * edge[name](before)
            states.append(total)
        mixed = sum(share * state for share, state in zip(shares, states[1:], strict=True))
        return x + noise(torch.relu(normed(mixed, self.gain, self.shift)))


class CellNetwork(nn.Module):
    """Next-item scores from a sequence: the last state times the item table (tied weights).

    Every sequence begins with a start token, as in SASRec. Positions are added where a cell attends; any
    other cell knows order by its operations, so a suffix of a sequence is all that an answer depends on.
    item_emb (I + 1, d), the last row is the start token; position_emb (L, d) or none.
    """

    def __init__(
        self, shape: tuple[int, int], seed: int, config: AdaRecConfig, names: Sequence[Sequence[str]]
    ) -> None:
        """``shape``: items and dim; ``names`` as in :class:`CellBlock`."""
        super().__init__()
        (n_items, dim), rng = shape, stream(seed, "init")
        self.dropout = config.dropout
        self.item_emb = drawn_parameter((n_items + 1, dim), config.init_std, rng)
        attends = any(ATTENTION in some for some in names)
        shape_of_positions = (config.history_length, dim)
        self.position_emb = drawn_parameter(shape_of_positions, config.init_std, rng) if attends else None
        self.blocks = nn.ModuleList(CellBlock(names, config.nodes, dim, rng) for _ in range(config.cells))
        self._names = names
        self.final_gain, self.final_shift = norm_parameters(dim)

    @classmethod
    def of(cls, cell: Cell, shape: tuple[int, int], seed: int, config: AdaRecConfig) -> "CellNetwork":
        """The network of one cell."""
        return cls(shape, seed, config, [[name] for name in cell.operations])

    def stages(
        self,
        tokens: Tensor,
        weights: Sequence[EdgeWeights] | None = None,
        generator: torch.Generator | None = None,
    ) -> list[Tensor]:
        """The embedded tokens, and the states after each cell, the last ones normalised: (B, n, d) each.

        ``weights`` as in :class:`CellBlock`; None: each operation counts fully. With a generator, values are
        dropped as in training.
        """
        noise, length = Noise(self.dropout, generator), tokens.shape[1]
        x = F.embedding(tokens, self.item_emb) * self.item_emb.shape[1] ** 0.5
        x = noise(x if self.position_emb is None else x + self.position_emb[:length])
        found = [x]
        for block in self.blocks:
            counted = weights or [dict.fromkeys(some, 1.0) for some in self._names]
            x = block(x, counted, noise)
            found.append(x)
        return [*found[:-1], normed(x, self.final_gain, self.final_shift)]

    def hidden(self, tokens: Tensor) -> Tensor:
        """States after every token: tokens (B, n) -> (B, n, d)."""
        return self.stages(tokens)[-1]


def _linear(rows: int, columns: int, rng: np.random.Generator) -> tuple[nn.Parameter, nn.Parameter]:
    """Weight and bias; the weight's spread keeps the size of what comes in."""
    return drawn_parameter((rows, columns), columns**-0.5, rng), nn.Parameter(torch.zeros(rows))
