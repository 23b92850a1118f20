"""The order of a user's interactions in time, and what equal times leave open."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import I64
from recpress_edge.core.rng import stream
from recpress_edge.data.log import Log
from recpress_edge.data.order import ordered_by, stable_order

MOSTLY: Final = 0.95
"""From this share of tied neighbours in the order of their ids on, the file is taken as sorted by id."""
FEWEST_NEIGHBOURS: Final = 20


def earliest_first(log: Log) -> tuple[I64, str]:
    """Rows (n,) by user, then by time; and what orders equal times, in words.

    Equal times keep the order of the file. Where the file lists them in the order of their item ids,
    its order says nothing of time, and a held-out item would be a function of its id: then they are
    drawn, with seed 0.
    """
    times = np.zeros(len(log)) if log.times is None else log.times
    places = np.arange(len(log)) if log.places is None else log.places
    order = ordered_by(log.users, times, places)
    if _sorted_by_id(log, times, order):
        draw = np.empty(len(log))
        draw[by_pair(log)] = stream(0, "equal times").random(len(log))
        return ordered_by(log.users, times, draw), "drawn, seed 0, as the file is in the order of its ids"
    return order, "in file order"


def by_pair(log: Log) -> I64:
    """Rows (n,) by user, then by item; no work where they are in that order."""
    pairs = log.users.astype(np.int64) * len(log.item_ids) + log.items
    return stable_order(pairs)


def tied_users(log: Log, order: I64, part: NDArray[np.integer]) -> int:
    """Users with rows of equal time in different parts: a tie decides which of them is held out.

    order (n,) is that of :func:`earliest_first`; part (n,) is 0, 1 or 2 for train, validation and test.
    """
    if log.times is None:
        return 0
    user, time, where = log.users[order], log.times[order], part[order]
    tied = (user[1:] == user[:-1]) & (time[1:] == time[:-1]) & (where[1:] != where[:-1])
    return int(np.unique(user[1:][tied]).size)


def _sorted_by_id(log: Log, times: NDArray[np.float64], order: I64) -> bool:
    """Whether tied rows stand in the order of their item ids, as numbers or as text, rising or falling."""
    user, time = log.users[order], times[order]
    tied = (user[1:] == user[:-1]) & (time[1:] == time[:-1])
    if np.count_nonzero(tied) < FEWEST_NEIGHBOURS:
        return False
    as_text = np.empty(len(log.item_ids), np.int64)
    as_text[sorted(range(len(log.item_ids)), key=log.item_ids.__getitem__)] = np.arange(len(log.item_ids))
    for rank in (log.items, as_text[log.items]):
        share = float((rank[order][1:] > rank[order][:-1])[tied].mean())
        if max(share, 1 - share) >= MOSTLY:
            return True
    return False
