"""The networks of click models: linear weights, pairs of embeddings, hidden layers, as a model wants them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.artifacts.clicks.reading import NORM_EPSILON
from recpress_edge.core.rng import stream
from recpress_edge.models.clicks.rows import FieldLayout

MOMENTUM = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickShape:
    """What a click network is made of beside its linear weights."""

    dim: int = 0
    """Of the embeddings; 0 for none."""
    pairs: bool = False
    """Whether products of embeddings are part of the score."""
    layers: tuple[int, ...] = ()
    """Widths of the hidden layers; none for no network."""
    batch_norm: bool = True
    n_crosses: int = 0
    cross_buckets: int = 0


class FieldTables(nn.Module):
    """One table of embeddings and one of weights for all fields; a field of many values has their mean.

    embedding (V, d), weight (V,), bias (1,): drawn by the stream "init" of the seed, the bias 0.
    """

    offsets: Tensor

    def __init__(self, layout: FieldLayout, dim: int, rng: np.random.Generator, std: float) -> None:
        super().__init__()
        self.layout = layout
        drawn = rng.standard_normal((layout.size, dim + 1), np.float32) * np.float32(std)
        self.weight = nn.Parameter(torch.from_numpy(drawn[:, dim].copy()))
        self.embedding = nn.Parameter(torch.from_numpy(drawn[:, :dim].copy())) if dim else None
        self.bias = nn.Parameter(torch.zeros(1))
        self.register_buffer("offsets", torch.from_numpy(layout.offsets), persistent=False)
        self.segments = layout.segments

    def linear(self, rows: Tensor) -> Tensor:
        """b + Σ_f w_f of rows (B, W) -> (B,)."""
        return self.of_fields(rows, self.weight[:, None]).sum(dim=(1, 2)) + self.bias

    def embedded(self, rows: Tensor) -> Tensor:
        """The embedding of each field: rows (B, W) -> (B, F, d)."""
        assert self.embedding is not None
        return self.of_fields(rows, self.embedding)

    def of_fields(self, rows: Tensor, table: Tensor) -> Tensor:
        """What each field has of a table (V, C) of all values: rows (B, W) -> (B, F, C)."""
        found = F.embedding(rows.clamp_min(0) + self.offsets, table)  # (B, W, d)
        if not any(many for _, _, many in self.segments):
            return found
        return torch.cat([self._segment(rows, found, *where) for where in self.segments], dim=1)

    @staticmethod
    def _segment(rows: Tensor, found: Tensor, start: int, end: int, many: bool) -> Tensor:
        part = found[:, start:end]
        if not many:
            return part
        known = (rows[:, start:end] >= 0).to(part.dtype)  # (B, capacity), one of them at least
        return ((part * known[..., None]).sum(dim=1) / known.sum(dim=1, keepdim=True))[:, None]


class BatchNorm(nn.Module):
    """Batch normalisation whose running mean and variance are parameters without a gradient.

    So they are kept, stored and restored with the rest of the model.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.mean = nn.Parameter(torch.zeros(width), requires_grad=False)
        self.variance = nn.Parameter(torch.ones(width), requires_grad=False)

    def forward(self, values: Tensor) -> Tensor:
        return F.batch_norm(
            values, self.mean, self.variance, self.gain, self.shift, self.training, MOMENTUM, NORM_EPSILON
        )


class HiddenLayers(nn.Module):
    """a · h_L + c with h_l = Dropout(ReLU(BN(W_l h_(l-1) + b_l))): Xavier-normal weights, zero biases."""

    def __init__(self, width: int, layers: Sequence[int], batch_norm: bool, rng: np.random.Generator) -> None:
        super().__init__()

        def linear(n_in: int, n_out: int) -> nn.Linear:
            made = nn.Linear(n_in, n_out)
            std = np.float32((2.0 / (n_in + n_out)) ** 0.5)
            with torch.no_grad():
                made.weight.copy_(torch.from_numpy(rng.standard_normal((n_out, n_in), np.float32) * std))
                made.bias.zero_()
            return made

        widths = [width, *layers]
        self.hidden = nn.ModuleList(map(linear, widths[:-1], widths[1:]))
        self.norms = nn.ModuleList(map(BatchNorm, layers)) if batch_norm else None
        self.output = linear(widths[-1], 1)

    def last(self, values: Tensor, dropout: float, noise: torch.Generator | None) -> Tensor:
        """h_L: values (B, width) -> (B, H); ``noise`` draws what is dropped, None drops nothing."""
        for place, layer in enumerate(self.hidden):
            values = layer(values)
            values = torch.relu(values if self.norms is None else self.norms[place](values))
            if dropout and noise is not None:
                kept = torch.empty_like(values).bernoulli_(1 - dropout, generator=noise)
                values = values * kept.div_(1 - dropout)
        return values


class ClickNetwork(nn.Module):
    """z = b + Σ_f w_f [+ Σ_c w_c] [+ ½ Σ_k ((Σ_f e_fk)² − Σ_f e_fk²)] [+ hidden layers of all e_f].

    LR has the first part alone, FM (Rendle, ICDM 2010) the products, Wide & Deep (Cheng et al., DLRS 2016)
    crosses and hidden layers, DeepFM (Guo et al., IJCAI 2017) products and hidden layers on one table.
    """

    def __init__(self, layout: FieldLayout, shape: ClickShape, seed: int, std: float) -> None:
        super().__init__()
        rng = stream(seed, "init")
        self.shape = shape
        self.tables = FieldTables(layout, shape.dim, rng, std)
        self.crosses = None
        if shape.n_crosses:
            self.crosses = nn.Parameter(torch.zeros(shape.n_crosses * shape.cross_buckets))
        self.deep = None
        if shape.layers:
            width = len(layout.fields) * shape.dim
            self.deep = HiddenLayers(width, shape.layers, shape.batch_norm, rng)

    def forward(
        self, rows: Tensor, crossed: Tensor, dropout: float = 0.0, noise: torch.Generator | None = None
    ) -> Tensor:
        """Logits (B,) of rows (B, W) and the buckets of their crosses (B, C)."""
        return self.parts(rows, crossed, dropout, noise)[0]

    def parts(
        self, rows: Tensor, crossed: Tensor, dropout: float = 0.0, noise: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (B,) and the last hidden layer (B, H), as wide as nothing without hidden layers."""
        logits, hidden = self.tables.linear(rows), rows.new_empty((len(rows), 0), dtype=torch.float32)
        if self.crosses is not None:
            logits = logits + F.embedding(crossed, self.crosses[:, None]).sum(dim=(1, 2))
        if self.shape.dim:
            embedded = self.tables.embedded(rows)
            if self.shape.pairs:
                logits = logits + pair_products(embedded)
            if self.deep is not None:
                hidden = self.deep.last(embedded.flatten(1), dropout, noise)
                logits = logits + self.deep.output(hidden)[:, 0]
        return logits, hidden


def pair_products(embedded: Tensor) -> Tensor:
    """Σ_(f<g) e_f · e_g = ½ Σ_k [(Σ_f e_fk)² − Σ_f e_fk²]: (B, F, d) -> (B,)."""
    return 0.5 * (embedded.sum(dim=1).square() - embedded.square().sum(dim=1)).sum(dim=1)
