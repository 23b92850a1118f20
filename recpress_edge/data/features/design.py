"""Feature columns as numbers for a linear map: a place for each value that enough known rows share."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from recpress_edge.core.arrays import F64, I64
from recpress_edge.core.errors import DataError
from recpress_edge.data.features.columns import MANY, MISSING_CODE, FeatureColumn

LEAST_ROWS: Final = 2
"""Known rows that share a value, or it says nothing of another row."""
MOST_PLACES: Final = 1_000
"""Values that count: those that most known rows share. The map's solution is cubic in them."""
LARGEST: Final = 1e100
"""Of numbers whose squares are to be added up."""
_WORD: Final = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Rows of features as entries, in order of their rows."""

    rows: I64
    """(n,)"""
    columns: I64
    """(n,), 0..width-1"""
    values: F64
    """(n,) 1 of a value that a row has alone, 1/√m of each of m; numbers in deviations from their mean."""
    width: int
    words: tuple[str, ...]
    """What became of each column, for people."""


def words_of(name: str, texts: Sequence[str]) -> FeatureColumn:
    """A column of many: the words of each text (n,), letters and digits alone, without case."""
    rows = [
        list(dict.fromkeys(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))) for text in texts
    ]
    values = tuple(sorted({word for row in rows for word in row}))
    places = {word: place for place, word in enumerate(values)}
    codes = np.array([places[word] for row in rows for word in row], np.int32)
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return FeatureColumn(name, MANY, values, codes=codes, indptr=indptr)


def design_of(columns: Sequence[FeatureColumn], n_known: int) -> Design:
    """The first ``n_known`` rows are those whose values count; the others have what of these they share."""
    parts = [_entries(column, n_known) for column in columns]
    shared = np.concatenate([part.shared for part in parts])
    least = max(LEAST_ROWS, int(np.sort(shared)[-MOST_PLACES]) if shared.size > MOST_PLACES else 0)
    kept = np.flatnonzero(shared >= least)
    if kept.size > MOST_PLACES:  # of those that as many share, the first
        kept = np.sort(kept[np.argsort(-shared[kept], kind="stable")[:MOST_PLACES]])
    place = np.full(shared.size, -1, np.int64)
    place[kept] = np.arange(kept.size)
    starts = np.concatenate([[0], np.cumsum([part.shared.size for part in parts])])
    words = [
        f"{column.name}: {int((place[start:end] >= 0).sum()):,} of {end - start:,} values"
        if column.numbers is None
        else f"{column.name}: numbers"
        for column, start, end in zip(columns, starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    ]
    rows = np.concatenate([part.rows for part in parts])
    codes = place[np.concatenate([p.codes + s for p, s in zip(parts, starts[:-1], strict=True)])]
    values = np.concatenate([part.values for part in parts])
    has = codes >= 0
    order = np.argsort(rows[has], kind="stable")
    return Design(rows[has][order], codes[has][order], values[has][order], kept.size, tuple(words))


@dataclass(frozen=True, slots=True, eq=False)
class _Entries:
    rows: I64
    codes: I64
    values: F64
    shared: I64
    """(V,) known rows that have each value."""


def _entries(column: FeatureColumn, n_known: int) -> _Entries:
    """A column's values, or its numbers in deviations; a missing number is the mean."""
    if column.numbers is not None:
        return _of_numbers(column.name, column.numbers, n_known)
    assert column.codes is not None
    codes = column.codes.astype(np.int64)
    if column.indptr is None:
        rows = np.flatnonzero(codes != MISSING_CODE)
        codes, values = codes[rows], np.ones(rows.size)
    else:
        counts = np.diff(column.indptr)
        rows = np.repeat(np.arange(counts.size), counts)
        values = 1 / np.sqrt(np.repeat(counts, counts))
    shared = np.bincount(codes[rows < n_known], minlength=len(column.values))
    return _Entries(rows.astype(np.int64), codes, values, shared.astype(np.int64))


def _of_numbers(name: str, numbers: F64, n_known: int) -> _Entries:
    """Where known rows are at all apart; a number beyond theirs is their least or largest."""
    known = numbers[:n_known][~np.isnan(numbers[:n_known])]
    least, most = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    if max(-least, most) > LARGEST:
        raise DataError(
            f"feature {name!r}: its numbers reach {max(-least, most):g}, and {LARGEST:g} is the most "
            "that a map is learned from. Correct them, or leave the column out."
        )
    deviation = float(known.std()) if least < most else 0.0  # that of equal numbers may be rounded up from 0
    rows = np.flatnonzero(~np.isnan(numbers)) if deviation > 0 else np.empty(0, np.int64)
    values = (np.clip(numbers[rows], least, most) - known.mean()) / deviation if rows.size else np.empty(0)
    return _Entries(
        rows, np.zeros(rows.size, np.int64), values, np.array([known.size if rows.size else 0], np.int64)
    )
