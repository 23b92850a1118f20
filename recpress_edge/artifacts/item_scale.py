"""What recipes need: outliers shrunk, balanced dimensions, scales of least error, packed bytes."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.integers import INT4_QMAX
from recpress_edge.core.arrays import F32, F64

CLIP_SHARES: Final = tuple(np.linspace(1.0, 0.4, 25).tolist())
"""Where int4 may clip an item's row: shares of its largest value."""

OUTLIER_SHARE: Final = 0.01
"""At most this share of the rows are outliers."""
OUTLIER_PASSES: Final = 3
OUTLIER_FACTOR: Final = 4.0
"""An outlier is more than this many times larger than every row that is none."""


def outliers_shrunk(table: F32) -> F64:
    """The table (N, D) with outlying rows scaled down until they are OUTLIER_FACTOR times the largest other.

    A row's size is its largest value, in dimensions of one RMS. An outlier keeps its direction and is
    still the largest row, so it heads and ends the lists that it did; a table without any stays as it is.
    """
    rows: F64 = table.astype(np.float64)
    for _ in range(OUTLIER_PASSES):  # the RMS holds outliers too, so the first pass finds part of them
        rows = rows * _shrink(rows)[:, None]
    return rows


def _shrink(rows: F64) -> F64:
    """(N,): what to multiply each row by, at most 1."""
    rms = np.sqrt(np.mean(rows**2, axis=0))  # (D,)
    size = np.divide(np.abs(rows), rms, out=np.zeros_like(rows), where=rms > 0).max(axis=1, initial=0)  # (N,)
    some = np.sort(size[size > 0])
    if not some.size:
        return np.ones_like(size)
    largest = OUTLIER_FACTOR * some[math.ceil((1 - OUTLIER_SHARE) * some.size) - 1]
    factor: F64 = np.divide(largest, size, out=np.ones_like(size), where=size > 0)
    return np.minimum(factor, 1.0)


def dimensions_that_tell(asking: NDArray[np.bool_], item_emb: F32) -> NDArray[np.bool_]:
    """(D,): where items differ and whoever asks is not always zero; no other can change a ranking.

    All, if none is. asking (D,): where some vector that asks is not zero.
    """
    telling = np.asarray((item_emb != item_emb[:1]).any(axis=0) & asking)
    return telling if telling.any() else ~telling


def balance_dimensions(user_emb: F32, item_emb: F32) -> F64:
    """What to divide the items' dimensions by, and multiply the users', so that both are of one size.

    Only products count, so it costs nothing, and the result is the same under any rescaling of
    single dimensions: without it one large dimension would take the levels of all others.
    """
    user, item = (np.sqrt(np.mean(outliers_shrunk(t) ** 2, axis=0)) for t in (user_emb, item_emb))
    usable = (user > 0) & (item > 0)
    ratio: F64 = np.divide(item, user, out=np.ones_like(item), where=usable)
    return np.sqrt(ratio)


def least_error_scale(items: F64) -> F64:
    """(I,): per row the scale with the least squared error, over where the row may be clipped.

    For fixed levels q the best scale of a row x is q·x / q·q, and it saves (q·x)² / q·q of |x|².
    """
    peak = np.abs(items).max(axis=1)
    best: F64 = peak / INT4_QMAX
    saved = np.full(len(items), -1.0)
    for share in CLIP_SHARES:
        step = np.where(peak > 0, peak * share / INT4_QMAX, 1.0)
        levels = np.clip(np.rint(items / step[:, None]), -INT4_QMAX, INT4_QMAX)
        along, norm = (levels * items).sum(axis=1), (levels**2).sum(axis=1)
        gain = np.divide(along**2, norm, out=np.zeros_like(norm), where=norm > 0)
        better = gain > saved
        best[better] = np.divide(along, norm, out=np.zeros_like(norm), where=norm > 0)[better]
        saved[better] = gain[better]
    return best
