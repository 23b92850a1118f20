"""Sequences as rows of items: the last ones of each user, or all, cut into windows of a few places."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from recpress_edge.core.arrays import I64
from recpress_edge.data.interactions import Interactions


def last_items(users: I64, indptr: I64, items: I64, counts: I64, width: int, filler: int) -> I64:
    """The last ``counts`` items of each user, earliest first, filled up at the end: (B, width)."""
    return _rows(indptr[users + 1] - counts, counts, items, width, filler)


def recent_items(histories: Interactions, most: int, filler: int) -> Callable[[I64], tuple[I64, I64]]:
    """users (B,) -> their last items, ``most`` at most, filled up as above (B, n), and how many (B,)."""
    indptr, items = histories.indptr, histories.in_order().astype(np.int64)

    def recent(users: I64) -> tuple[I64, I64]:
        counts = np.minimum(indptr[users + 1] - indptr[users], most)
        return last_items(users, indptr, items, counts, int(counts.max(initial=0)), filler), counts

    return recent


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Every sequence in parts of a few places, the last part full; each place is in one."""

    items: I64
    """(nnz,) all sequences, one after the other."""
    starts: I64
    """(W,) where each window begins."""
    counts: I64
    """(W,) its places."""

    @classmethod
    def of(cls, indptr: I64, items: I64, places: int) -> "Windows":
        """Sequence u is items[indptr[u]:indptr[u + 1]]; ``places``: at most, of a window."""
        sizes = np.diff(indptr)
        parts = -(-sizes // places)
        owner = np.repeat(np.arange(sizes.size), parts)
        from_end = np.arange(owner.size) - np.repeat(np.cumsum(parts) - parts, parts)
        ends = indptr[owner + 1] - from_end * places
        starts = np.maximum(ends - places, indptr[owner])
        return cls(items, starts, ends - starts)

    def batches(self, places: int, rng: np.random.Generator) -> Iterator[I64]:
        """Windows (B,) of about the same length and about so many places together, in random order."""
        order = rng.permutation(self.starts.size)
        order = order[np.argsort(self.counts[order], kind="stable")]
        number = (np.cumsum(self.counts[order]) - 1) // places
        parts = np.split(order, np.flatnonzero(np.diff(number)) + 1)
        for at in rng.permutation(len(parts)):
            yield parts[at]

    def rows(self, windows: I64, filler: int) -> I64:
        """The items of these windows, earliest first, filled up at the end: (B, n)."""
        counts = self.counts[windows]
        return _rows(self.starts[windows], counts, self.items, int(counts.max()), filler)


def _rows(starts: I64, counts: I64, items: I64, width: int, filler: int) -> I64:
    places = np.arange(width)
    inside = places < counts[:, None]
    at = np.where(inside, starts[:, None] + places, 0)
    return np.where(inside, items[at] if items.size else filler, filler)
