"""Tables of any form as one: its layout, its first rows, and a table of the engine to work on."""

import codecs
import csv
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.files import storage_errors
from recpress_edge.data.readers.columns import ColumnChoice, Layout, find_layout, inter_layout, named_layout
from recpress_edge.data.readers.delimited import (
    LONGEST_FIELD,
    SEPARATORS,
    Record,
    Start,
    find_separator,
    find_start,
    records,
)
from recpress_edge.data.readers.engine import TEXTS, Engine, Staged, check_type, quoted, text
from recpress_edge.data.readers.json_rows import read_json_rows
from recpress_edge.data.readers.lines import LineReport
from recpress_edge.data.readers.plain import PlainFile
from recpress_edge.data.readers.sniff import SNIFFED_LINES

_CHUNK: Final = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
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
    scan: str | None = None
    """SQL of a table with the columns __p0, __p1 …, one row for each record; None where the engine cannot."""
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


def delimited_table(path: Path, plain: PlainFile, choice: ColumnChoice | None) -> Table:
    """A table of delimited text."""
    choice = choice or ColumnChoice()
    lines = plain.head()
    start = find_start(lines)
    first = list(start.rows(lines))
    separator = find_separator(path, first, start.declared, choice.separator)
    head = list(islice(records(first, separator, start.at + 1), SNIFFED_LINES))
    layout = find_layout(path, head, separator, choice)
    skipped = bool(layout.names)

    def rows() -> Iterator[Record]:
        return islice(records(start.rows(plain.lines()), separator, start.at + 1), skipped, None)

    return Table(
        path=path,
        layout=layout,
        note=layout.note + (f"; {start.note}" if start.note else ""),
        head=[fields for _, fields, _ in head[skipped:]],
        records=rows,
        scan=_scan(plain, separator, layout, _lines_to_skip(start, lines, skipped)),
    )


def _lines_to_skip(start: Start, lines: Sequence[str], header: bool) -> int | None:
    """How many lines stand above the rows; None where that is for our own reader to say."""
    above = start.at
    if header:
        above = next(at for at in range(start.at, len(lines)) if lines[at].strip(" \t")) + 1
        if '"' in lines[above - 1] and lines[above - 1].count('"') % 2:
            return None
    return None if any('"' in line for line in lines[: start.at]) else above


def _scan(plain: PlainFile, separator: str, layout: Layout, skip: int | None) -> str | None:
    """How the engine reads the file as our own reader does; None where it may not."""
    mark = SEPARATORS[separator]
    if skip is None or not plain.line_end or separator == "space":
        return None
    if plain.quotes and (separator == "::" or not _is_strict(plain, mark)):
        return None
    quote = '"' if plain.quotes else ""
    columns = ", ".join(f"'__p{place}': 'VARCHAR'" for place in range(layout.width))
    return (
        f"read_csv({text(str(plain.path))}, auto_detect=false, header=false, skip={skip}, "
        f"delim={text(mark)}, quote={text(quote)}, escape={text(quote)}, strict_mode=true, "
        f"columns={{{columns}}})"
    )


def _is_strict(plain: PlainFile, mark: str) -> bool:
    """Whether all quotes are those of RFC 4180, around a whole field and doubled within it, and none of
    these fields goes on for very long.

    Every other quote opens a field, so that it follows a separator or a line end, or is the second half of
    a doubled one.
    """
    before, inside, lines = b"\n", False, 0
    marks = np.zeros(256, np.bool_)
    marks[[ord(mark), ord("\n"), ord("\r"), ord('"')]] = True
    with plain.path.open("rb") as opened:
        opened.seek(3 if opened.read(3) == codecs.BOM_UTF8 else 0)
        while chunk := opened.read(_CHUNK):
            after = opened.read(1)
            opened.seek(-len(after), 1)
            data = np.frombuffer(before + chunk + (after or b"\n"), np.uint8)
            at = np.flatnonzero(data[1:-1] == ord('"')) + 1
            opening = (np.arange(len(at)) % 2 == 0) ^ inside
            if not marks[np.where(opening, data[at - 1], data[at + 1])].all():
                return False
            ends = np.searchsorted(np.flatnonzero(data[1:-1] == ord("\n")) + 1, [*at, len(data)])
            within = np.diff(ends, prepend=-lines)[int(not inside) :: 2]
            if within.max(initial=0) >= LONGEST_FIELD:
                return False
            inside ^= bool(len(at) % 2)
            lines = int(ends[-1] - (ends[-2] if len(at) else -lines)) if inside else 0
            before = chunk[-1:]
    return not inside


def inter_table(path: Path, plain: PlainFile, choice: ColumnChoice | None) -> Table:
    """One of RecBole's atomic files."""
    lines = plain.head()
    first = next(at for at, line in enumerate(lines) if line.strip(" \t"))
    layout = inter_layout(path, lines[first], choice)

    def rows() -> Iterator[Record]:
        for number, line in enumerate(islice(plain.lines(), first + 1, None), first + 2):
            if line.strip(" \t"):
                yield number, line.split("\t"), line

    unquoted = PlainFile(plain.path, plain.kind, line_end=plain.line_end)
    return Table(
        path=path,
        layout=layout,
        note=layout.note,
        head=[fields for _, fields, _ in islice(rows(), SNIFFED_LINES)],
        records=rows,
        scan=_scan(unquoted, "tab", layout, first + 1),
    )


