"""Interaction rows as they were read, before duplicates are dropped and a split is made."""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.ids import are_integers
from recpress_edge.core.arrays import F64, I32, I64, Bool

Array = TypeVar("Array", F64, I32)


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
    dated: Bool | None = None
    """Which times were written as dates, so that they are in seconds (n,); None: none was."""
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
            None if self.dated is None else self.dated[rows],
            tuple(column.take(rows) for column in self.context),
        )

    def compact(self) -> "Log":
        """Drop users and items that have no row; the order of the others stays."""
        user_ids, users = _keep_used(self.user_ids, self.users)
        item_ids, items = _keep_used(self.item_ids, self.items)
        return replace(self, user_ids=user_ids, item_ids=item_ids, users=users, items=items)


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of ids."""

    names: list[str]
    """Its texts; one may stand twice, and one that no row has may be among them."""
    codes: I32
    """Place of each row's text among them (n,)."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The rows of one file, in its order."""

    users: Coded
    items: Coded
    ratings: F64 | None = None
    """(n,), or None where the file has none."""
    times: F64 | None = None
    dated: Bool | None = None
    """Which times were written as dates (n,); None: none was."""
    context: Mapping[str, Coded] = field(default_factory=dict)
    """Columns of --context, as they were asked for."""

    def __len__(self) -> int:
        return int(self.users.codes.size)


def joined(files: Sequence[Columns], parts: Sequence[int]) -> Log:
    """The log of these files, of which each belongs to a part.

    Indices are in the order of :func:`ordered` over all files, so that the order of rows never matters.
    """
    user_ids, users = _indexed([file.users for file in files])
    item_ids, items = _indexed([file.items for file in files])
    sizes = [len(file) for file in files]
    ratings = [file.ratings for file in files if file.ratings is not None]
    times = [file.times for file in files if file.times is not None]
    return Log(
        user_ids,
        item_ids,
        users,
        items,
        _end_to_end(ratings) if len(ratings) == len(files) else None,
        _end_to_end(times) if len(times) == len(files) else None,
        np.repeat(np.array(parts, np.int8), sizes),
        np.arange(sum(sizes), dtype=np.int64),
        _dated(files) if len(times) == len(files) else None,
        tuple(_text_column(name, [file.context[name] for file in files]) for name in files[0].context),
    )


def _end_to_end(arrays: Sequence[Array]) -> Array:
    """Several arrays as one; no copy of one alone."""
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _dated(files: Sequence[Columns]) -> Bool | None:
    if all(file.dated is None for file in files):
        return None
    none = [np.zeros(len(file), np.bool_) for file in files]
    return np.concatenate(
        [no if file.dated is None else file.dated for file, no in zip(files, none, strict=True)]
    )


def _text_column(name: str, columns: Sequence[Coded]) -> TextColumn:
    """A column of several files as one."""
    index: dict[str, int] = {}
    codes = [
        np.array([index.setdefault(text, len(index)) for text in column.names], np.int32)[column.codes]
        for column in columns
    ]
    return TextColumn(name, tuple(index), np.concatenate(codes))


def _indexed(columns: Sequence[Coded]) -> tuple[tuple[str, ...], I32]:
    """The ids of several columns together, and the index of each row's (n,)."""
    if len(columns) == 1 and _are_ordered(columns[0]):
        return tuple(columns[0].names), columns[0].codes
    index: dict[str, int] = {}
    rows = []
    for column in columns:
        used = np.bincount(column.codes, minlength=len(column.names)) > 0
        place = np.array(
            [
                index.setdefault(name, len(index)) if kept else -1
                for name, kept in zip(column.names, used.tolist(), strict=True)
            ],
            np.int32,
        )
        rows.append(place[column.codes])
    ids, rank = ordered(index)
    return ids, rank[_end_to_end(rows)]


def _are_ordered(column: Coded) -> bool:
    """Whether the names are distinct, all used, and in the order of :func:`ordered`."""
    if not np.bincount(column.codes, minlength=len(column.names)).all():
        return False
    names: list[Any] = list(map(int, column.names)) if are_integers(column.names) else column.names
    return all(map(operator.lt, names, names[1:]))


def ordered(index: dict[str, int]) -> tuple[tuple[str, ...], I32]:
    """Ids in index order, and the new index of each old one.

    Numerically when every id is an integer (of any size), else by Unicode code point.
    """
    given = list(index)
    ids = sorted(given, key=int) if are_integers(given) else sorted(given)
    if ids == given:
        return tuple(ids), np.arange(len(ids), dtype=np.int32)
    rank = np.empty(len(ids), np.int32)
    rank[[index[name] for name in ids]] = np.arange(len(ids), dtype=np.int32)
    return tuple(ids), rank


def _keep_used(ids: tuple[str, ...], rows: I32) -> tuple[tuple[str, ...], I32]:
    used = np.bincount(rows, minlength=len(ids)) > 0
    if used.all():
        return ids, rows
    rank = (np.cumsum(used) - 1).astype(np.int32)
    return tuple(name for name, kept in zip(ids, used.tolist(), strict=True) if kept), rank[rows]
