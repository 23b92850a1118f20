"""Ranks of held-out items by a product of large tables: counted in tiles, and given up where they are low."""

from typing import Final

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.arrays import F32, F64, I64
from recpress_edge.core.errors import DataError
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.outputs import Tables

LARGE_SCORES: Final = 4_000_000_000
"""Users times items from which ranks are counted here."""
_USERS: Final = 2048
_ITEMS: Final = 2048
_FLOAT_ERROR: Final = 2.0**-22
"""Twice what a product of float32 rows can be off for each dimension, relative to the rows' lengths."""


def ranks_within(tables: Tables, seen: Interactions, relevant: Interactions, depth: int) -> I64:
    """Rank of each relevant pair among its user's unseen items where it is below ``depth``, else I: (nnz,).

    rank = #(score > s) + #(score = s at lower item indices), scores in float64. Items come in tiles, those
    with the longest rows first. A float32 product tells most of a tile; what it leaves within its own error
    is scored in float64. A pair with ``depth`` unseen items before it is given up, and a user with it.
    """
    ranker = _Ranker(tables, depth)
    users = np.flatnonzero(relevant.counts())
    ranks = np.empty(len(relevant), np.int64)
    for start in range(0, users.size, _USERS):
        block = users[start : start + _USERS]
        ranks[relevant.positions_of(block)] = ranker.ranks(
            block, relevant.pairs_of(block), seen.pairs_of(block)
        )
    return ranks


class _Ranker:
    """Item rows in the order of their lengths."""

    def __init__(self, tables: Tables, depth: int) -> None:
        self.user_emb, self.item_emb = tables.user_emb, tables.item_emb
        self.depth = depth
        lengths = np.linalg.norm(self.item_emb, axis=1)
        self.order = np.argsort(-lengths, kind="stable")
        self.longest = float(lengths.max(initial=0.0))

    def ranks(self, users: I64, wanted: tuple[I64, I64], seen: tuple[I64, I64]) -> I64:
        """Of the pairs wanted (P,) of these users (B,); both sides are (place in ``users``, item)."""
        n_items = len(self.item_emb)
        taken = np.isin(wanted[0] * n_items + wanted[1], seen[0] * n_items + seen[1])
        if taken.any():
            item = int(wanted[1][taken][0])
            raise DataError(f"item index {item} is held out for a user who has it in a masked split too")
        rows = self.user_emb[users]
        scores = self._exact(rows, wanted)
        seen_counts = np.bincount(seen[0], minlength=users.size)[wanted[0]]
        before = np.zeros(scores.size, np.int64)
        left = np.arange(scores.size)
        for start in range(0, n_items, _ITEMS):
            items = self.order[start : start + _ITEMS]
            pairs = (wanted[0][left], wanted[1][left])
            before[left] += self._before(rows, items, pairs, scores[left])
            left = left[before[left] - seen_counts[left] < self.depth]
            if not left.size:
                break
        ranks = np.full(scores.size, n_items)
        pairs = (wanted[0][left], wanted[1][left])
        ranks[left] = before[left] - self._seen_before(rows, pairs, scores[left], seen)
        return np.where(ranks < self.depth, ranks, n_items)

    def _exact(self, rows: F32, pairs: tuple[I64, I64]) -> F64:
        """Scores of (place in rows, item) in float64: equal rows have equal scores."""
        products = rows[pairs[0]].astype(np.float64) * self.item_emb[pairs[1]]
        found: F64 = products.sum(axis=1)
        return found

    def _before(self, rows: F32, items: I64, pairs: tuple[I64, I64], scores: F64) -> I64:
        """How many of these items come before each pair (P,), which has this score (P,)."""
        users, place = np.unique(pairs[0], return_inverse=True)
        left = torch.from_numpy(rows[users])
        tile = (left @ torch.from_numpy(self.item_emb[items]).T).index_select(0, torch.from_numpy(place))
        slack = self._slack(rows, pairs[0], scores)
        above = _greater(tile, scores + slack)
        counts: I64 = above.sum(1).numpy()
        near = np.flatnonzero(_greater(tile, scores - slack).sum(1).numpy() > counts)
        if near.size:
            at = torch.from_numpy(near)
            close = _greater(tile[at], (scores - slack)[near]) & ~above[at]
            which, column = (part.numpy() for part in close.nonzero(as_tuple=True))
            which, other = near[which], items[column]
            theirs = self._exact(rows, (pairs[0][which], other))
            earlier = (theirs > scores[which]) | ((theirs == scores[which]) & (other < pairs[1][which]))
            np.add.at(counts, which, earlier & (other != pairs[1][which]))
        return counts

    def _slack(self, rows: F32, at: I64, scores: F64) -> F64:
        lengths = np.linalg.norm(rows, axis=1)[at] * self.longest
        slack: F64 = _FLOAT_ERROR * (self.item_emb.shape[1] + 2) * (lengths + np.abs(scores)) + 1e-37
        return slack

    def _seen_before(self, rows: F32, pairs: tuple[I64, I64], scores: F64, seen: tuple[I64, I64]) -> I64:
        """How many seen items of its user come before each pair (P,); ``seen`` is sorted by user."""
        first, last = (np.searchsorted(seen[0], pairs[0], side=side) for side in ("left", "right"))
        counts = last - first
        which = np.repeat(np.arange(counts.size), counts)
        at = np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(which.size)
        theirs = self._exact(rows, (pairs[0][which], seen[1][at]))
        earlier = (theirs > scores[which]) | ((theirs == scores[which]) & (seen[1][at] < pairs[1][which]))
        return np.bincount(which[earlier], minlength=counts.size)


def _greater(tile: Tensor, limits: F64) -> Tensor:
    """Where a row (P, T) is above its limit (P,), rounded to the tile's numbers."""
    return tile > torch.from_numpy(limits.astype(np.float32))[:, None]


def is_large(n_users: int, n_items: int) -> bool:
    """Whether so many users and items make a product that is not worth its rows."""
    return n_users * n_items >= LARGE_SCORES
