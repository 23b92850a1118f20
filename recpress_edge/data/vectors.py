"""Vectors and their ids from files of other programs: npy, npz, safetensors, text. No pickle."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from recpress_edge.core.arrays import F32, F64, I64
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.files import check_there

Missing = Literal["error", "mean", "zero"]
SUFFIXES: Final = (".npy", ".npz", ".safetensors")
_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class PlacedVectors:
    """Vectors in the order of a data set's ids."""

    rows: F64
    """(N, D)"""
    without: int
    """Ids of the data set that have no vector."""
    left_out: int
    """Vectors whose id the data set does not hold."""


def read_array(text: str, flag: str) -> NDArray[Any]:
    """The array of ``FILE`` or ``FILE:NAME`` (npz, safetensors), named where the file holds several."""
    path, name = _parted(text)
    check_there(path)
    try:
        if path.suffix == ".npy":
            return np.asarray(np.load(path, allow_pickle=False, mmap_mode="r"))
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return np.asarray(arrays[_chosen(path, list(arrays), name, flag)])
        with safe_open(path, "numpy") as tensors:
            return np.asarray(tensors.get_tensor(_chosen(path, list(tensors.keys()), name, flag)))
    except (ValueError, OSError, EOFError, SafetensorError, TypeError) as error:
        raise DataError(f"{flag} {path} cannot be read: {error}. Pickled arrays are never opened.") from None


def array_file(text: str) -> Path:
    """The file of ``FILE`` or ``FILE:NAME``."""
    return _parted(text)[0]


def _parted(text: str) -> tuple[Path, str | None]:
    path, colon, name = text.rpartition(":")
    if colon and Path(path).suffix in SUFFIXES:
        return Path(path), name
    if Path(text).suffix not in SUFFIXES:
        raise ConfigError(f"{text}: vectors are read from {', '.join(SUFFIXES)} files, as FILE or FILE:NAME")
    return Path(text), None


def _chosen(path: Path, names: Sequence[str], name: str | None, flag: str) -> str:
    if name is None and len(names) == 1:
        return names[0]
    if name is None or name not in names:
        raise ConfigError(f"{flag}: {path} holds {', '.join(names)}. Say which: {path}:{names[0]}")
    return name


def read_vectors(text: str, flag: str) -> F64:
    """A table (N, D) of finite numbers; DataError names the first row that is not."""
    table = _numbers(read_array(text, flag), text, flag)
    if table.ndim != 2 or 0 in table.shape:
        raise DataError(f"{flag} {text} has the shape {table.shape}; expected a row for each id, (rows, dim)")
    return table


def read_biases(text: str, flag: str, count: int) -> F64:
    """A bias for each row (N,)."""
    biases = _numbers(read_array(text, flag), text, flag).reshape(-1)
    if len(biases) != count:
        raise DataError(f"{flag} {text} has {len(biases):,} numbers for {count:,} vectors")
    return biases


def _numbers(array: NDArray[Any], text: str, flag: str) -> F64:
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise DataError(f"{flag} {text} holds {array.dtype}, not numbers")
    table = np.asarray(array, np.float64)
    finite = np.abs(table) <= _FLOAT32_MAX
    bad: I64 = np.flatnonzero(~finite.all(axis=tuple(range(1, table.ndim))))
    if bad.size:
        raise DataError(f"{flag} {text}: row {bad[0]} holds NaN, infinity or a number beyond float32")
    return table


def read_ids(path: Path, flag: str) -> list[str]:
    """Ids as text: a line each (.txt), a list (.json), or an array of text or integers (.npy)."""
    check_there(path)
    try:
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=False)
            if array.ndim != 1 or array.dtype.kind not in "iuU":
                raise DataError(
                    f"{flag} {path} holds {array.dtype} of shape {array.shape}; expected text or integers"
                )
            return [str(name) for name in array.tolist()]
        text = path.read_text(encoding="utf-8")
        if path.suffix != ".json":
            return text.removesuffix("\n").split("\n")
        names = json.loads(text)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{flag} {path} cannot be read: {error}") from None
    if not isinstance(names, list) or not all(type(name) in (str, int) for name in names):
        raise DataError(f"{flag} {path} is no list of texts or integers")
    return [str(name) for name in names]


