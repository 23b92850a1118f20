"""The forms that tables come in, each as a :class:`LogTable`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.readers.columns import ColumnChoice, Layout, find_layout, inter_layout, named_layout
from recpress_edge.data.readers.delimited import (
    SEPARATORS,
    Record,
    Start,
    find_separator,
    find_start,
    records,
)
from recpress_edge.data.readers.engine import Engine, check_type, first_line, literal, quoted, text
from recpress_edge.data.readers.json_rows import read_json_rows
from recpress_edge.data.readers.names import known_places, looks_like_names
from recpress_edge.data.readers.netflix import netflix_table
from recpress_edge.data.readers.plain import PlainFile
from recpress_edge.data.readers.quotes import count_separators, separators_in
from recpress_edge.data.readers.sniff import SNIFFED_LINES, is_json
from recpress_edge.data.readers.tables import (
    LogTable,
    Scan,
    aliased,
    copied,
    copying,
    rewritten,
)

if TYPE_CHECKING:
    import sqlite3

AS_IT_IS: Final = "compression='none', hive_partitioning=false"
"""Neither the name of a file nor that of its folder says anything of its content."""


def delimited_table(path: Path, plain: PlainFile, choice: ColumnChoice | None) -> LogTable:
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

    return LogTable(
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


def _scan(plain: PlainFile, separator: str, layout: Layout, skip: int | None) -> Scan | None:
    """How the engine reads the file as our own reader does; None where it may not."""
    mark = SEPARATORS[separator]
    if skip is None or not plain.line_end or separator == "space" or (plain.quotes and separator == "::"):
        return None
    found = count_separators(plain.path, mark, quotes=plain.quotes)
    if found is None:
        return None
    quote = '"' if plain.quotes else ""
    columns = ", ".join(f"'__p{place}': 'VARCHAR'" for place in range(layout.width))
    sql = (
        f"read_csv({text(literal(plain.path))}, auto_detect=false, header=false, skip={skip}, {AS_IT_IS}, "
        f"delim={text(mark)}, quote={text(quote)}, escape={text(quote)}, strict_mode=true, "
        f"columns={{{columns}}})"
    )
    above = sum(separators_in(line, mark, quotes=plain.quotes) for line in islice(plain.lines(), skip))
    return Scan(sql, found - above)


def parquet(plain: PlainFile) -> str:
    """SQL of a Parquet file."""
    return f"read_parquet({text(literal(plain.path))}, hive_partitioning=false)"


def inter_table(path: Path, plain: PlainFile, choice: ColumnChoice | None) -> LogTable:
    """One of RecBole's atomic files."""
    lines = plain.head()
    first = next(at for at, line in enumerate(lines) if line.strip(" \t"))
    layout = inter_layout(path, lines[first], choice)

    def rows() -> Iterator[Record]:
        for number, line in enumerate(islice(plain.lines(), first + 1, None), first + 2):
            if line.strip(" \t"):
                yield number, line.split("\t"), line

    unquoted = PlainFile(plain.path, plain.kind, line_end=plain.line_end)
    return LogTable(
        path=path,
        layout=layout,
        note=layout.note,
        head=[fields for _, fields, _ in islice(rows(), SNIFFED_LINES)],
        records=rows,
        scan=_scan(unquoted, "tab", layout, first + 1),
    )


def json_table(path: Path, plain: PlainFile, choice: ColumnChoice | None, engine: Engine) -> LogTable:
    """JSON lines, or an array of objects."""
    with copying(engine) as (copy, writer):
        objects = read_json_rows(path, plain.lines, writer.writerow)
    layout = named_layout(path, objects.names, choice)
    return LogTable(
        path=path,
        layout=layout,
        note=f"{objects.note}, {layout.note}",
        head=[fields for _, fields, _ in islice(objects.records(), SNIFFED_LINES)],
        records=objects.records,
        scan=copied(copy, layout.width, padded=True) if objects.whole else None,
        broken="the line is no JSON object, or has a key twice",
    )


def engine_table(path: Path, engine: Engine, source: str, choice: ColumnChoice | None) -> LogTable:
    """A table whose columns have types: Parquet, a query, a frame. ``source`` is SQL."""
    import duckdb

    try:
        described = engine.rows(f"DESCRIBE SELECT * FROM {source}")
    except duckdb.Error as error:
        raise DataError(f"{path} cannot be read: {first_line(error)}") from None
    layout = named_layout(path, tuple(row[0] for row in described), choice)
    types = {place: str(row[1]) for place, row in enumerate(described)}
    for place in (*layout.at.values(), *layout.context.values()):
        check_type(path, layout.called(place), types[place])
    columns = ", ".join(f"{quoted(row[0])} AS __p{place}" for place, row in enumerate(described))
    scan = Scan(f"(SELECT {columns} FROM {source})")
    texts = ", ".join(f"CAST(__p{place} AS VARCHAR)" for place in range(layout.width))
    try:
        head = engine.rows(f"SELECT {texts} FROM {scan.sql} LIMIT {SNIFFED_LINES}")
    except duckdb.Error as error:
        raise DataError(f"{path} cannot be read: {first_line(error)}") from None
    return LogTable(
        path=path,
        layout=layout,
        note=layout.note,
        head=[["" if value is None else value for value in row] for row in head],
        scan=scan,
        types={place: kind.partition("(")[0] for place, kind in types.items()},
    )


