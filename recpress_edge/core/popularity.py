"""Items parted by popularity into groups that hold equally many interactions."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]

THIRDS: Final = ("head", "mid", "tail")
"""The three groups by which recall is split, everywhere."""


def popularity_groups(item_counts: I64, n_groups: int) -> I64:
    """Group of each item (I,), 0 the most popular: each group holds about 1 / n of all interactions.

    Items are taken from the most popular down, ties to the lower index; an item belongs to the group in
    which the interactions before it end. Items without interactions are in the last group.
    item_counts (I,): train interactions of each item.
    """
    order = np.argsort(-item_counts, kind="stable")
    counts = item_counts[order]
    before = np.cumsum(counts) - counts
    groups = np.empty(item_counts.size, np.int64)
    total = int(counts.sum())
    groups[order] = np.minimum(before * n_groups // total, n_groups - 1) if total else n_groups - 1
    return groups
