"""The most popular items; recall of two rankings by popularity, in thirds of the interactions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from recpress_edge.core.arrays import I64
from recpress_edge.core.metrics import THIRDS, popularity_groups, recall_by_user
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import Interval, paired_bootstrap

LISTED: Final = 200
"""Of popular.txt: what a device shows, and what its reader has seen already."""


def popular_items(item_counts: I64) -> list[int]:
    """The LISTED items of most train interactions, best first; equal counts: lower index first; none of 0.

    item_counts (I,).
    """
    order = np.argsort(-item_counts, kind="stable")[:LISTED]
    found: list[int] = order[item_counts[order] > 0].tolist()
    return found


@dataclass(frozen=True, slots=True)
class Third:
    """Recall@K of the relevant items that lie in one third."""

    items: int
    """Items of the catalogue in this third."""
    users: int
    """Users with a relevant item in it; without any the figures are None."""
    before: float | None
    after: float | None
    delta: Interval | None


def recall_by_third(
    before: I64, after: I64, relevant: Sequence[Sequence[int]], item_counts: I64, seed: int
) -> Mapping[str, Third]:
    """Recall@K of two rankings per third, with a paired bootstrap interval of the difference.

    before, after (B, K): the lists of the same users. In each third a user's relevant items are those
    in it; users without one there do not count.
    """
    thirds = popularity_groups(item_counts, len(THIRDS))
    found = {}
    for index, name in enumerate(THIRDS):
        within = [[item for item in items if thirds[item] == index] for items in relevant]
        items, users = int((thirds == index).sum()), sum(1 for row in within if row)
        if not users:
            found[name] = Third(items, 0, None, None, None)
            continue
        left, right = recall_by_user(before, within), recall_by_user(after, within)
        delta = paired_bootstrap(left, right, stream(seed, f"parity recall {name}"))
        found[name] = Third(items, users, float(np.nanmean(left)), float(np.nanmean(right)), delta)
    return found
