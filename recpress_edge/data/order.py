"""Orders of many rows: what argsort and lexsort give, by sorting numbers that hold a key and a row."""

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import I64

Key = NDArray[np.integer] | NDArray[np.float64]


def stable_order(values: Key) -> I64:
    """The rows (n,) in ascending order of ``values`` (n,), equal ones as they stand.

    Numbers are sorted several times faster than rows by their numbers. So each value is packed into one
    number of 64 bits with its row below it; a value that is too long for that is cut, and what the cut
    leaves open is nearly in order.
    """
    rows = len(values)
    if (values[1:] >= values[:-1]).all():
        return np.arange(rows)
    room = 64 - (rows - 1).bit_length()
    found = _shortened(values, room)
    if found is None:
        return np.argsort(values, kind="stable")
    keys, exact = found
    keys <<= np.uint64(64 - room)
    keys |= np.arange(rows, dtype=np.uint64)
    keys.sort()
    keys &= np.uint64((1 << (64 - room)) - 1)
    order: I64 = keys.view(np.int64)
    if exact:
        return order
    return order[np.argsort(values[order], kind="stable")]


def ordered_by(*keys: Key) -> I64:
    """The rows (n,) in ascending order of the first key (n,), then of the next, then as they stand."""
    order = stable_order(keys[-1])
    for key in reversed(keys[:-1]):
        order = order[stable_order(key[order])]
    return order


def _shortened(values: Key, room: int) -> tuple[NDArray[np.uint64], bool] | None:
    """Whole numbers (n,) of at most ``room`` bits in the same order, and whether none two became equal.

    None where a value is no finite number, or the span between them none that can be divided by.
    """
    low, high = values.min(), values.max()
    if values.dtype.kind == "f":
        span = float(high) - float(low)
        if not 1e-290 < span < np.inf:
            return None
        return ((values - low) * (2.0 ** (room - 1) / span)).astype(np.uint64), False
    keys = values.astype(np.int64).view(np.uint64) - np.int64(low).view(np.uint64)
    cut = max((int(high) - int(low)).bit_length() - room, 0)
    keys >>= np.uint64(cut)
    return keys, cut == 0
