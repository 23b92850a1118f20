"""Tables of any form as one: its layout, its first rows, and a table of the engine to work on."""

import csv
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge.core.arrays import Bool
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import storage_errors
from recpress_edge.data.readers.columns import Layout
from recpress_edge.data.readers.delimited import (
    Record,
)
from recpress_edge.data.readers.engine import KEPT, TEXTS, Engine, Staged, first_line, quoted, text
from recpress_edge.data.readers.lines import LineReport

_LONGEST_LINE: Final = 1 << 24
"""Bytes of a line of our own copies that the engine takes; of the files themselves it takes 2 MB, for less
memory.
"""


@dataclass(frozen=True, slots=True)
class Scan:
    """How the engine reads a table."""

    sql: str
    """A table with the columns __p0, __p1 …, one row for each record."""
    separators: int | None = None
    """How many stand between the fields of all rows, by which a row with one too many is noticed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogTable:
    """Rows of fields, whatever they were written as."""

    path: Path
    """The file as the user named it."""
    layout: Layout
    note: str
    """What was found, in words."""
    head: Sequence[Sequence[str]]
    """The fields of the first thousand rows, those of a wrong width among them."""
    records: Callable[[], Iterator[Record]] | None = None
    """All of them by our own readers, from the first on at each call; None for what has no lines."""
    scan: Scan | None = None
    """None where our own reader must read."""
    types: Mapping[int, str] = field(default_factory=dict)
    """Place to SQL type, of columns that are not text."""
    broken: str = "a quote opens and does not close"
    """What is wrong with a record without fields."""

    def outward(self) -> list[str]:
        """The names by which --where knows the columns: those of the header, or c1, c2 …."""
        layout, names = self.layout, list[str]()
        for place in range(layout.width):
            name = layout.names[place].strip() if layout.names else ""
            names.append(name if name and name not in names else f"c{place + 1}")
        return names

    def located(self, ordinals: Collection[int]) -> Iterator[tuple[int, int, str, str]]:
        """Ordinal of a whole row to its number, its text and 'line' or 'row'."""
        if self.records is None:
            yield from ((place, place + 1, "", "row") for place in sorted(ordinals))
            return
        whole = (record for record in self.records() if len(record[1]) == self.layout.width)
        last = max(ordinals, default=-1)
        for place, (number, _, line) in enumerate(islice(whole, last + 1)):
            if place in ordinals:
                yield place, number, line, "line"


def stage(engine: Engine, table: LogTable, places: Collection[int], report: LineReport) -> Staged:
    """The columns at these places as a table of the engine, in the order of the file.

    Rows of a wrong width are noted in ``report``.
    """
    import duckdb

    if table.scan is not None:
        try:
            staged = _staged(engine, table, places)
            if table.scan.separators in (None, len(staged) * (table.layout.width - 1)):
                return staged
            engine.rows("DROP TABLE staged")  # the engine takes an empty field too many at the end of a row
        except duckdb.InvalidInputException as error:
            if table.records is None:
                raise _refused(table, error) from None
    try:
        return _staged(engine, rewritten(engine, table, report), places)
    except duckdb.Error as error:
        raise _refused(table, error) from None


def _staged(engine: Engine, table: LogTable, places: Collection[int]) -> Staged:
    import duckdb

    columns = ", ".join(f"__p{place}" for place in sorted(places))
    try:
        engine.rows(f"CREATE TABLE staged AS SELECT {columns} FROM {_sql(table)}")
    except duckdb.InvalidInputException:
        raise
    except duckdb.Error as error:
        raise _refused(table, error) from None
    return Staged(engine, "staged", {place: table.types.get(place, TEXTS) for place in places})


def keep(staged: Staged, table: LogTable, where: str) -> Bool:
    """The rows (n,) for which a condition on all columns holds; they are also the engine's table KEPT."""
    import duckdb

    texts = ", ".join(
        f"{staged.as_text(place)} AS __p{place}" for place, kind in staged.types.items() if kind == TEXTS
    )
    plain = f"SELECT *{' REPLACE (' + texts + ')' if texts else ''}, rowid AS __row FROM {staged.table}"
    source = f"SELECT __row, {_aliases(table)} FROM ({plain})"
    wanted = f"SELECT __row FROM ({source}) WHERE CAST(({where}\n) AS BOOLEAN)"
    try:
        staged.engine.rows(f"CREATE TABLE {KEPT} AS {wanted}")
    except duckdb.Error as error:
        texts = "" if table.types else " All columns are text: compare numbers as rating::DOUBLE >= 4."
        raise ConfigError(
            f"--where {where!r} does not fit {table.path}: {first_line(error)}. Its columns are "
            f"{', '.join(table.outward())}.{texts}"
        ) from None
    kept = np.zeros(len(staged), np.bool_)
    kept[staged.engine.arrays(f"SELECT __row FROM {KEPT}")["__row"]] = True
    return kept


