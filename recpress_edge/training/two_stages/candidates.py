"""Lists of candidates: what a first stage finds at the moments that are learned from, and at those judged."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recpress_edge.core.arrays import I64
from recpress_edge.core.errors import ConfigError
from recpress_edge.data.holdout import Split, history, masked_items, relevant_items
from recpress_edge.data.interactions import Dataset
from recpress_edge.models.two_stages.lists import NOT_FOUND, CandidateLists
from recpress_edge.training.two_stages.first import FirstStage
from recpress_edge.training.two_stages.shortened import held_back, in_order_places


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Choices (N,), user by user: what was taken, and what the user had consumed before."""

    users: I64
    taken: I64
    """Item index (N,)."""
    history: I64
    """Items of all users, oldest first."""
    starts: I64
    """``history[start:end]`` had been consumed before (N,)."""
    ends: I64
    pairs: I64
    """Which interaction of its part each is (N,): its row of context."""
    hidden: tuple[I64, I64]
    """indptr (N + 1,) and items of what is no candidate: consumed before, or held out elsewhere."""


def train_moments(data: Dataset, most: int) -> Moments:
    """The last train items of each user, as many as an out-of-sample first stage is trained without."""
    train = data.train
    order, counts = in_order_places(train), train.counts()
    back = held_back(counts, most)
    users = np.repeat(np.arange(train.n_users), back)
    within = np.arange(users.size) - np.repeat(np.cumsum(back) - back, back)
    ends = train.indptr[users + 1] - back[users] + within
    items, starts = train.indices[order].astype(np.int64), train.indptr[users]
    indptr = np.concatenate([[0], np.cumsum(ends - starts)])
    at = np.arange(indptr[-1]) + np.repeat(starts - indptr[:-1], ends - starts)
    return Moments(users, items[ends], items, starts, ends, order[ends], (indptr, items[at]))


def held_out_moments(data: Dataset, split: Split, *, by_history: bool = False) -> Moments:
    """The held-out item of each user; ConfigError where a user has several.

    ``by_history``: hidden is what was consumed before, oldest first, as a first stage reads it, and never
    what is held out in another split.
    """
    relevant, before, hidden = relevant_items(data, split), history(data, split), masked_items(data, split)
    if int(relevant.counts().max(initial=0)) > 1:
        raise ConfigError(
            f"data set {data.name!r} holds out several items of a user, and a second stage is judged by the "
            "next one. Import it with --split loo-time, or loo-order where its lines are in order."
        )
    users = relevant.users().astype(np.int64)
    items = before.in_order().astype(np.int64)
    taken = relevant.indices.astype(np.int64)
    starts, ends = before.indptr[users], before.indptr[users + 1]
    at = hidden.pairs_of(users)[1]
    if by_history:
        hidden = before
        at = np.concatenate([items[:0], *(items[a:b] for a, b in zip(starts, ends, strict=True))])
    indptr = np.concatenate([[0], np.cumsum(hidden.counts()[users])])
    return Moments(users, taken, items, starts, ends, np.arange(users.size), (indptr, at))


def found_by(stage: FirstStage, moments: Moments, width: int) -> tuple[CandidateLists, I64]:
    """The best ``width`` items of each moment that are candidates, and the rank of what was taken (N,).

    Ties to the lower item. A user who has fewer candidates gets the others again at the end, as the worst.
    ``rows`` are still empty.
    """
    n = moments.users.size
    items, scores = np.empty((n, width), np.int32), np.empty((n, width), np.float32)
    ranks = np.empty(n, np.int64)
    indptr, hidden = moments.hidden
    for user, first, last in runs_of(moments.users):
        for at in range(first, last):
            if at == first or stage.reads_history:
                row = stage.scores(user, moments.history[moments.starts[at] : moments.ends[at]])
                order = np.argsort(-row, kind="stable")
            free = np.ones(row.size, np.bool_)
            free[hidden[indptr[at] : indptr[at + 1]]] = False
            left = order[free[order]]
            place = np.flatnonzero(left == moments.taken[at])
            ranks[at] = place[0] if place.size else row.size
            best = left[:width]
            items[at], scores[at] = np.resize(best, width), np.resize(row[best], width)
            scores[at, best.size :] = row[best].min() if best.size else 0.0
    taken = np.where(ranks < width, ranks, NOT_FOUND)
    return CandidateLists(moments.users, items, scores, taken, np.empty((n, 0), np.int32)), ranks


def runs_of(users: I64) -> Iterator[tuple[int, int, int]]:
    """Each user with where its moments begin and end."""
    bounds = np.flatnonzero(np.r_[True, users[1:] != users[:-1], True]) if users.size else np.empty(0, int)
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        yield int(users[first]), first, last
