"""DuckDB as the engine that reads tables: a connection that keeps to its memory, and columns out of it."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import psutil

from recpress_edge.core.arrays import F64, I64, Bool
from recpress_edge.core.errors import ConfigError, missing_extra
from recpress_edge.core.files import scratch_folder
from recpress_edge.data.log import Coded
from recpress_edge.data.order import stable_order

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

INTEGERS: Final = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"})
"""Types whose every value fits a signed number of 64 bits."""
NUMBERS: Final = INTEGERS | {"UBIGINT", "HUGEINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL"}
TIMES: Final = frozenset(
    {"DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"}
)
TEXTS: Final = "VARCHAR"
KEPT: Final = "__kept"
"""The table of the rows for which --where holds."""
_DIGITS: Final = "0|[1-9][0-9]*"
_INTEGER: Final = "0|-?[1-9][0-9]*"
_LOOKED_AT: Final = 2048
"""First rows that say whether it is worth trying to read a column of text as whole numbers."""
_STEP: Final = 1 << 22
"""Rows whose codes are fetched at once."""
_PAUSE: Final = 0.3
"""Seconds between two looks at the progress of a query."""
_SCATTER: Final = 4
"""A table of all numbers between two ids is used up to so many numbers a row."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An open database in memory, and a folder for what does not fit."""

    connection: "DuckDBPyConnection"
    scratch: Path

    @contextmanager
    def watched(self, on_share: Callable[[float], None]) -> Iterator[None]:
        """While the block runs, tell how much of its query is done, from 0 to 1."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(_PAUSE):
                on_share(max(self.connection.query_progress(), 0.0) / 100)

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self.connection.execute(sql, list(values)).fetchall()

    def arrays(self, sql: str) -> dict[str, Any]:
        """The columns of a query as NumPy arrays, masked where they hold NULL."""
        found: dict[str, Any] = self.connection.execute(sql).fetchnumpy()
        return found


@contextmanager
def open_engine(threads: int | None = None) -> Iterator[Engine]:
    """An engine for one import: a quarter of the free memory, then files in a scratch folder.

    ``threads`` None is all cores. Nothing is fetched from a network unless a query of the user's says so.
    """
    try:
        import duckdb
    except ImportError as error:
        missing_extra(error.name, "data")
    with scratch_folder("recpress-import-") as scratch:
        limit = max(psutil.virtual_memory().available // 4, 1 << 29)
        config: dict[str, Any] = {
            "threads": threads or os.cpu_count() or 1,
            "memory_limit": f"{limit >> 20}MiB",
            "temp_directory": str(scratch / "spill"),
            "autoinstall_known_extensions": "false",
            "TimeZone": "UTC",
        }
        with duckdb.connect(":memory:", config=config) as connection:
            connection.execute("SET enable_progress_bar = true")
            connection.execute("SET enable_progress_bar_print = false")
            yield Engine(connection, scratch)


def quoted(name: str) -> str:
    """A name as SQL takes any."""
    return '"' + name.replace('"', '""') + '"'


def literal(path: Path) -> str:
    """A path as the engine takes it for that file alone, and for no pattern."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path))


def text(value: str) -> str:
    """A text as SQL takes any."""
    return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Staged:
    """The columns that matter, in a table of the engine, a row for each record."""

    engine: Engine
    table: str
    types: dict[int, str]
    """Place of a column in the file to its SQL type; it is called __p<place> in the table."""

    def __len__(self) -> int:
        return int(self.engine.rows(f"SELECT count(*) FROM {self.table}")[0][0])

    def as_text(self, place: int) -> str:
        """SQL of a column as text; NULL is empty."""
        column = f"__p{place}" if self.types[place] == TEXTS else f"CAST(__p{place} AS VARCHAR)"
        return f"coalesce({column}, '')"

    def counts(self, place: int, condition: str = "true") -> dict[str, int]:
        """How often each text occurs in a column, where a condition holds."""
        found = self.engine.rows(
            f"SELECT {self.as_text(place)} v, count(*) FROM {self.table} WHERE {condition} GROUP BY v"
        )
        return {value: int(count) for value, count in found}

    def text_at(self, place: int, row: int) -> str:
        """The text of a column in a row."""
        return str(
            self.engine.rows(f"SELECT {self.as_text(place)} FROM {self.table} WHERE rowid = {row}")[0][0]
        )

    def among(self, place: int, values: Sequence[str]) -> Bool:
        """Whether the column holds one of these texts, for each row (n,)."""
        return self.chosen(f"{self.as_text(place)} IN ({', '.join(map(text, values))})")

    def chosen(self, expression: str) -> Bool:
        """Whether a condition holds, for each row (n,); NULL does not."""
        found = self.engine.arrays(f"SELECT coalesce(({expression}), false) k FROM {self.table}")
        kept: Bool = np.asarray(found["k"], np.bool_)
        return kept


