"""The logarithm of a softmax's denominator over the whole catalogue, and its gradient."""

import math
from collections.abc import Iterator
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CLAMP: Final = 40.0
"""Where models hold their scores: e^40 of a million items is still a number."""
LOG2_E: Final = math.log2(math.e)
TILE_ROWS: Final = 64
"""Rows whose scores are worked out in one go: some megabytes, near a core's own cache."""


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
