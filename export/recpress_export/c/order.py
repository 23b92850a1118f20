"""Orders in which a model.bin stores items, so that an engine may leave most of them out and be exact."""

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import I8, I64
from recpress_edge.device.c import model_bin
from recpress_edge.device.c.model_bin import HALF
from recpress_export.c.layout import squared_lengths


def item_places(items: I8, order: int) -> I64:
    """Which item is stored at each place (I,); items (I, D), ``order`` a code of model_bin."""
    if order == model_bin.LENGTH:
        return np.argsort(-squared_lengths(items), kind="stable")
    if order == model_bin.NEIGHBOURS:
        return near_together(items)
    return np.arange(len(items))


def near_together(items: I8) -> I64:
    """A kd-tree's leaves of 16, one after the other: items (I, D) -> (I,).

    Each part is cut in the dimension in which it varies most. All parts of one depth are cut at once.
    """
    places: I64 = np.arange(len(items))
    starts = np.zeros(1, np.int64)
    while (sizes := np.diff(np.append(starts, len(items)))).max() > HALF:
        rows = items[places].astype(np.int16)  # squares of int8 fit
        part = np.repeat(np.arange(len(starts)), sizes)
        widest = _most_varied(rows, starts, sizes)
        by_value = np.argsort(rows[np.arange(len(rows)), widest[part]], kind="stable")
        by_part = np.argsort(part[by_value].astype(_part_type(len(starts))), kind="stable")
        places = places[by_value[by_part]]
        starts = np.unique(np.concatenate([starts, starts + _left_sizes(sizes)]))
    return places


def _part_type(count: int) -> type:
    """Stable sorts of 16 bits take the time of two passes."""
    return np.uint16 if count <= 2**16 else np.int64


def _most_varied(rows: NDArray[np.int16], starts: I64, sizes: I64) -> I64:
    """The dimension of largest variance of each part: rows (I, D) -> (parts,)"""
    sums = np.add.reduceat(rows, starts, axis=0, dtype=np.int64)
    squares = np.add.reduceat(rows * rows, starts, axis=0, dtype=np.int64)
    found: I64 = (squares * sizes[:, None] - sums * sums).argmax(axis=1)
    return found


def _left_sizes(sizes: I64) -> I64:
    """Whole blocks on the left, about half; of a block its first half; 0 where nothing is to be cut."""
    leaves = -(-sizes // HALF)
    left = np.where(leaves > 2, 2 * -(-leaves // 4), 1)
    return np.where(leaves > 1, left * HALF, 0)
