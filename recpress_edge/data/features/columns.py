"""Feature columns as they are stored: values by code, numbers, or several values a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from recpress_edge.core.arrays import F64, I32, I64, places_of_rows
from recpress_edge.core.errors import DataError
from recpress_edge.core.files import canonical_json, sha256_bytes

CATEGORICAL: Final = "categorical"
NUMERIC: Final = "numeric"
MANY: Final = "many"
INTEGER: Final = "integer"
HASHED: Final = "hashed"
KINDS: Final = (CATEGORICAL, NUMERIC, MANY, INTEGER, HASHED)
MISSING_CODE: Final = -1
_ARRAYS: Final = {
    CATEGORICAL: {"codes"},
    HASHED: {"codes"},
    MANY: {"codes", "indptr"},
    NUMERIC: {"numbers"},
    INTEGER: {"numbers"},
}
"""What a column of each kind holds."""


@dataclass(frozen=True, slots=True, eq=False)
class FeatureColumn:
    """One column (n rows). Vocabularies are over all rows: what training may know of them is its affair."""

    name: str
    kind: str
    """One of KINDS."""
    values: tuple[str, ...] = ()
    """Vocabulary: distinct texts in order of code point, Unicode form NFC; none of a column of numbers."""
    codes: I32 | None = None
    """Places in ``values``: categorical and hashed (n,), MISSING_CODE where there is none; many (nnz,), as
    given."""
    indptr: I64 | None = None
    """Many (n + 1,): row r holds codes[indptr[r]:indptr[r + 1]]; an empty row is missing."""
    numbers: F64 | None = None
    """Numeric and integer (n,): finite, or NaN where there is none."""
    size: int = 0
    """What a click model makes of it: buckets of a numeric or hashed column, values of a row of many that
    count; 0 is the usual."""

    def __post_init__(self) -> None:
        if _ARRAYS.get(self.kind) != {name for name, _ in self.arrays()}:
            raise DataError(
                f"feature {self.name!r}: a column of kind {self.kind!r} does not hold these arrays"
            )
        codes = np.empty(0, np.int32) if self.codes is None else self.codes
        least = 0 if self.kind == MANY else MISSING_CODE
        if codes.size and not least <= codes.min() <= codes.max() < len(self.values):
            raise DataError(f"feature {self.name!r}: a code is outside 0..{len(self.values) - 1}")
        if self.indptr is not None:
            ends = self.indptr
            if not ends.size or ends[0] != 0 or ends[-1] != codes.size or (np.diff(ends) < 0).any():
                raise DataError(f"feature {self.name!r}: its rows do not fit its {codes.size} values")
        if self.numbers is not None and np.isinf(self.numbers).any():
            raise DataError(f"feature {self.name!r} holds an infinite number")

    def __len__(self) -> int:
        if self.indptr is not None:
            return self.indptr.size - 1
        return int((self.codes if self.numbers is None else self.numbers).size)  # type: ignore[union-attr]

    def arrays(self) -> list[tuple[str, Any]]:
        """The arrays that it has, by their field."""
        found = [(name, getattr(self, name)) for name in ("codes", "indptr", "numbers")]
        return [(name, array) for name, array in found if array is not None]

    def take(self, rows: I64) -> "FeatureColumn":
        """These rows (B,) of it."""
        if self.indptr is None:
            codes = None if self.codes is None else self.codes[rows]
            return replace(self, codes=codes, numbers=None if self.numbers is None else self.numbers[rows])
        assert self.codes is not None
        ends = np.concatenate([[0], np.cumsum(np.diff(self.indptr)[rows])])
        return replace(self, codes=self.codes[places_of_rows(self.indptr, rows)], indptr=ends)

    def missing(self) -> int:
        """Rows without a value."""
        if self.indptr is not None:
            return int((np.diff(self.indptr) == 0).sum())
        if self.numbers is not None:
            return int(np.isnan(self.numbers).sum())
        return int(np.count_nonzero(self.codes == MISSING_CODE))

    def text(self, row: int) -> str:
        """The value of a row for people: several with '|' between, none as nothing."""
        if self.numbers is not None:
            return "" if np.isnan(self.numbers[row]) else f"{self.numbers[row]:.12g}"
        assert self.codes is not None
        if self.indptr is not None:
            found: Sequence[int] = self.codes[self.indptr[row] : self.indptr[row + 1]].tolist()
            return "|".join(self.values[code] for code in found)
        code = int(self.codes[row])
        return "" if code == MISSING_CODE else self.values[code]

    def facts(self) -> dict[str, Any]:
        """For a manifest and for people: name, kind, how many values, how many rows have none."""
        if self.numbers is None:
            known: dict[str, Any] = {"values": len(self.values)}
        else:
            finite = self.numbers[~np.isnan(self.numbers)]
            known = {"least": float(finite.min()), "most": float(finite.max())} if finite.size else {}
        if self.indptr is not None:
            known["most_in_a_row"] = int(np.diff(self.indptr).max(initial=0))
        if self.size:
            known["size"] = self.size
        return {"name": self.name, "kind": self.kind, **known, "missing": self.missing()}


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """Columns of one length: a row for each user, item or interaction."""

    columns: tuple[FeatureColumn, ...]

    def __post_init__(self) -> None:
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise DataError(f"two feature columns have one name: {', '.join(names)}. Say NAME=COLUMN.")
        if not names or len({len(column) for column in self.columns}) != 1:
            raise DataError("feature columns must be of one length, and one at least")

    def __len__(self) -> int:
        return len(self.columns[0])

    def take(self, rows: I64) -> "FeatureTable":
        """These rows (B,) of all columns."""
        return FeatureTable(tuple(column.take(rows) for column in self.columns))

    def named(self, name: str) -> FeatureColumn:
        """The column of this name; DataError where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        names = ", ".join(column.name for column in self.columns)
        raise DataError(f"no feature column {name!r}; there are {names}")

    def digest(self) -> str:
        """SHA-256 over names, kinds, vocabularies and arrays."""
        parts = []
        for column in self.columns:
            size = [column.size] if column.size else []
            head = [column.name, column.kind, column.values, [name for name, _ in column.arrays()], *size]
            parts.append(sha256_bytes(canonical_json(head)))
            parts += [sha256_bytes(array.tobytes()) for _, array in column.arrays()]
        return sha256_bytes("".join(parts).encode())


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What is known of users, items and single interactions beside their ids; None: nothing."""

    user: FeatureTable | None = None
    """A row for each user index."""
    item: FeatureTable | None = None
    """A row for each item index."""
    context: FeatureTable | None = None
    """A row for each interaction: those of train, then valid, then test, each in the order of its indices; in
    a data set with labels, for each row that has one."""

    def tables(self) -> Mapping[str, FeatureTable]:
        """Those that there are, by side."""
        found = {"user": self.user, "item": self.item, "context": self.context}
        return {side: table for side, table in found.items() if table is not None}

    def check(self, n_users: int, n_items: int, n_rows: int) -> None:
        """DataError where a table does not have a row for each; ``n_rows``: of context."""
        wanted = {"user": n_users, "item": n_items, "context": n_rows}
        for side, table in self.tables().items():
            if len(table) != wanted[side]:
                raise DataError(f"{len(table):,} rows of {side} features for {wanted[side]:,}")

    def digest(self) -> str:
        """SHA-256 over all tables; a data set's own digest does not hold it."""
        return sha256_bytes("".join(s + t.digest() for s, t in self.tables().items()).encode())

    def facts(self) -> dict[str, list[dict[str, Any]]]:
        """The columns of each side, see FeatureColumn.facts."""
        return {s: [column.facts() for column in table.columns] for s, table in self.tables().items()}
