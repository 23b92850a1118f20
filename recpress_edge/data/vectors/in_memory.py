"""Vectors, biases and ids as Python programs hold them: arrays, tensors, lists, dicts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import F64, I64
from recpress_edge.core.errors import DataError

_FLOAT32_MAX: Final = float(np.finfo(np.float32).max)


def numbers(given: Any, where: str, ids: list[str] | None) -> F64:
    """Finite numbers; DataError names the first row, and its id, that holds something else."""
    array = _as_array(given, where)
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise DataError(f"{where} holds {array.dtype}, not numbers")
    table = np.ma.filled(array.astype(np.float64, copy=False), np.nan)
    finite = np.abs(table) <= _FLOAT32_MAX
    bad: I64 = np.flatnonzero(~finite.all(axis=tuple(range(1, table.ndim))))
    if bad.size:
        name = f" (id {ids[bad[0]]!r})" if ids is not None and bad[0] < len(ids) else ""
        masked = "a masked number, " if np.ma.is_masked(array) else ""
        raise DataError(f"{where}: row {bad[0]}{name} holds {masked}NaN, infinity or a number beyond float32")
    return table


def column(given: Any, where: str, ids: list[str] | None) -> F64:
    """Numbers (N,), which may stand in a table of one column or of one row."""
    found = numbers(given, where, ids)
    if found.ndim > 2 or (found.ndim == 2 and 1 not in found.shape):
        raise DataError(f"{where} has biases of the shape {found.shape}; expected one for each row, (rows,)")
    return found.reshape(-1)


def _as_array(given: Any, where: str) -> NDArray[Any]:
    """As numpy has it, masks and all; of a tensor its values, in float64 where numpy lacks their type."""
    if hasattr(given, "detach"):
        given = given.detach().cpu()
        given = given.double() if given.is_floating_point() else given
    try:
        return given if isinstance(given, np.ma.MaskedArray) else np.asarray(given)
    except (ValueError, TypeError, RuntimeError) as error:
        raise DataError(f"{where} is no table of numbers: {error}") from None


def ids_of_rows(given: Any, kind: str) -> list[str]:
    """Each id once, as text, in the order of the rows."""
    names = _by_row(given, kind) if isinstance(given, Mapping) else _listed(given, kind)
    ids = [str(name) for name in names]
    first: dict[str, int] = {}
    for row, name in enumerate(ids):
        if not isinstance(names[row], str | int | np.integer) or isinstance(names[row], bool):
            raise DataError(f"the {kind} id of row {row} is {names[row]!r}; ids are texts or integers")
        if first.setdefault(name, row) != row:
            raise DataError(f"the {kind} ids name {name!r} twice, in rows {first[name]} and {row}")
    return ids


def _listed(given: Any, kind: str) -> list[Any]:
    """The ids of a list, an array, a series or a tensor; what has no order of its own is refused."""
    wanted = "expected a list, one id a row, or a dict from id to row"
    if isinstance(given, set | frozenset):
        raise DataError(f"the {kind} ids are a set, which has no order; {wanted}")
    if isinstance(given, str | bytes | Path):
        raise DataError(f"the {kind} ids are the one text {str(given)!r}; {wanted}")
    try:
        return list(given.tolist() if hasattr(given, "tolist") else given)
    except TypeError:
        raise DataError(f"the {kind} ids are {given!r}; {wanted}") from None


def _by_row(row_of: Mapping[Any, Any], kind: str) -> list[Any]:
    """Ids in the order of the rows that a dict gives them."""
    names = sorted(row_of, key=row_of.__getitem__) if all(map(_is_row, row_of.values())) else []
    wrong = next((name for row, name in enumerate(names) if row_of[name] != row), None)
    if not names or wrong is not None:
        place = f": {wrong!r} has {row_of[wrong]}" if wrong is not None else ""
        turned = sorted(map(str, row_of)) == sorted(map(str, range(len(row_of))))
        raise DataError(
            f"the dict of {kind} ids does not lead to the rows 0 to {len(row_of) - 1}, each once{place}"
            + (". It leads from row to id: turn it round" if turned and row_of else "")
        )
    return names


def _is_row(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
