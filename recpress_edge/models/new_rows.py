"""Rows of new users and items by fold-in: in closed form, against the table of the other side. numpy alone.

A new item's vector v is the ridge regression of its interactions on the users' own vectors,

    Σ over its users (1 − u·v)² + a Σ over all users (u·v)² + λ |v|²,    λ = mean variance · what they weigh,

as a row of iALS is solved (Hu, Koren and Volinsky, ICDM 2008, section 4), with all unobserved pairs of an
average item together weighing as much as its observed ones. It points where its users are. Its length is the
catalogue's: an interaction or two say nothing of how popular an item will be, so that it is as long as
makes it enter the first K of as many users as an item does on average. Where all items are equally long, as
those of a cosine are, it is as long as they are. A new user is solved likewise against the items, and is as
long as users are: the length of a user changes no ranking.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from recpress_edge.core.arrays import F32, F64, I64
from recpress_edge.core.rng import stream

REACH: Final = 50
"""K: an average item is among the first K of K users in every I."""
REACH_USERS: Final = 2_000
"""Users, drawn once, of whom the reach is taken."""
ALIKE: Final = 0.05
"""Deviation of lengths over their mean below which all are equally long, rounding to int8 included."""
_BLOCK: Final = 256


@dataclass(frozen=True, slots=True, eq=False)
class Bags:
    """Who is with whom: row n has ``indices[indptr[n]:indptr[n + 1]]`` of the other side."""

    indptr: I64
    indices: I64

    def __len__(self) -> int:
        return self.indptr.size - 1

    def of(self, row: int) -> I64:
        """What one row is with."""
        return self.indices[self.indptr[row] : self.indptr[row + 1]]

    @classmethod
    def of_pairs(cls, rows: I64, others: I64, count: int) -> "Bags":
        """From pairs (n,) in any order, of ``count`` rows."""
        order = np.argsort(rows, kind="stable")
        indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))])
        return cls(indptr.astype(np.int64), others[order].astype(np.int64))


def solved_rows(bags: Bags, other: F32, usual: float) -> F64:
    """Directions (N, D) of the rows of ``bags`` against ``other`` (M, D); zeros where a bag is empty.

    ``usual``: how many of the other side a known row is with, on average.
    """
    table = other.astype(np.float64)
    gram = table.T @ table
    unobserved = usual / len(table)
    variance = float(np.trace(gram)) / gram.size * len(gram) / len(table)
    found = np.zeros((len(bags), table.shape[1]))
    for row in range(len(bags)):
        own = table[bags.of(row)]
        if len(own):
            ridge = variance * (len(own) + usual)
            system = (
                own.T @ own + unobserved * gram + max(ridge, np.finfo(np.float64).tiny) * np.eye(len(gram))
            )
            found[row] = np.linalg.solve(system, own.sum(axis=0))
    return found


def folded_users(bags: Bags, item_emb: F32, user_emb: F32, usual: float) -> F32:
    """Vectors (N, D) of new users from the items (I, D) in their bags, as long as known users (U, D) are."""
    return as_long_as(solved_rows(bags, item_emb, usual), user_emb).astype(np.float32)


def folded_items(
    bags: Bags,
    user_emb: F32,
    item_emb: F32,
    usual: float,
    seen: Bags | None = None,
    retired: Sequence[int] = (),
) -> F32:
    """Vectors (N, D) of new items from the users (U, D) in their bags, in reach like known items (I, D).

    ``seen``: what each user has consumed (U rows), which is in no list; users without anything there are not
    asked. None where nothing is known of anybody. ``retired`` items are in no list either, and no measure of
    length.
    """
    return in_reach(solved_rows(bags, user_emb, usual), user_emb, item_emb, seen, retired)


def in_reach(
    rows: F64, user_emb: F32, item_emb: F32, seen: Bags | None = None, retired: Sequence[int] = ()
) -> F32:
    """Directions (N, D) of new items, as long as :func:`folded_items` makes them."""
    gone = np.asarray(retired, np.int64)
    live = np.delete(item_emb, gone, axis=0)
    if are_equally_long(live):
        return as_long_as(rows, live).astype(np.float32)
    told = np.flatnonzero(np.diff(seen.indptr)) if seen else np.arange(len(user_emb))
    asked = np.sort(stream(0, "reach users").permutation(told)[:REACH_USERS])
    least = _least_scores(user_emb[asked], item_emb, asked, seen, gone)
    return _in_reach(rows, user_emb[asked], least, live).astype(np.float32)


def mean_of(item_emb: F32, alike: Sequence[I64]) -> F32:
    """A vector for each set of similar items: their mean direction, as long as they are on average (N, D)."""
    rows = []
    for items in alike:
        own = item_emb[items].astype(np.float64)
        lengths = np.linalg.norm(own, axis=1)
        mean = own.mean(axis=0)
        length = float(np.linalg.norm(mean))
        rows.append(mean / length * lengths.mean() if length else mean)
    return np.asarray(rows, np.float32).reshape(len(alike), item_emb.shape[1])


def recall_of_rows(
    user_emb: F32,
    item_emb: F32,
    left_out: F32,
    pairs: tuple[I64, I64],
    seen: Bags | None,
    retired: Sequence[int] = (),
) -> float:
    """Share of pairs (n,) of a user and an item whose item is among the user's first K with its row left out.

    In each pair the item has its row of ``left_out`` (I, D), all others theirs of ``item_emb``.
    """
    users, items = pairs
    gone, hits = np.asarray(retired, np.int64), 0
    order = np.argsort(users, kind="stable")
    for start in range(0, order.size, _BLOCK):
        part = order[start : start + _BLOCK]
        scores = user_emb[users[part]] @ item_emb.T  # (B, I)
        own = (user_emb[users[part]] * left_out[items[part]]).sum(axis=1)
        scores[:, gone] = -np.inf
        for row, user in enumerate(users[part].tolist()):
            scores[row, seen.of(user) if seen else []] = -np.inf
        scores[np.arange(part.size), items[part]] = -np.inf
        hits += int(((scores > own[:, None]).sum(axis=1) < REACH).sum())
    return hits / max(users.size, 1)


def are_equally_long(table: F32) -> bool:
    """Whether the lengths of all rows are one but for rounding, so that they say nothing."""
    lengths = np.linalg.norm(table.astype(np.float64), axis=1)
    return bool(lengths.std() <= ALIKE * lengths.mean())


def as_long_as(rows: F64, table: F32) -> F64:
    """Rows (N, D), each with the median length of a table's; zeros stay zeros."""
    median = float(np.median(np.linalg.norm(table.astype(np.float64), axis=1)))
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: F64 = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0) * median
    return scaled


