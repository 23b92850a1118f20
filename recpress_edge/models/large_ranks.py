"""Ranks of held-out items by a product of large tables, from lists that end where nothing more can matter."""

import numpy as np

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import DataError
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.large_lists import USERS, Finder
from recpress_edge.models.outputs import Tables


def ranks_within(tables: Tables, seen: Interactions, relevant: Interactions, depth: int) -> I64:
    """Rank of each relevant pair among its user's unseen items where it is below ``depth``, else I: (nnz,).

    rank = #(score > s) + #(score = s at lower item indices), scores in float64: the place on the user's list,
    which is given up where none of the user's pairs can be on it.
    """
    finder = Finder(tables, depth)
    users = np.flatnonzero(relevant.counts())
    ranks = np.empty(len(relevant), np.int64)
    for start in range(0, users.size, USERS):
        block = users[start : start + USERS]
        wanted = relevant.pairs_of(block)
        ranks[relevant.positions_of(block)] = _ranks(
            finder, tables.user_emb[block], wanted, seen.pairs_of(block)
        )
    return ranks


def _ranks(finder: Finder, rows: F32, wanted: tuple[I64, I64], seen: tuple[I64, I64]) -> I64:
    """Of the pairs wanted (P,) of users with these rows (B, D); both sides are (place in ``rows``, item)."""
    n_items = len(finder.item_emb)
    taken = np.isin(wanted[0] * n_items + wanted[1], seen[0] * n_items + seen[1])
    if taken.any():
        item = int(wanted[1][taken][0])
        raise DataError(f"item index {item} is held out for a user who has it in a masked split too")
    scores = finder.exact(rows, wanted)
    least, most = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    np.minimum.at(least, wanted[0], scores)
    np.maximum.at(most, wanted[0], scores)
    lists = finder.lists(rows, seen, least, most)
    place = lists.items[wanted[0]] == wanted[1][:, None]  # (P, N)
    return np.where(place.any(axis=1), place.argmax(axis=1), n_items)
