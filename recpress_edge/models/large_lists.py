"""Top lists of a product of large tables: a rough product tells what is worth an exact score."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.arrays import F32, F64, I64, Bool
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.outputs import Rankings, Tables

USERS: Final = 1024
"""Users at a time."""
_COLUMNS: Final = 4096
"""Items of a product at a time: some megabytes, near a core's own cache."""
_FIRST: Final = 2048
"""Items of the first tile, those with the longest rows; each further one has as many as all before it."""
_ROUGH_ERROR: Final = {torch.bfloat16: 0.0082, torch.float32: 2.0**-18}
"""What a product and a limit of this type can be off together, relative to the rows' lengths: of bfloat16,
which keeps 8 bits, 2⁻⁹ for either row, for the result and for the limit."""


def best_within(tables: Tables, train: Interactions, length: int) -> Rankings:
    """The best ``length`` items of each user that are not among the user's train items.

    Scores are summed in float64, so that equal rows have equal scores wherever they are.
    """
    finder = Finder(tables, length)
    items = np.empty((train.n_users, finder.length), np.int32)
    scores = np.empty((train.n_users, finder.length), np.float32)
    for start in range(0, train.n_users, USERS):
        users = np.arange(start, min(start + USERS, train.n_users))
        lists = finder.lists(tables.user_emb[users], train.pairs_of(users))
        items[users], scores[users] = lists.items, lists.scores
    return Rankings(items, scores)


def _rough_type() -> torch.dtype:
    """What this processor multiplies fastest."""
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


class Lists:
    """Of some users: the best items so far (B, N), best first, ties to the lower index, and their scores.

    −1 and −inf where there are fewer.
    """

    def __init__(self, n_users: int, length: int) -> None:
        self.items = np.full((n_users, length), -1)
        self.scores = np.full((n_users, length), -np.inf)

    def add(self, rows: I64, items: I64, scores: F64) -> None:
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


class Finder:
    """Finds lists of users' best items in tiles, those with the longest rows first."""

    def __init__(self, tables: Tables, length: int) -> None:
        self.length = min(length, len(tables.item_emb))
        lengths = np.linalg.norm(tables.item_emb, axis=1)
        self.order = np.argsort(-lengths, kind="stable")
        self.lengths = lengths[self.order] * np.float32(1 + 1e-5)  # bounds, whatever was rounded
        self.item_emb = tables.item_emb
        rough = _rough_type()
        self.error = _ROUGH_ERROR[rough]
        self.rough = torch.from_numpy(tables.item_emb[self.order]).to(rough)

    def exact(self, rows: F32, pairs: tuple[I64, I64]) -> F64:
        """Scores (P,) of pairs (place in ``rows``, item), summed in float64."""
        products = rows[pairs[0]].astype(np.float64) * self.item_emb[pairs[1]]
        found: F64 = products.sum(axis=1)
        return found

    def lists(
        self, rows: F32, seen: tuple[I64, I64], least: F64 | None = None, most: F64 | None = None
    ) -> Lists:
        """The best items of users with these rows (B, D), but for seen pairs (place in ``rows``, item).

        ``seen``: by user, then by item. ``least`` (B,): items with lower scores need not be listed. ``most``
        (B,): a list all of whose items have higher scores need not be the best. A user is done with where
        no item that is left can be on the list.
        """
        found = Lists(len(rows), self.length)
        lengths = np.linalg.norm(rows, axis=1) * np.float32(1 + 1e-5)
        rough = torch.from_numpy(rows).to(self.rough.dtype)
        limits = self._first_limits(rows, seen)
        if least is not None:
            limits = np.maximum(limits, least)
        self._of_zeros(found, np.flatnonzero(lengths == 0), seen)
        limits[lengths == 0] = np.inf
        for start, stop in self._tiles():
            wanted = lengths * self.lengths[start] >= limits
            left = np.flatnonzero(wanted if most is None else wanted & (limits <= most))
            if not left.size:
                break
            slack = self.error * lengths[left] * self.lengths[start]
            at, place = self._close(rough[torch.from_numpy(left)], start, stop, limits[left] - slack)
            pairs = _unseen((left[at], self.order[place]), seen, len(self.item_emb))
            scores = self.exact(rows, pairs)
            worth = scores >= limits[pairs[0]]
            found.add(pairs[0][worth], pairs[1][worth], scores[worth])
            limits = np.maximum(limits, found.scores[:, -1])
        return found

    def _of_zeros(self, lists: Lists, rows: I64, seen: tuple[I64, I64]) -> None:
        """Lists of users whose rows are zero: all items are as good, so the first ones."""
        for row in rows:
            mine = seen[1][seen[0] == row]
            free = np.arange(min(self.length + mine.size, len(self.item_emb)))
            free = free[~np.isin(free, mine)][: self.length]
            lists.items[row, : free.size], lists.scores[row, : free.size] = free, 0.0

    def _first_limits(self, rows: F32, seen: tuple[I64, I64]) -> F64:
        """What the last place of each list is worth at least (B,), by the longest rows."""
        first = self.order[: max(_FIRST, 4 * self.length)]
        scores = rows @ self.item_emb[first].T
        column = np.full(len(self.item_emb), -1)
        column[first] = np.arange(first.size)
        known = column[seen[1]] >= 0
        scores[seen[0][known], column[seen[1][known]]] = -np.inf
        last = np.partition(scores, -self.length, axis=1)[:, -self.length]
        longest = np.linalg.norm(rows, axis=1) * self.lengths[0]
        limits: F64 = last.astype(np.float64) - np.float32(_ROUGH_ERROR[torch.float32]) * longest
        return limits

    def _tiles(self) -> Iterator[tuple[int, int]]:
        start, stop = 0, max(_FIRST, 4 * self.length)
        while start < len(self.item_emb):
            yield start, min(stop, len(self.item_emb))
            start, stop = stop, 2 * stop

    def _close(self, rows: Tensor, start: int, stop: int, limits: F64) -> tuple[I64, I64]:
        """(place in ``rows``, place in the order) of what may be above its limit, from start to stop."""
        found = []
        for first in range(start, stop, _COLUMNS):
            product = rows @ self.rough[first : min(first + _COLUMNS, stop)].T
            row, column = np.divmod(np.flatnonzero(_at_least(product, limits)), product.shape[1])
            found.append((row, first + column))
        rows_of, places = zip(*found, strict=True)
        return np.concatenate(rows_of), np.concatenate(places)


def _unseen(pairs: tuple[I64, I64], seen: tuple[I64, I64], n_items: int) -> tuple[I64, I64]:
    """Those of the pairs (P,) that are not among the seen ones, which are sorted."""
    keys, taken = (part[0] * n_items + part[1] for part in (pairs, seen))
    if not taken.size:
        return pairs
    unseen = taken[np.minimum(np.searchsorted(taken, keys), taken.size - 1)] != keys
    return pairs[0][unseen], pairs[1][unseen]


def _at_least(product: Tensor, limits: F64) -> Bool:
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