def _sql(table: LogTable) -> str:
    if table.scan is None:
        raise ConfigError(f"{table.path}: the engine cannot read it")
    return table.scan.sql


def aliased(table: LogTable) -> str:
    """SQL of a table's columns by their outward names."""
    return f"SELECT {_aliases(table)} FROM {_sql(table)}"


def _aliases(table: LogTable) -> str:
    outward = table.outward()
    folded = [name.casefold() for name in outward]
    twins = next((name for at, name in enumerate(outward) if folded[at] in folded[:at]), None)
    if twins is not None or any(name.startswith("__") for name in folded):
        raise ConfigError(
            f"{table.path}: --where and --query cannot take the column names {', '.join(outward)}: they tell "
            "no capitals from small letters, and names that begin with __ are their own. Rename a column."
        )
    return ", ".join(f"__p{place} AS {quoted(name)}" for place, name in enumerate(outward))


def _refused(table: LogTable, error: Exception) -> ConfigError:
    if "aximum line size" in str(error):
        return ConfigError(
            f"{table.path} holds a line of more than {_LONGEST_LINE >> 20} MB, which is not read. Leave the "
            f"long column out, for example: cut -d, -f1-4 {table.path.name} > log.csv"
        )
    return ConfigError(f"{table.path}: the engine cannot read it: {first_line(error)}")


def rewritten(engine: Engine, table: LogTable, report: LineReport | None = None) -> LogTable:
    """The rows by our own reader, in a file that leaves the engine no choice.

    Rows of a wrong width are noted in ``report``, or are a DataError.
    """
    if table.records is None:
        raise ConfigError(f"{table.path}: the engine cannot read it")
    noted = report or LineReport(table.path)
    width = table.layout.width
    with copying(engine) as (copy, writer):
        for number, fields, line in table.records():
            if len(fields) == width:
                writer.writerow(fields)
                continue
            wrong = f"expected {width} fields, found {len(fields)}" if fields else table.broken
            noted.add(number, wrong, line)
    if report is None:
        noted.check("Correct or remove these lines.")
    return replace(table, scan=copied(copy, width))


@contextmanager
def copying(engine: Engine) -> Iterator[tuple[Path, Any]]:
    """A new file in the scratch folder, and a writer of rows to it that leaves the engine no choice."""
    copy = engine.scratch / f"rows-{len(list(engine.scratch.iterdir()))}.csv"
    with storage_errors(copy), closing(copy.open("w", encoding="utf-8", newline="")) as target:
        yield copy, csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="\n")


def copied(copy: Path, width: int, *, padded: bool = False) -> Scan:
    """How the engine reads such a file; ``padded``: the last fields may be missing in a row."""
    columns = ", ".join(f"'__p{place}': 'VARCHAR'" for place in range(width))
    return Scan(
        f"read_csv({text(str(copy))}, auto_detect=false, header=false, delim=',', quote='\"', escape='\"', "
        f"new_line='\\n', columns={{{columns}}}, strict_mode=true, max_line_size={_LONGEST_LINE}"
        + (", null_padding=true, parallel=false)" if padded else ")")
    )
