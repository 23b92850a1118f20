"""The vectors of one side, users or items, with their ids and biases: from files or from memory, checked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from recpress_edge.core.arrays import F64
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.files import check_there
from recpress_edge.data.vectors.arrays import KINDS, PARQUET, WORDS, parted, read_array
from recpress_edge.data.vectors.in_memory import column, ids_of_rows, numbers
from recpress_edge.data.vectors.parquet import read_parquet
from recpress_edge.data.vectors.words import read_words


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
    except (OSError, UnicodeDecodeError, ValueError, RecursionError) as error:
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
    ids = None if given.ids is None else ids_of_rows(given.ids, kind)
    rows = numbers(given.rows, where, ids)
    if rows.ndim != 2 or 0 in rows.shape:
        raise DataError(f"{where} has the shape {rows.shape}; expected a row for each {kind}, (rows, dim)")
    if ids is not None and len(ids) != len(rows):
        empty = f" Row {ids.index('')} has an empty id: is there a blank line?" if "" in ids else ""
        raise DataError(
            f"{len(ids):,} {kind} ids for {len(rows):,} vectors of {where}. Is there a row of padding or of "
            f"unknown {kind}s without an id, a header among the ids (the first is {next(iter(ids), '')!r}), "
            f"or is the table transposed?{empty}"
        )
    biases = None if given.biases is None else column(given.biases, where, ids)
    if biases is not None and len(biases) != len(rows):
        raise DataError(f"{len(biases):,} {kind} biases for {len(rows):,} vectors of {where}")
    return Side(kind, rows, ids, biases)
