"""Tables as a recipe will store them, seen by the loss while it trains: quantisation-aware training.

Forwards every number is the one that the exported file will hold; backwards the rounding counts as if it
were not there (straight-through estimator: Bengio et al., "Estimating or Propagating Gradients Through
Stochastic Neurons", 2013; Jacob et al., "Quantization and Training of Neural Networks", CVPR 2018). The
arithmetic is that of recpress_edge.artifacts.quantize in torch (docs/adr/0022); tests hold the two equal.
"""

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor

from recpress_edge.artifacts.integers import INT4_QMAX, QMAX
from recpress_edge.artifacts.item_scale import CLIP_SHARES, OUTLIER_FACTOR, OUTLIER_PASSES, OUTLIER_SHARE


def stored_tables(recipe: str | None, user_emb: Tensor, item_emb: Tensor) -> tuple[Tensor, Tensor]:
    """Both tables as the file of this recipe holds them, each with the gradient of its argument.

    None leaves them as they are. user_emb (U, D) and item_emb (I, D) must be whole: scales depend on
    every row.
    """
    if recipe is None:
        return user_emb, item_emb
    with torch.no_grad():
        users, items = STORED[recipe](user_emb.double(), item_emb.double())
    return straight_through(users, user_emb), straight_through(items, item_emb)


def straight_through(stored: Tensor, trained: Tensor) -> Tensor:
    """The value of ``stored`` with the gradient of ``trained``; adding x - x = 0 changes no bit."""
    return stored.to(trained.dtype) + (trained - trained.detach())


def int8_dim(user_emb: Tensor, item_emb: Tensor) -> tuple[Tensor, Tensor]:
    """One scale per item dimension, folded into the users, then one per user; all float64."""
    shrunk = outliers_shrunk(item_emb) * _or_all((item_emb != item_emb[:1]).any(dim=0))
    item_scale = _scale(shrunk.abs().amax(dim=0))  # (D,)
    levels = _levels(shrunk / item_scale, QMAX)
    telling = _or_all((levels != levels[:1]).any(dim=0))  # (D,)
    return _int8_users(user_emb * item_scale * telling) / item_scale, levels * item_scale


def int4_item(user_emb: Tensor, item_emb: Tensor) -> tuple[Tensor, Tensor]:
    """Both sides balanced by dimension, one fp16 scale per item, one float32 scale per user; all float64."""
    balance = _balance(user_emb, item_emb)  # (D,)
    telling = _or_all((item_emb != item_emb[:1]).any(dim=0) & (user_emb != 0).any(dim=0))  # (D,)
    items = item_emb / balance * telling
    wanted = _least_error_scale(items)  # (I,)
    largest = wanted.max()
    largest = torch.where(largest > 0, largest, 1.0)
    row_scale = _to_half(wanted / largest)
    step = torch.where(row_scale > 0, row_scale, 1.0) * largest
    levels = torch.where((row_scale > 0)[:, None], _levels(items / step[:, None], INT4_QMAX), 0.0)
    gauge = balance * largest
    telling = _or_all((levels != 0).any(dim=0))
    return _int8_users(user_emb * gauge * telling) / gauge, levels * step[:, None] * balance


def _int8_users(folded: Tensor) -> Tensor:
    """Rows (U, D) rounded to 127 steps of their own size."""
    scale = _scale(folded.abs().amax(dim=1, keepdim=True))  # (U, 1)
    return _levels(folded / scale, QMAX) * scale


def _or_all(telling: Tensor) -> Tensor:
    """(D,): dimensions that can change a ranking; all, if none can."""
    return telling | ~telling.any()


def outliers_shrunk(table: Tensor) -> Tensor:
    """The table (N, D), outlying rows scaled down until they are OUTLIER_FACTOR times the largest other."""
    for _ in range(OUTLIER_PASSES):
        rms = table.square().mean(dim=0).sqrt()  # (D,)
        size = torch.where(rms > 0, table.abs() / rms, 0.0).amax(dim=1)  # (N,)
        some = size[size > 0]
        if not some.numel():
            break
        rank = math.ceil((1 - OUTLIER_SHARE) * some.numel())
        largest = OUTLIER_FACTOR * some.kthvalue(rank).values
        table = table * torch.where(size > largest, largest / size, 1.0)[:, None]
    return table


def _balance(user_emb: Tensor, item_emb: Tensor) -> Tensor:
    """(D,): items are divided by it and users multiplied, so that both are of one size."""
    user, item = (outliers_shrunk(t).square().mean(dim=0).sqrt() for t in (user_emb, item_emb))
    return torch.where((user > 0) & (item > 0), item / user, 1.0).sqrt()


def _least_error_scale(items: Tensor) -> Tensor:
    """(I,): per row the scale with the least squared error, over where the row may be clipped."""
    peak = items.abs().amax(dim=1)  # (I,)
    best, saved = peak / INT4_QMAX, torch.full_like(peak, -1.0)
    for share in CLIP_SHARES:
        step = torch.where(peak > 0, peak * share / INT4_QMAX, 1.0)
        levels = _levels(items / step[:, None], INT4_QMAX)
        norm = levels.square().sum(dim=1)
        along = levels.mul_(items).sum(dim=1)
        some = norm > 0
        gain = torch.where(some, along.square() / norm, 0.0)
        better = gain > saved
        best = torch.where(better, torch.where(some, along / norm, 0.0), best)
        saved = torch.where(better, gain, saved)
    return best


def _scale(peak: Tensor) -> Tensor:
    """The float32 step whose 127-fold covers ``peak``; 1 where all is zero."""
    scale = (peak / QMAX).float()
    return torch.where(scale >= torch.finfo(torch.float32).tiny, scale, 1.0).double()


def _to_half(values: Tensor) -> Tensor:
    """Rounded to float16 as numpy does it, in one step; torch goes through float32 and may round twice."""
    half = values.cpu().numpy().astype(np.float16)
    return torch.from_numpy(half.astype(np.float64)).to(values.device)


def _levels(values: Tensor, largest: int) -> Tensor:
    return values.round().clamp_(-largest, largest)


STORED: Final[Mapping[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]]] = {
    "int8-dim": int8_dim,
    "int4-item": int4_item,
}