def json_table(path: Path, plain: PlainFile, choice: ColumnChoice | None) -> Table:
    """JSON lines, or an array of objects."""
    objects = read_json_rows(path, plain.lines)
    layout = named_layout(path, objects.names, choice)
    return Table(
        path=path,
        layout=layout,
        note=f"{objects.note}, {layout.note}",
        head=[fields for _, fields, _ in islice(objects.records(), SNIFFED_LINES)],
        records=objects.records,
        broken="the line is no JSON object",
    )


def engine_table(path: Path, engine: Engine, source: str, choice: ColumnChoice | None) -> Table:
    """A table whose columns have types: Parquet, a query, a frame. ``source`` is SQL."""
    import duckdb

    try:
        described = engine.rows(f"DESCRIBE SELECT * FROM {source}")
    except duckdb.Error as error:
        raise DataError(f"{path} cannot be read: {_first_line(error)}") from None
    layout = named_layout(path, tuple(row[0] for row in described), choice)
    types = {place: str(row[1]) for place, row in enumerate(described)}
    for place in layout.at.values():
        check_type(path, layout.called(place), types[place])
    columns = ", ".join(f"{quoted(row[0])} AS __p{place}" for place, row in enumerate(described))
    scan = f"(SELECT {columns} FROM {source})"
    texts = ", ".join(f"CAST(__p{place} AS VARCHAR)" for place in range(layout.width))
    head = engine.rows(f"SELECT {texts} FROM {scan} LIMIT {SNIFFED_LINES}")
    return Table(
        path=path,
        layout=layout,
        note=layout.note,
        head=[["" if value is None else value for value in row] for row in head],
        scan=scan,
        types={place: kind.partition("(")[0] for place, kind in types.items()},
    )


def stage(
    engine: Engine, table: Table, places: Collection[int], where: str | None, report: LineReport
) -> Staged:
    """The columns at these places as a table of the engine, and, with ``where``, the column kept.

    Rows of a wrong width are noted in ``report``.
    """
    import duckdb

    name = f"rows_{len(engine.rows('SHOW TABLES'))}"
    if table.scan is not None:
        try:
            return _staged(engine, table, name, table.scan, (places, where))
        except duckdb.InvalidInputException as error:
            if table.records is None:
                raise _refused(table, where, error) from None
    try:
        return _staged(engine, table, name, _rewritten(engine, table, name, report), (places, where))
    except duckdb.Error as error:
        raise _refused(table, where, error) from None


def _staged(
    engine: Engine, table: Table, name: str, scan: str, wanted: tuple[Collection[int], str | None]
) -> Staged:
    import duckdb

    places, where = wanted
    kept = "" if where is None else ", kept"
    source = scan
    if where is not None:
        pairs = enumerate(table.outward())
        aliases = ", ".join(f"__p{place} AS {quoted(outward)}" for place, outward in pairs)
        source = f"(SELECT *, ({where}\n) AS kept FROM (SELECT *, {aliases} FROM {scan}))"
    columns = ", ".join(f"__p{place}" for place in sorted(places))
    try:
        engine.rows(f"CREATE TABLE {name} AS SELECT {columns}{kept} FROM {source}")
    except duckdb.InvalidInputException:
        raise
    except duckdb.Error as error:
        raise _refused(table, where, error) from None
    types = {place: table.types.get(place, TEXTS) for place in places}
    return Staged(engine, name, types)


def _refused(table: Table, where: str | None, error: Exception) -> ConfigError:
    said = _first_line(error)
    if where is None:
        return ConfigError(f"{table.path}: the engine cannot read it: {said}")
    texts = (
        "" if table.types else " Columns of a text file are texts: compare numbers as rating::DOUBLE >= 4."
    )
    return ConfigError(
        f"--where {where!r} does not fit {table.path}: {said}. Its columns are "
        f"{', '.join(table.outward())}.{texts}"
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _rewritten(engine: Engine, table: Table, name: str, report: LineReport) -> str:
    """The rows by our own reader, in a form that leaves the engine no choice."""
    width, copy = table.layout.width, engine.scratch / f"{name}.csv"
    if table.records is None:
        raise ConfigError(f"{table.path}: the engine cannot read it")
    with storage_errors(copy), closing(copy.open("w", encoding="utf-8", newline="")) as target:
        writer = csv.writer(target, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for number, fields, line in table.records():
            if len(fields) == width:
                writer.writerow(fields)
                continue
            wrong = f"expected {width} fields, found {len(fields)}" if fields else table.broken
            report.add(number, wrong, line)
    columns = ", ".join(f"'__p{place}': 'VARCHAR'" for place in range(width))
    return (
        f"read_csv({text(str(copy))}, auto_detect=false, header=false, delim=',', quote='\"', escape='\"', "
        f"columns={{{columns}}}, strict_mode=true)"
    )