def _least_scores(user_emb: F32, item_emb: F32, asked: I64, seen: Bags | None, gone: I64) -> F64:
    """The score (B,) that an item must pass to be among the first K of each user, without those ``gone``."""
    place = min(REACH, len(item_emb) - gone.size)
    least = np.empty(len(user_emb))
    for start in range(0, len(user_emb), _BLOCK):
        scores = user_emb[start : start + _BLOCK].astype(np.float64) @ item_emb.T.astype(np.float64)
        scores[:, gone] = -np.inf
        for row, user in enumerate(asked[start : start + _BLOCK].tolist() if seen else ()):
            scores[row, seen.of(user) if seen else []] = -np.inf
        least[start : start + _BLOCK] = np.partition(scores, -place, axis=1)[:, -place]
    return least


def _in_reach(rows: F64, user_emb: F32, least: F64, item_emb: F32) -> F64:
    """Rows (N, D) as long as makes them pass the ``least`` score of as many users as an item does."""
    share = min(REACH / len(item_emb), 1.0)
    lengths = np.linalg.norm(item_emb.astype(np.float64), axis=1)
    scaled = as_long_as(rows, item_emb)
    for at, row in enumerate(scaled):
        if not row.any():
            continue
        scores = user_emb.astype(np.float64) @ row
        told = (scores > 0) & (least > 0)
        if not told.any():  # no length brings it into a list, or every length does
            continue
        needed = np.sort(least[told] / scores[told])
        factor = needed[min(int(share * len(least)), needed.size - 1)]
        longest = float(lengths.max() / np.linalg.norm(row))
        scaled[at] = row * min(factor, longest)  # no new item is longer than the longest
    return scaled
