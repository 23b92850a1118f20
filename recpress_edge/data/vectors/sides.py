"""The vectors of one side, users or items, with their ids and biases: from files or from memory, checked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import F64, I64
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.files import check_there
from recpress_edge.data.vectors.arrays import KINDS, PARQUET, WORDS, parted, read_array
from recpress_edge.data.vectors.parquet import read_parquet
from recpress_edge.data.vectors.words import read_words

_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """What another program knows of users or of items, as it is; :func:`checked` checks it."""

    rows: Any
    """(N, D): a row for each user or item."""
    ids: Any = None
    """The id of each row, or a dict from id to row; None where only the order tells."""
    biases: Any = None
    """(N,), added to the score."""
    source: str = "the array"
    """Where it is from, for messages."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Checked :class:`Vectors`: finite numbers, every row with its own id."""

    kind: str
    """user or item."""
    rows: F64
    """(N, D)"""
    ids: list[str] | None
    biases: F64 | None
    """(N,)"""


def read_vectors(kind: str, text: str, ids: str | None, bias: str | None) -> Vectors:
    """The vectors of ``FILE`` or ``FILE:NAME`` with the ids that the file holds or ``ids`` names."""
    flag = f"--{kind}s"
    path, name = parted(text)
    found: Sequence[str] | None = None
    rows: NDArray[Any]
    if path.suffix == PARQUET:
        table = read_parquet(path, flag)
        rows, found = table.vectors(name), None if ids else table.ids(kind, None, name)
    elif path.suffix in WORDS:
        found, rows = read_words(path, flag)
        refuse_both(kind, path, ids)
    elif path.suffix in KINDS:
        rows = read_array(text, flag)
    else:
        known = ", ".join((*KINDS, PARQUET, *WORDS))
        raise ConfigError(f"{flag} {text}: vectors are read from {known} files, as FILE or FILE:NAME")
    given = found if ids is None else read_ids(ids, kind)
    return Vectors(rows, given, None if bias is None else _biases(bias, f"--{kind}-bias"), f"{flag} {text}")


def refuse_both(kind: str, path: Path, ids: str | None) -> None:
    """ConfigError where a file says whose its rows are and a flag says it again."""
    if ids is not None:
        raise ConfigError(f"{path} holds the id of each {kind}: leave --{kind}-ids out")


def _biases(text: str, flag: str) -> NDArray[Any]:
    path, name = parted(text)
    if path.suffix != PARQUET:
        return read_array(text, flag)
    if name is None:
        raise ConfigError(f"{flag} {text}: which column? Write {path}:COLUMN")
    return read_parquet(path, flag).numbers(name)


def read_ids(text: str, kind: str) -> list[str] | dict[str, Any]:
    """Ids as text: a line each (.txt), a list or dict from id to row (.json), an array, a parquet column."""
    flag = f"--{kind}-ids"
    path, name = parted(text)
    if path.suffix == PARQUET:
        ids = read_parquet(path, flag).ids(kind, name, None)
        if ids is None:
            raise DataError(f"{flag} {path} has no column of texts or integers")
        return ids
    if path.suffix in KINDS:
        return _id_array(read_array(text, flag), f"{flag} {text}")
    check_there(path)
    try:
        written = path.read_text(encoding="utf-8-sig")
        if path.suffix != ".json":
            return written.removesuffix("\n").split("\n")
        names = json.loads(written, object_pairs_hook=_once)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{flag} {path} cannot be read: {error}") from None
    if isinstance(names, dict):
        return names
    if not isinstance(names, list) or not all(type(one) in (str, int) for one in names):
        raise DataError(f"{flag} {path} is no list of texts or integers, nor a dict from id to row")
    return [str(one) for one in names]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found


def _id_array(array: NDArray[Any], where: str) -> list[str]:
    if array.ndim != 1 or array.dtype.kind not in "iuU":
        raise DataError(
            f"{where} holds {array.dtype} of shape {array.shape}; expected texts or integers (N,)"
        )
    return [str(name) for name in array.tolist()]


def checked(given: Vectors, kind: str) -> Side:
    """Finite numbers, one id a row, each once; DataError names the row and its id."""
    where = given.source
    ids = None if given.ids is None else _ids_of_rows(given.ids, kind)
    rows = _numbers(np.asarray(given.rows), where, ids)
    if rows.ndim != 2 or 0 in rows.shape:
        raise DataError(f"{where} has the shape {rows.shape}; expected a row for each {kind}, (rows, dim)")
    if ids is not None and len(ids) != len(rows):
        raise DataError(
            f"{len(ids):,} {kind} ids for {len(rows):,} vectors of {where}. Is there a row of padding or of "
            f"unknown {kind}s without an id, or is the table transposed?"
        )
    biases = None if given.biases is None else _numbers(np.asarray(given.biases).reshape(-1), where, ids)
    if biases is not None and len(biases) != len(rows):
        raise DataError(f"{len(biases):,} {kind} biases for {len(rows):,} vectors of {where}")
    return Side(kind, rows, ids, biases)


def _ids_of_rows(given: Any, kind: str) -> list[str]:
    """Each id once, as text, in the order of the rows."""
    names = _by_row(given, kind) if isinstance(given, Mapping) else list(given)
    ids = [str(name) for name in names]
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        if not isinstance(names[row], str | int | np.integer) or isinstance(names[row], bool):
            raise DataError(f"the {kind} id of row {row} is {names[row]!r}; ids are texts or integers")
        if first.setdefault(name, row) != row:
            raise DataError(f"the {kind} ids name {name!r} twice, in rows {first[name]} and {row}")
    return ids


def _by_row(row_of: Mapping[Any, Any], kind: str) -> list[Any]:
    """Ids in the order of the rows that a dict gives them."""
    names = sorted(row_of, key=row_of.__getitem__) if all(map(_is_row, row_of.values())) else []
    rows: I64 = np.array([row_of[name] for name in names], np.int64)
    if not names or (rows != np.arange(len(names))).any():
        wrong = next((name for row, name in enumerate(names) if row_of[name] != row), None)
        place = f": {wrong!r} has {row_of[wrong]}" if wrong is not None else ""
        raise DataError(
            f"the dict of {kind} ids does not lead to the rows 0 to {len(row_of) - 1}, each once{place}"
        )
    return names


def _is_row(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _numbers(array: NDArray[Any], where: str, ids: list[str] | None) -> F64:
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise DataError(f"{where} holds {array.dtype}, not numbers")
    table = np.asarray(array, np.float64)
    finite = np.abs(table) <= _FLOAT32_MAX
    bad: I64 = np.flatnonzero(~finite.all(axis=tuple(range(1, table.ndim))))
    if bad.size:
        name = f" (id {ids[bad[0]]!r})" if ids is not None and bad[0] < len(ids) else ""
        raise DataError(f"{where}: row {bad[0]}{name} holds NaN, infinity or a number beyond float32")
    return table
