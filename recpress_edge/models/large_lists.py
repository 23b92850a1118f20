"""Top lists of a product of large tables: a rough product tells what is worth an exact score."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.arrays import F32, I64, Bool
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.outputs import Rankings, Tables

_USERS: Final = 1024
_COLUMNS: Final = 4096
"""Items of a product at a time: some megabytes, near a core's own cache."""
_FIRST: Final = 2048
"""Items of the first tile, those with the longest rows; each further one has as many as all before it."""
_ROUGH_ERROR: Final = {torch.bfloat16: 0.0082, torch.float32: 2.0**-18}
"""What a product and a limit of this type can be off together, relative to the rows' lengths: of bfloat16,
which keeps 8 bits, 2⁻⁹ for either row, for the result and for the limit."""


def best_within(tables: Tables, train: Interactions, length: int) -> Rankings:
    """The best ``length`` items of each user that are not among the user's train items.

    Scores are sums in float32 of the products of two rows, wherever the rows are. Items come in tiles,
    those with the longest rows first; a user is done with where no item that is left can be on the list.
    """
    finder = _Finder(tables, min(length, train.n_items), _rough_type())
    items = np.full((train.n_users, finder.length), -1, np.int32)
    scores = np.full((train.n_users, finder.length), -np.inf, np.float32)
    for start in range(0, train.n_users, _USERS):
        users = np.arange(start, min(start + _USERS, train.n_users))
        lists = _Lists(items[users].astype(np.int64), scores[users])
        finder.fill(lists, tables.user_emb[users], train.pairs_of(users))
        items[users], scores[users] = lists.items, lists.scores
    return Rankings(items, scores)


def _rough_type() -> torch.dtype:
    """What this processor multiplies fastest."""
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


class _Lists:
    """Of some users (B, N): the best so far, best first, ties to the lower index."""

    def __init__(self, items: I64, scores: F32) -> None:
        self.items, self.scores = items, scores

    def add(self, rows: I64, items: I64, scores: F32) -> None:
        """Items (P,) that are not listed yet, each of the list in this row (P,)."""
        touched = np.unique(rows)
        size = self.items.shape[1]
        rows = np.concatenate([np.repeat(touched, size), rows])
        items = np.concatenate([self.items[touched].ravel(), items])
        scores = np.concatenate([self.scores[touched].ravel(), scores])
        order = np.lexsort((items, -scores, rows))
        ordered = rows[order]
        place = np.arange(order.size) - np.searchsorted(ordered, ordered)
        kept = place < size
        order, at = order[kept], (ordered[kept], place[kept])
        self.items[at], self.scores[at] = items[order], scores[order]


class _Finder:
    """Item rows in the order of their lengths, exact and rough."""

    def __init__(self, tables: Tables, length: int, rough: torch.dtype) -> None:
        self.length = length
        lengths = np.linalg.norm(tables.item_emb, axis=1)
        self.order = np.argsort(-lengths, kind="stable")
        self.lengths = lengths[self.order] * np.float32(1 + 1e-5)  # bounds, whatever was rounded
        self.item_emb = tables.item_emb
        self.error = _ROUGH_ERROR[rough]
        self.rough = torch.from_numpy(tables.item_emb[self.order]).to(rough)

    def fill(self, lists: _Lists, rows: F32, seen: tuple[I64, I64]) -> None:
        """Find the lists of users with these rows (B, D), but for seen pairs (place in ``rows``, item)."""
        lengths = np.linalg.norm(rows, axis=1) * np.float32(1 + 1e-5)
        rough = torch.from_numpy(rows).to(self.rough.dtype)
        taken = seen[0] * len(self.item_emb) + seen[1]
        limits = self._first_limits(rows, seen)
        for row in np.flatnonzero(lengths == 0):  # all items are as good: the first ones
            mine = seen[1][seen[0] == row]
            free = np.arange(min(self.length + mine.size, len(self.item_emb)))
            free = free[~np.isin(free, mine)][: self.length]
            lists.items[row, : free.size], lists.scores[row, : free.size] = free, 0.0
            limits[row] = np.inf
        for start, stop in self._tiles():
            left = np.flatnonzero(lengths * self.lengths[start] >= limits)
            if not left.size:
                break
            slack = self.error * lengths[left] * self.lengths[start]
            at, place = self._close(rough[torch.from_numpy(left)], start, stop, limits[left] - slack)
            at, items = left[at], self.order[place]
            keys = at * len(self.item_emb) + items
            known = np.minimum(np.searchsorted(taken, keys), taken.size - 1)
            unseen = np.ones(keys.size, bool) if not taken.size else taken[known] != keys
            at, items = at[unseen], items[unseen]
            scores = (rows[at] * self.item_emb[items]).sum(axis=1)
            worth = scores >= limits[at]
            lists.add(at[worth], items[worth], scores[worth])
            limits = np.maximum(limits, lists.scores[:, -1])

    def _first_limits(self, rows: F32, seen: tuple[I64, I64]) -> F32:
        """What the last place of each list is worth at least (B,), by the longest rows."""
        first = self.order[: max(_FIRST, 4 * self.length)]
        scores = rows @ self.item_emb[first].T
        column = np.full(len(self.item_emb), -1)
        column[first] = np.arange(first.size)
        known = column[seen[1]] >= 0
        scores[seen[0][known], column[seen[1][known]]] = -np.inf
        last = np.partition(scores, -self.length, axis=1)[:, -self.length]
        longest = np.linalg.norm(rows, axis=1) * self.lengths[0]
        limits: F32 = last - np.float32(_ROUGH_ERROR[torch.float32]) * longest
        return limits

    def _tiles(self) -> Iterator[tuple[int, int]]:
        start, stop = 0, max(_FIRST, 4 * self.length)
        while start < len(self.item_emb):
            yield start, min(stop, len(self.item_emb))
            start, stop = stop, 2 * stop

    def _close(self, rows: Tensor, start: int, stop: int, limits: F32) -> tuple[I64, I64]:
        """(place in ``rows``, place in the order) of what may be above its limit, from start to stop."""
        found = []
        for first in range(start, stop, _COLUMNS):
            product = rows @ self.rough[first : min(first + _COLUMNS, stop)].T
            row, column = np.divmod(np.flatnonzero(_at_least(product, limits)), product.shape[1])
            found.append((row, first + column))
        rows_of, places = zip(*found, strict=True)
        return np.concatenate(rows_of), np.concatenate(places)


def _at_least(product: Tensor, limits: F32) -> Bool:
    """Where a row (B, T) is at its limit (B,), rounded to the product's numbers, or above."""
    rounded = torch.from_numpy(limits).to(product.dtype)[:, None]
    if product.dtype != torch.bfloat16:
        found: Bool = product.numpy() >= rounded.numpy()
        return found
    bits, limit = (part.view(torch.int16).numpy() for part in (product, rounded))
    if (limit < 0).any():
        bits, limit = (part ^ ((part >> 15) & 0x7FFF) for part in (bits, limit))
    ordered: Bool = bits >= limit  # as integers in the same order, which numpy compares thirty times as fast
    return ordered
