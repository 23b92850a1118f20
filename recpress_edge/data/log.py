"""Interaction rows as they were read, before duplicates are dropped and a split is made."""

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import F64, I32, I64, Bool

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")


@dataclass(frozen=True, slots=True, eq=False)
class TextColumn:
    """A column of texts (n,), each distinct one stored once."""

    name: str
    values: tuple[str, ...]
    codes: I32
    """Places in ``values`` (n,); -1 where a row has none."""

    def take(self, rows: I64 | Bool) -> "TextColumn":
        """The chosen rows."""
        return TextColumn(self.name, self.values, self.codes[rows])


@dataclass(frozen=True, slots=True)
class Log:
    """Rows (n,) in file order, with the names behind the indices."""

    user_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    users: I32
    """Index into ``user_ids`` (n,)."""
    items: I32
    """Index into ``item_ids`` (n,)."""
    ratings: F64 | None
    """Finite, or None when any of the files has no ratings."""
    times: F64 | None
    """Unix time, or None when any of the files has no times."""
    parts: NDArray[np.int8]
    """Which of the files each row came from: 0, 1, 2 (n,)."""
    places: I64 | None = None
    """Place of each row in the files as they were read, from 0; None where rows were made, not read (n,)."""
    context: tuple[TextColumn, ...] = ()
    """Columns of --context, each (n,): what is known of an interaction beside who, what and when."""

    def __len__(self) -> int:
        return int(self.users.size)

    def take(self, rows: I64 | Bool) -> "Log":
        """The chosen rows; ids without a row left stay in the tables until :meth:`compact`."""
        return Log(
            self.user_ids,
            self.item_ids,
            self.users[rows],
            self.items[rows],
            None if self.ratings is None else self.ratings[rows],
            None if self.times is None else self.times[rows],
            self.parts[rows],
            None if self.places is None else self.places[rows],
            tuple(column.take(rows) for column in self.context),
        )

    def compact(self) -> "Log":
        """Drop users and items that have no row; the order of the others stays."""
        user_ids, users = _keep_used(self.user_ids, self.users)
        item_ids, items = _keep_used(self.item_ids, self.items)
        return replace(self, user_ids=user_ids, item_ids=item_ids, users=users, items=items)


@dataclass(slots=True)
class RowCollector:
    """Gathers the rows of one or more files; ids share one index over all of them."""

    user_index: dict[str, int] = field(default_factory=dict)
    item_index: dict[str, int] = field(default_factory=dict)
    users: "array[int]" = field(default_factory=lambda: array("i"))
    items: "array[int]" = field(default_factory=lambda: array("i"))
    ratings: "array[float]" = field(default_factory=lambda: array("d"))
    times: "array[float]" = field(default_factory=lambda: array("d"))
    part_sizes: list[int] = field(default_factory=list)
    context: "dict[str, tuple[dict[str, int], array[int]]]" = field(default_factory=dict)
    """Name of a column of --context to the place of each text, and the places of the rows' texts."""

    def add(self, user: str, item: str, rating: float | None, time: float | None) -> None:
        """One row; a file has ratings and times in all of its rows or in none."""
        self.users.append(self.user_index.setdefault(user, len(self.user_index)))
        self.items.append(self.item_index.setdefault(item, len(self.item_index)))
        if rating is not None:
            self.ratings.append(rating)
        if time is not None:
            self.times.append(time)

    def add_context(self, name: str, text: str) -> None:
        """The text of a context column in the row that was added last."""
        index, rows = self.context.setdefault(name, ({}, array("i")))
        rows.append(index.setdefault(text, len(index)))

    def add_user(self, user: str, items: Iterable[str]) -> None:
        """Rows of one user without rating or time."""
        index = self.item_index
        before = len(self.items)
        self.items.extend([index.setdefault(item, len(index)) for item in items])
        user_position = self.user_index.setdefault(user, len(self.user_index))
        self.users.extend([user_position] * (len(self.items) - before))

    def end_part(self) -> int:
        """Close one file; returns its number of rows."""
        size = len(self.users) - sum(self.part_sizes)
        self.part_sizes.append(size)
        return size

    def finish(self) -> Log:
        """The log, with indices in the order of :func:`ordered`, so that row order never matters."""
        user_ids, user_rank = ordered(self.user_index)
        item_ids, item_rank = ordered(self.item_index)
        n = len(self.users)
        return Log(
            user_ids,
            item_ids,
            user_rank[np.frombuffer(self.users, np.int32)],
            item_rank[np.frombuffer(self.items, np.int32)],
            np.array(self.ratings) if len(self.ratings) == n else None,
            np.array(self.times) if len(self.times) == n else None,
            np.repeat(np.arange(len(self.part_sizes), dtype=np.int8), self.part_sizes),
            np.arange(n, dtype=np.int64),
            tuple(
                TextColumn(name, tuple(index), np.frombuffer(rows, np.int32))
                for name, (index, rows) in self.context.items()
            ),
        )


def is_integer(text: str) -> bool:
    """Whether an id is an integer in its one usual form: '7' and '-7', not '07' or '+7'."""
    return _INTEGER.fullmatch(text) is not None


def ordered(index: dict[str, int]) -> tuple[tuple[str, ...], I32]:
    """Ids in index order, and the new index of each old one.

    Numerically when every id is an integer (of any size), else by Unicode code point.
    """
    ids = sorted(index, key=int) if all(map(is_integer, index)) else sorted(index)
    rank = np.empty(len(ids), np.int32)
    rank[[index[name] for name in ids]] = np.arange(len(ids), dtype=np.int32)
    return tuple(ids), rank


def _keep_used(ids: tuple[str, ...], rows: I32) -> tuple[tuple[str, ...], I32]:
    used = np.bincount(rows, minlength=len(ids)) > 0
    if used.all():
        return ids, rows
    rank = (np.cumsum(used) - 1).astype(np.int32)
    return tuple(name for name, kept in zip(ids, used.tolist(), strict=True) if kept), rank[rows]
