"""Ranking lists of the evaluation's users, from anything that recommends."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, SupportsIndex

import numpy as np

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.core.arrays import F32, I64
from recpress_edge.device.query import Answer, SeenItems

LIST_LENGTH: Final = 50

Question = tuple[int | None, Sequence[int]]
"""The user, None where the file takes none, and the seen items."""


class Recommends(Protocol):
    """A file in its runtime, or the reference that it is compared with."""

    def recommend(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Answer: ...


class Update(Protocol):
    """Progress of long work: done of total, with a word on what runs."""

    def __call__(self, done: float, total: float, note: str = "") -> None: ...


def silent(done: float, total: float, note: str = "") -> None:
    """An Update that ignores the progress."""


def phase(update: Update, index: int, count: int) -> Update:
    """One of ``count`` equal phases of a whole, so that the bar runs once."""

    def part(done: float, total: float, note: str = "") -> None:
        update(index * total + done, count * total, note)

    return part


@dataclass(frozen=True, slots=True, eq=False)
class TopLists:
    """Ranking lists of some users: items (B, K) padded with -1, scores (B, K) with 0."""

    items: I64
    scores: F32

    def of(self, row: int) -> tuple[I64, F32]:
        """One list without its padding."""
        length = int((self.items[row] >= 0).sum())
        return self.items[row, :length], self.scores[row, :length]

    def lengths(self) -> I64:
        return np.asarray((self.items >= 0).sum(axis=1))


def rank(runtime: Recommends, users: Evaluation, update: Update = silent, note: str = "") -> TopLists:
    """The first 50 unseen items of each user."""
    count = users.users.size
    items = np.full((count, LIST_LENGTH), -1, np.int64)
    scores = np.zeros((count, LIST_LENGTH), np.float32)
    for row in range(count):
        found, values = runtime.recommend(users.user(row), users.seen(row), LIST_LENGTH)
        items[row, : found.size], scores[row, : found.size] = found, values
        if row % 100 == 0:
            update(row, count, note)
    update(count, count, note)
    return TopLists(items, scores)
