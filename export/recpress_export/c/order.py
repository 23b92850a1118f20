"""Orders in which a model.bin stores items, so that an engine may leave most of them out and be exact."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import I8, I64
from recpress_edge.device.c import model_bin
from recpress_edge.device.c.model_bin import HALF
from recpress_export.c.layout import squared_lengths

PART: Final = 2048
"""Items below which each cut is tried, rather than the middle alone."""
TRIED_DIMS: Final = 10
"""Of such a part, those in which it varies most."""


def item_places(items: I8, order: int) -> I64:
    """Which item is stored at each place (I,); items (I, D), ``order`` a code of model_bin."""
    if order == model_bin.LENGTH:
        return np.argsort(-squared_lengths(items), kind="stable")
    if order == model_bin.NEIGHBOURS:
        return near_together(items)
    return np.arange(len(items))


def near_together(items: I8) -> I64:
    """A tree's leaves of 16, one after the other: items (I, D) -> (I,).

    Parts above 2,048 items are cut in the middle, in the dimension in which they vary most (a kd-tree,
    Bentley, CACM 1975); smaller ones where the two boxes are smallest.
    """
    places, starts = _halved(items)
    small = items.astype(np.int16)
    for start, end in zip(starts, np.append(starts[1:], len(items)), strict=True):
        places[start:end] = _closely_cut(small, places[start:end])
    return places


def _halved(items: I8) -> tuple[I64, I64]:
    """Places of parts of at most PART items, and where each starts; all parts of a depth are cut at once."""
    places: I64 = np.arange(len(items))
    starts = np.zeros(1, np.int64)
    while (sizes := np.diff(np.append(starts, len(items)))).max() > PART:
        rows = items[places].astype(np.int16)  # squares of int8 fit
        part = np.repeat(np.arange(len(starts)), sizes)
        widest = _variation(rows, starts, sizes).argmax(axis=1)
        by_value = np.argsort(rows[np.arange(len(rows)), widest[part]], kind="stable")
        by_part = np.argsort(part[by_value].astype(_part_type(len(starts))), kind="stable")
        places = places[by_value[by_part]]
        starts = np.unique(np.concatenate([starts, starts + _left_sizes(sizes)]))
    return places, starts


def _part_type(count: int) -> type:
    """Stable sorts of 16 bits take the time of two passes."""
    return np.uint16 if count <= 2**16 else np.int64


def _variation(rows: NDArray[np.int16], starts: I64, sizes: I64) -> I64:
    """The variance of each part in each dimension times the square of its size: rows (I, D) -> (parts, D)"""
    sums = np.add.reduceat(rows, starts, axis=0, dtype=np.int64)
    squares = np.add.reduceat(rows * rows, starts, axis=0, dtype=np.int64)
    found: I64 = squares * sizes[:, None] - sums * sums
    return found


def _left_sizes(sizes: I64) -> I64:
    """Whole halves of blocks on the left, about half of the items; 0 where nothing is to be cut."""
    left: I64 = np.where(sizes > PART, 2 * -(-sizes // (4 * HALF)) * HALF, 0)
    return left


def _closely_cut(items: NDArray[np.int16], part: I64) -> I64:
    """One part's places (n,) in the order of its leaves; items (I, D)."""
    if len(part) <= HALF:
        return part
    rows = items[part]
    variation = _variation(rows, np.zeros(1, np.int64), np.array([len(part)]))[0]
    if not variation.any():  # of equal items no cut is better: they would be cut off leaf by leaf
        return part
    dims = np.argsort(-variation, kind="stable")[:TRIED_DIMS]
    orders = np.argsort(rows[:, dims].T, axis=1, kind="stable")
    costs = _cut_costs(rows[orders], len(part))
    dim, cut = np.unravel_index(costs.argmin(), costs.shape)
    ordered, left = part[orders[dim]], HALF * (int(cut) + 1)
    return np.concatenate([_closely_cut(items, ordered[:left]), _closely_cut(items, ordered[left:])])


def _cut_costs(ordered: NDArray[np.int16], n: int) -> I64:
    """Items times edges of the boxes on both sides of each cut: ordered (dims, n, D) -> (dims, cuts)."""
    starts = np.arange(0, n, HALF)
    low, high = np.minimum.reduceat(ordered, starts, axis=1), np.maximum.reduceat(ordered, starts, axis=1)
    left = np.maximum.accumulate(high, axis=1) - np.minimum.accumulate(low, axis=1)
    right = (np.maximum.accumulate(high[:, ::-1], axis=1) - np.minimum.accumulate(low[:, ::-1], axis=1))[
        :, ::-1
    ]
    counts = starts[1:]
    found: I64 = counts * left[:, :-1].sum(axis=2, dtype=np.int64) + (n - counts) * right[:, 1:].sum(
        axis=2, dtype=np.int64
    )
    return found