@dataclass(frozen=True, slots=True)
class Ids:
    """Whose vectors they are, and whose are wanted."""

    kind: str
    """user or item."""
    given: Sequence[str] | None
    """Of each row; None where the rows are in the order of ``wanted``."""
    wanted: Sequence[str]
    """The data set's."""


def place(vectors: F64, of: Ids, missing: Missing) -> PlacedVectors:
    """The vectors in the order of the data set's ids.

    Ids that the data set does not hold are left out. Where an id of the data set has no vector it is a
    DataError, or, with ``missing``, the mean of the vectors or zeros.
    """
    kind, ids, wanted = of.kind, of.given, of.wanted
    if ids is None:
        if len(vectors) != len(wanted):
            raise DataError(
                f"{len(vectors):,} {kind} vectors for the {len(wanted):,} {kind}s of the data set. "
                f"Give their ids: --{kind}-ids FILE"
            )
        return PlacedVectors(vectors, 0, 0)
    rows = _rows_of(vectors, of)
    without = int((rows < 0).sum())
    if without and missing == "error":
        first = wanted[int(np.argmax(rows < 0))]
        raise DataError(
            f"{without:,} of {len(wanted):,} {kind}s of the data set have no vector, first {first!r}. Say "
            "what they get with --missing mean or --missing zero, or import a log without them."
        )
    placed = vectors[rows]
    placed[rows < 0] = vectors.mean(axis=0) if missing == "mean" else 0.0
    return PlacedVectors(placed, without, len(ids) - (len(wanted) - without))


def _rows_of(vectors: F64, of: Ids) -> I64:
    """The row of each wanted id, -1 where it has none."""
    kind, ids = of.kind, list(of.given or ())
    if len(ids) != len(vectors):
        raise DataError(f"--{kind}-ids has {len(ids):,} ids for {len(vectors):,} vectors")
    row_of = {name: row for row, name in enumerate(ids)}
    if len(row_of) < len(ids):
        twice = next(name for row, name in enumerate(ids) if row_of[name] != row)
        raise DataError(f"--{kind}-ids names {twice!r} twice")
    rows = np.array([row_of.get(name, -1) for name in of.wanted], np.int64)
    if (rows < 0).all():
        raise DataError(
            f"no {kind} of the data set has a vector: there the ids are like {of.wanted[0]!r}, in "
            f"--{kind}-ids like {ids[0]!r}. Are they of the same log, and written alike?"
        )
    return rows


def with_biases(user: F64, item: F64, user_bias: F64 | None, item_bias: F64 | None) -> tuple[F64, F64]:
    """Tables whose product is user · item + user bias + item bias: a dimension more for each bias.

    user (U, D), item (I, D), user_bias (U,), item_bias (I,).
    """
    if item_bias is not None:
        user, item = _beside(user, np.ones(len(user))), _beside(item, item_bias)
    if user_bias is not None:
        user, item = _beside(user, user_bias), _beside(item, np.ones(len(item)))
    return user, item


def _beside(table: F64, column: F64) -> F64:
    return np.concatenate([table, column[:, None]], axis=1)


def unit_rows(table: F64) -> F64:
    """Rows of length one, so that their product is the cosine; a row of zeros stays."""
    length = np.linalg.norm(table, axis=1, keepdims=True)
    unit: F64 = np.divide(table, length, out=np.zeros_like(table), where=length > 0)
    return unit


def as_float32(table: F64) -> F32:
    """The table as models hold it."""
    return np.ascontiguousarray(table, dtype=np.float32)