def file_table(
    path: Path, plain: PlainFile, found: str, choice: ColumnChoice | None, engine: Engine
) -> LogTable:
    """The table of a file in one of the formats that are tables."""
    if found == "parquet":
        return engine_table(path, engine, parquet(plain), choice)
    if found == "json":
        return json_table(path, plain, choice, engine)
    known: Mapping[str, Callable[[Path, PlainFile, ColumnChoice | None], LogTable]]
    known = {"delimited": delimited_table, "inter": inter_table, "netflix": netflix_table}
    return known[found](path, plain, choice)


def query_table(
    engine: Engine, files: Sequence[tuple[Path, PlainFile]], sql: str, choice: ColumnChoice | None
) -> LogTable:
    """The result of a query: in an SQLite file's own SQL, or in the engine's, where the files are log."""
    if any(plain.kind == "sqlite" for _, plain in files):
        if len(files) > 1:
            raise ConfigError(
                "--query reads one SQLite file at a time. Name one, or ATTACH the others in it."
            )
        return _sqlite_table(*files[0], sql, choice)
    import duckdb

    try:
        if files:
            engine.rows(f"CREATE VIEW log AS {_union(engine, files, choice or ColumnChoice())}")
        *before, last = engine.connection.extract_statements(sql)
        if any(statement.type == duckdb.StatementType.SELECT for statement in before):
            raise ConfigError("--query holds several SELECTs: which is the log? Leave one.")
        for statement in before:
            engine.connection.execute(statement)
        engine.connection.execute(f"CREATE VIEW __query AS {last.query}")
    except ValueError:
        raise ConfigError('--query is empty. Write for example --query "SELECT * FROM log"') from None
    except duckdb.Error as error:
        raise ConfigError(f"--query: {first_line(error)}") from None
    return engine_table(Path("--query"), engine, "__query", choice)


def _union(engine: Engine, files: Sequence[tuple[Path, PlainFile]], choice: ColumnChoice) -> str:
    """SQL of all rows of several files, whose columns must have the same names."""
    sources = [_source(engine, path, plain, choice) for path, plain in files]
    names = [sorted(str(row[0]) for row in engine.rows(f"DESCRIBE {source}")) for source in sources]
    for (path, _), found in zip(files, names, strict=True):
        if found != names[0]:
            raise ConfigError(
                f"--query: {path} has the columns {', '.join(found)}, and {files[0][0]} has "
                f"{', '.join(names[0])}. Query files of one kind together."
            )
    return " UNION ALL BY NAME ".join(sources)


def _source(engine: Engine, path: Path, plain: PlainFile, choice: ColumnChoice) -> str:
    """SQL of a file with the names of its columns, whatever their roles."""
    if plain.kind == "parquet":
        return f"SELECT * FROM {parquet(plain)}"
    head = plain.head()
    if is_json(head):
        return f"SELECT * FROM read_json({text(literal(plain.path))}, {AS_IT_IS}, sample_size=-1)"
    lines = find_start(head)
    separator = find_separator(path, list(lines.rows(head)), lines.declared, choice.separator)
    first, *body = (fields for _, fields, _ in islice(records(lines.rows(head), separator), SNIFFED_LINES))
    header = choice.header
    if header is None:
        known = known_places(first)
        header = any(known.values()) or looks_like_names(
            first, [row for row in body if len(row) == len(first)]
        )
    columns = ColumnChoice(separator, {"user": "1", "item": str(min(2, len(first)))}, header)
    table = delimited_table(path, plain, columns)
    return aliased(table if _reads_whole(engine, table) else rewritten(engine, table))


def _reads_whole(engine: Engine, table: LogTable) -> bool:
    """Whether the engine reads every row as our own reader does."""
    import duckdb

    if table.scan is None:
        return False
    try:
        count = int(engine.rows(f"SELECT count(*) FROM {table.scan.sql}")[0][0])
    except duckdb.Error:
        return False
    return table.scan.separators in (None, count * (table.layout.width - 1))


def _sqlite_table(path: Path, plain: PlainFile, sql: str, choice: ColumnChoice | None) -> LogTable:
    import sqlite3  # a small board's Python comes without it

    def rows() -> Iterator[Record]:
        with _sqlite(plain) as connection:
            try:
                for number, row in enumerate(connection.execute(sql), 1):
                    yield number, [_as_text(value) for value in row], ", ".join(map(str, row))
            except sqlite3.Error as error:
                raise DataError(f"--query on {path} stops: {error}") from None

    try:
        with _sqlite(plain) as connection:
            described = connection.execute(sql).description
        head = [fields for _, fields, _ in islice(rows(), SNIFFED_LINES)]
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise ConfigError(f"--query on {path}: {error}. {sqlite_tables(path, plain)}") from None
    if described is None:
        raise ConfigError(f"--query on {path} is no SELECT. {sqlite_tables(path, plain)}")
    layout = named_layout(path, tuple(column[0] for column in described), choice)
    return LogTable(path=path, layout=layout, note=layout.note, head=head, records=rows)


@contextmanager
def _sqlite(plain: PlainFile) -> Iterator["sqlite3.Connection"]:
    """An SQLite file, which is not written; what its log of writes holds is read too."""
    import sqlite3

    with closing(sqlite3.connect(f"{plain.path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        yield connection


def sqlite_tables(path: Path, plain: PlainFile) -> str:
    """The tables of an SQLite file, in words."""
    import sqlite3

    wanted = "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
    try:
        with _sqlite(plain) as connection:
            names = [row[0] for row in connection.execute(wanted)]
    except sqlite3.Error as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    return f"Its tables are {', '.join(names)}." if names else "It has no tables."


def _as_text(value: object) -> str:
    if isinstance(value, bytes):
        raise ConfigError("--query: a column holds bytes. Leave it out, or cast it to TEXT.")
    return "" if value is None else str(value)