def coded(staged: Staged, place: int) -> Coded:
    """The distinct texts of a column, and the code of each row (n,).

    In ascending order, natural numbers by their size, so that what follows has nothing to sort.
    """
    values = _integers(staged, place)
    if values is not None:
        return _coded_integers(values)
    engine, table = staged.engine, staged.table
    distinct = f"distinct_{table}_{place}"
    engine.rows(
        f"CREATE TEMP TABLE {distinct} AS SELECT v, (row_number() OVER (ORDER BY n, v))::INT - 1 AS k FROM "
        f"(SELECT v, CASE WHEN bool_and(regexp_full_match(v, '{_DIGITS}')) OVER () THEN length(v) END n "
        f"FROM (SELECT DISTINCT {staged.as_text(place)} v FROM {table}))"
    )
    names = engine.arrays(f"SELECT v FROM {distinct} ORDER BY k")["v"]
    codes = np.empty(len(staged), np.int32)
    for start in range(0, len(codes), _STEP):  # a join keeps no order
        pairs = engine.arrays(
            f"SELECT t.rowid p, d.k FROM {table} t JOIN {distinct} d ON {staged.as_text(place)} = d.v "
            f"WHERE t.rowid >= {start} AND t.rowid < {start + _STEP}"
        )
        codes[pairs["p"]] = pairs["k"]
    engine.rows(f"DROP TABLE {distinct}")
    return Coded(names.tolist(), codes)


def _integers(staged: Staged, place: int) -> I64 | None:
    """A column of whole numbers in their one usual form (n,); None where a value is another."""
    engine, table, column = staged.engine, staged.table, f"__p{place}"
    number = f"{column}::BIGINT"
    if staged.types[place] == TEXTS:
        first = f"(SELECT {column} v FROM {table} LIMIT {_LOOKED_AT})"
        if not engine.rows(f"SELECT bool_and(regexp_full_match(v, '{_INTEGER}')) FROM {first}")[0][0]:
            return None
        cast = f"TRY_CAST({column} AS BIGINT)"
        number = f"CASE WHEN CAST({cast} AS VARCHAR) = {column} THEN {cast} END"
    elif staged.types[place] not in INTEGERS:
        return None
    found = engine.arrays(f"SELECT {number} k FROM {table}")["k"]
    return None if np.ma.is_masked(found) or not len(found) else np.asarray(found)


def _coded_integers(values: I64) -> Coded:
    """Codes by a table of all numbers between the least and the greatest, or by sorting where it is long."""
    low, high = int(values.min()), int(values.max())
    if high - low <= _SCATTER * len(values) + (1 << 16):
        used = np.zeros(high - low + 1, np.bool_)
        used[values - low] = True
        rank = (np.cumsum(used) - 1).astype(np.int32)
        return Coded([str(value + low) for value in np.flatnonzero(used).tolist()], rank[values - low])
    order = stable_order(values)
    ascending = values[order]
    first = np.append(True, ascending[1:] != ascending[:-1])
    codes = np.empty(len(values), np.int32)
    codes[order] = np.cumsum(first, dtype=np.int32) - 1
    return Coded(list(map(str, ascending[first].tolist())), codes)


def numbers(staged: Staged, place: int) -> F64:
    """A column of a numeric type (n,); NaN for NULL."""
    found = staged.engine.arrays(f"SELECT __p{place}::DOUBLE k FROM {staged.table}")["k"]
    values: F64 = np.ma.filled(found, np.nan)
    return values


def seconds(staged: Staged, place: int) -> F64:
    """A column of a date or time type as Unix seconds (n,); NaN for NULL."""
    found = staged.engine.arrays(f"SELECT epoch_us(__p{place}::TIMESTAMP) k FROM {staged.table}")["k"]
    values: F64 = np.ma.filled(np.ma.asarray(found).astype(np.float64), np.nan) / 1e6
    return values


def check_type(path: Path, name: str, found: str) -> str:
    """The type of a column without its width; lists and the like are a ConfigError."""
    bare = found.partition("(")[0]
    if found.endswith("]") or bare in ("STRUCT", "MAP", "UNION", "BLOB", "BIT", "VARIANT", "LIST"):
        raise ConfigError(
            f"{path}: the column {name} holds {found}, not one value a row. Take it apart with --query, for "
            f'example "SELECT user_id, unnest(items) AS item_id FROM log".'
        )
    return bare


def first_line(error: Exception) -> str:
    """What the engine says is wrong, without the query."""
    return str(error).partition("\n")[0]
