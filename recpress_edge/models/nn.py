"""What models are built from: Adam, a softmax's denominator over the catalogue, sparse products."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.optim.adam import adam

from recpress_edge.data.interactions import Interactions

BETA1: Final = 0.9
BETA2: Final = 0.999
EPSILON: Final = 1e-8
CLAMP: Final = 40.0
"""Models clamp their scores to ±this: e^40 summed over a million items is still finite."""
LOG2_E: Final = math.log2(math.e)
TILE_ROWS: Final = 64
"""Rows whose scores are computed together: some megabytes, near a core's own cache."""


class Adam:
    """Adam with L2 in the gradient (Kingma and Ba, ICLR 2015), one pass over memory per step.

    The same update as ``torch.optim.Adam``, whose constructor imports torch's compiler: two to three
    seconds at the start of every run for something that is not used here.
    """

    form: ClassVar[str] = "dense"

    def __init__(self, model: nn.Module, learning_rate: float, weight_decay: float) -> None:
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self._parameters = dict(model.named_parameters())
        self._first = {name: torch.zeros_like(p) for name, p in self._parameters.items()}
        self._second = {name: torch.zeros_like(p) for name, p in self._parameters.items()}
        self._steps = {name: torch.zeros((), device=p.device) for name, p in self._parameters.items()}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters.values():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move every parameter that has a gradient."""
        moved = [name for name, parameter in self._parameters.items() if parameter.grad is not None]
        adam(
            [self._parameters[name] for name in moved],
            [self._parameters[name].grad for name in moved],  # type: ignore[misc]
            [self._first[name] for name in moved],
            [self._second[name] for name in moved],
            [],
            [self._steps[name] for name in moved],
            foreach=False,
            fused=True,
            amsgrad=False,
            beta1=BETA1,
            beta2=BETA2,
            lr=self.learning_rate,
            weight_decay=self.weight_decay,
            eps=EPSILON,
            maximize=False,
        )

    def settle(self) -> None:
        """End an epoch; moving all rows in every step, it has nothing to catch up with."""

    def parameters(self) -> Mapping[str, Tensor]:
        """What it moves, by name: the tensors themselves."""
        return self._parameters

    def state(self) -> dict[str, Tensor]:
        """Parameters, both moments and step counts by name: the tensors themselves, to be saved or set."""
        parts: dict[str, Mapping[str, Tensor]] = {
            "param": self._parameters,
            "first": self._first,
            "second": self._second,
            "steps": self._steps,
        }
        return {f"{part}/{name}": value for part, named in parts.items() for name, value in named.items()}


class _LogSumExpOfProduct(torch.autograd.Function):
    """logsumexp over j of left_i · right_j, and its gradient, with one (B, I) array and one exponential.

    Autograd's own chain keeps the logits and their softmax and takes the exponential twice. Powers of two,
    as torch takes them four times as fast. Every product has few rows on its left and I columns on its
    right, which BLAS does several times as fast as the same product transposed. No maximum is subtracted,
    so the products must stay below about 80.
    """

    @staticmethod
    def forward(
        ctx: Any,
        left: Tensor,
        right: Tensor,
        rows: Tensor | None,
        columns: Tensor | None,
        clamp: float | None,
    ) -> Tensor:
        weights = left.new_empty(len(left), len(right))  # (B, I)
        # One product for both: Σ_j w_j right_j and, as its last row, Σ_j w_j.
        widened = torch.cat([right.T, right.new_ones(1, len(right))])  # (D + 1, I)
        sums = left.new_empty(len(widened), len(left))  # (D + 1, B)
        binary = left * LOG2_E
        limit = None if clamp is None else clamp * LOG2_E
        for part, at in _tiles(len(left), rows):
            tile = torch.mm(binary[part], right.T, out=weights[part])
            flat = None if limit is None else _clamp(tile, limit)
            tile.exp2_()
            if rows is not None and columns is not None:
                tile.view(-1).index_fill_(0, (rows[at] - part.start) * len(right) + columns[at], 0.0)
            sums[:, part] = widened @ tile.T
            if flat is not None:
                sums[:-1, part] = right.T @ tile.masked_fill_(flat, 0.0).T
        ctx.save_for_backward(left, weights, sums)
        return sums[-1].log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        left, weights, sums = ctx.saved_tensors
        # A row with everything left out sums to zero, and has no slope.
        share = torch.where(sums[-1] > 0, grad / sums[-1], 0.0)  # (B,)
        of_right = (left.T * share) @ weights  # (D, I)
        return (sums[:-1] * share).T, of_right.T.contiguous(), None, None, None


def _tiles(n_rows: int, rows: Tensor | None) -> Iterator[tuple[slice, slice]]:
    """Tiles of the rows, and which of ``rows`` (P,), ascending, fall into each."""
    starts = [*range(0, n_rows, TILE_ROWS), n_rows]
    ends = [0] * len(starts) if rows is None else torch.searchsorted(rows, rows.new_tensor(starts)).tolist()
    for at in range(len(starts) - 1):
        yield slice(starts[at], starts[at + 1]), slice(ends[at], ends[at + 1])


def _clamp(tile: Tensor, limit: float) -> Tensor | None:
    """Hold values between −limit and limit; where that changed one it has no slope, None for nowhere."""
    low, high = tile.aminmax()
    if max(-float(low), float(high)) <= limit:
        return None
    flat = tile.abs() > limit
    tile.clamp_(-limit, limit)
    return flat


def logsumexp_of_product(
    left: Tensor,
    right: Tensor,
    left_out: tuple[Tensor, Tensor] | None = None,
    clamp: float | None = None,
) -> Tensor:
    """log Σ_j exp(left_i · right_j), for products below about 80. left (B, D), right (I, D) -> (B,).

    ``left_out``: (rows, columns) of products that are not part of the sum, rows ascending. ``clamp``:
    products are held between −clamp and clamp, so that any are allowed.
    """
    rows, columns = left_out if left_out is not None else (None, None)
    result: Tensor = _LogSumExpOfProduct.apply(left, right, rows, columns, clamp)  # type: ignore[no-untyped-call]
    return result


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """A sparse matrix (N, M) by rows: row n has weights[offsets[n]:…] at the columns items[offsets[n]:…].

    As ``embedding_bag`` takes it, which on a CPU is more than twice as fast as torch's and scipy's CSR.
    """

    items: Tensor
    offsets: Tensor
    weights: Tensor

    @classmethod
    def of(cls, pairs: Interactions, weights: Tensor, device: str = "cpu") -> "SparseRows":
        """A row per user, a column per item, and a weight (nnz,) per pair in the order of ``indices``."""
        items, offsets = pairs.indices.astype(np.int64), pairs.indptr[:-1].copy()
        return cls(
            *(part.to(device) for part in (torch.from_numpy(items), torch.from_numpy(offsets), weights))
        )

    def __matmul__(self, dense: Tensor) -> Tensor:
        """(N, M) @ (M, D) -> (N, D)."""
        return F.embedding_bag(self.items, dense, self.offsets, mode="sum", per_sample_weights=self.weights)
