"""Vectors and ids from parquet: a column of lists, or a numbered column for each dimension."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.errors import ConfigError, DataError, missing_extra
from recpress_edge.core.files import check_there
from recpress_edge.data.readers.engine import first_line, literal, quoted

_NUMBER: Final = re.compile(r"(FLOAT|DOUBLE|DECIMAL\([\d,]+\)|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?)")
_LIST: Final = re.compile(rf"{_NUMBER.pattern}\[\d*\]")
_ID: Final = re.compile(r"(VARCHAR|UUID|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?)")
_NUMBERED: Final = re.compile(r"(.*?)(\d+)")


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """Columns of one file and their types."""

    path: Path
    flag: str
    types: Mapping[str, str]

    def vectors(self, name: str | None) -> NDArray[Any]:
        """(N, D) of the column of lists ``name``, the numbered columns ``PREFIX*``, or the only ones."""
        chosen = self._chosen(name)
        if isinstance(chosen, str):
            return self._stacked(chosen)
        columns = self._read([quoted(column) for column in chosen])
        for column, values in zip(chosen, columns, strict=True):
            self._refuse_null(values, column)
        return np.column_stack([np.asarray(values, np.float64) for values in columns])

    def ids(self, kind: str, name: str | None, vectors: str | None) -> list[str] | None:
        """Ids as text of the column ``name``, or of the one that is none of the vectors; None without one."""
        if name is None:
            used = self._of_vectors(vectors)
            others = [
                column for column, type_ in self.types.items() if column not in used and _ID.fullmatch(type_)
            ]
            known = [column for column in others if column in (f"{kind}_id", f"{kind}Id", kind, "id")]
            candidates = known or others
            if len(candidates) > 1:
                raise self._question(f"{kind}-ids", "which column holds the ids", candidates)
            if not candidates:
                return None
            name = candidates[0]
        self._check_column(name)
        if not _ID.fullmatch(self.types[name]):
            raise DataError(f"{self.path}: {name} is {self.types[name]}; ids are texts or integers")
        (values,) = self._read([f"CAST({quoted(name)} AS VARCHAR)"])
        self._refuse_null(values, name)
        return [str(value) for value in values.tolist()]

    def _of_vectors(self, name: str | None) -> set[str]:
        """Columns that hold no ids: of the vectors ``name``; without one all that might be vectors."""
        if name is not None:
            chosen = self._chosen(name)
            return {chosen} if isinstance(chosen, str) else set(chosen)
        return {one for family in self._families().values() if len(family) > 1 for one in family}

    def numbers(self, name: str) -> NDArray[Any]:
        """One number for each row (N,)."""
        self._check_column(name)
        if not _NUMBER.fullmatch(self.types[name]):
            raise DataError(f"{self.flag} {self.path}: {name} is {self.types[name]}, not a number")
        (values,) = self._read([quoted(name)])
        self._refuse_null(values, name)
        return np.asarray(values, np.float64)

    def _chosen(self, name: str | None) -> str | list[str]:
        """A column of lists, or the columns of a family in the order of their numbers."""
        families = self._families()
        if name is not None and name.endswith("*") and name[:-1] in families:
            return families[name[:-1]]
        if name is not None:
            self._check_column(name)
            if not _LIST.fullmatch(self.types[name]):
                raise DataError(f"{self.flag} {self.path}: {name} is {self.types[name]}, no list of numbers")
            return name
        lists = [column for column, type_ in self.types.items() if _LIST.fullmatch(type_)]
        found: list[str] = lists or [f"{prefix}*" for prefix in families]
        if len(found) == 1:
            return found[0] if lists else next(iter(families.values()))
        if found:
            raise self._question(self.flag.removeprefix("--"), "which are the vectors", found)
        raise DataError(
            f"{self.flag} {self.path} has no column of lists of numbers, and none numbered from 0 or 1. "
            f"It has {', '.join(f'{column} {type_}' for column, type_ in self.types.items())}."
        )

    def _families(self) -> dict[str, list[str]]:
        """Numeric columns that share a prefix and are numbered without a gap, by prefix."""
        found: dict[str, dict[int, str]] = {}
        for column, type_ in self.types.items():
            parts = _NUMBERED.fullmatch(column)
            if parts and _NUMBER.fullmatch(type_):
                found.setdefault(parts[1], {})[int(parts[2])] = column
        return {
            prefix: [members[number] for number in sorted(members)]
            for prefix, members in found.items()
            if min(members) in (0, 1) and max(members) - min(members) + 1 == len(members)
        }

    def _stacked(self, column: str) -> NDArray[Any]:
        (values,) = self._read([quoted(column)])
        self._refuse_null(values, column)
        rows = [np.ma.filled(np.ma.asarray(row, np.float64), np.nan) for row in values.tolist()]
        lengths = np.array([row.size for row in rows], np.int64)
        if not rows or (lengths != lengths[0]).any():
            odd = int(np.argmax(lengths != lengths[0])) if rows else 0
            what = f"{lengths[odd]} numbers, row 0 {lengths[0]}" if rows else "nothing"
            raise DataError(f"{self.flag} {self.path}: row {odd} of {column} has {what}")
        return np.stack(rows)

    def _refuse_null(self, values: NDArray[Any], column: str) -> None:
        mask = np.ma.getmaskarray(values)
        if mask.any():
            raise DataError(f"{self.flag} {self.path}: row {int(np.argmax(mask))} has no {column} (NULL)")

    def _check_column(self, name: str) -> None:
        if name not in self.types:
            raise ConfigError(
                f"{self.flag}: {self.path} has no column {name!r}. It has {', '.join(self.types)}."
            )

    def _question(self, flag: str, what: str, columns: Sequence[str]) -> ConfigError:
        return ConfigError(
            f"{self.path}: {what}, {', '.join(columns)}? Say --{flag} {self.path}:{columns[0]}"
        )

    def _read(self, columns: Sequence[str]) -> list[NDArray[Any]]:
        named = ", ".join(f"{column} AS c{at}" for at, column in enumerate(columns))
        found = _asked(
            self.path, self.flag, f"SELECT {named} FROM read_parquet(?, hive_partitioning=false)"
        ).fetchnumpy()
        return [found[f"c{at}"] for at in range(len(columns))]


def read_parquet(path: Path, flag: str) -> ParquetTable:
    """The columns of a file."""
    check_there(path)
    described = _asked(
        path, flag, "DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning=false)"
    ).fetchall()
    return ParquetTable(path, flag, {row[0]: row[1] for row in described})


def _asked(path: Path, flag: str, query: str) -> Any:
    """The answer of DuckDB, whose glob patterns are taken as plain characters."""
    try:
        import duckdb
    except ImportError:
        missing_extra("duckdb", "data")
    try:
        return duckdb.connect(":memory:").execute(query, [literal(path)])
    except duckdb.Error as error:
        raise DataError(f"{flag} {path} cannot be read as parquet: {first_line(error)}") from None
