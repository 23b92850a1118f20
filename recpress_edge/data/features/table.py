"""A table of users or items: columns of texts by name or place, however it is written."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.files import scratch_folder
from recpress_edge.core.units import counted
from recpress_edge.data.readers.columns import Layout, find_column
from recpress_edge.data.readers.delimited import Record, find_separator, find_start, records
from recpress_edge.data.readers.engine import first_line, open_engine, quoted
from recpress_edge.data.readers.forms import parquet
from recpress_edge.data.readers.json_rows import read_json_rows
from recpress_edge.data.readers.lines import NONE_ALLOWED, Allowance, LineReport, shorten
from recpress_edge.data.readers.names import looks_like_names, visible
from recpress_edge.data.readers.names import plain as plain_name
from recpress_edge.data.readers.plain import PlainFile, plain_file
from recpress_edge.data.readers.sniff import SNIFFED_LINES, is_inter, is_json, refuse_foreign


@dataclass(frozen=True, slots=True)
class TableForm:
    """How tables of users and items are written; None: find out."""

    encoding: str | None = None
    separator: str | None = None
    """A key of SEPARATORS."""
    header: bool | None = None
    bad_lines: Allowance = NONE_ALLOWED


@dataclass(frozen=True, slots=True)
class SideTable:
    """The rows of a table of users or items."""

    path: Path
    layout: Layout
    """Its width and names; no roles."""
    types: tuple[str, ...]
    """Of the columns, where the file states them as RecBole's do; else none."""
    rows: Sequence[tuple[int, Sequence[str]]]
    """Number of its line or object, from 1, and its fields."""
    note: str
    """What was found, in words."""

    def place(self, flag: str, column: str) -> int:
        """The place of a column by name, or from 1; ConfigError where it has none."""
        return find_column(self.path, self.layout, flag, column)

    def texts(self, place: int) -> list[str]:
        """A column, a text for each row."""
        return [fields[place] for _, fields in self.rows]

    def called(self, place: int) -> str:
        """A column in words."""
        return f"column {place + 1}" + (f" ({self.layout.names[place]})" if self.layout.names else "")

    def kind(self, place: int) -> str | None:
        """The type that the file states of a column."""
        return self.types[place] if self.types else None


def read_side_table(path: Path, form: TableForm, asked: Sequence[str], known: frozenset[str]) -> SideTable:
    """Read a table: CSV and its kin, JSON, RecBole's .item and .user, Parquet; compressed or not.

    ``asked``: the columns that the user names, which tell a header; ``known``: names of id columns, in
    plain form, which do likewise. Lines that cannot be read are a DataError with file, number and
    content, beyond the form's allowance.
    """
    report = LineReport(path, form.bad_lines)
    try:
        with scratch_folder("recpress-import-") as scratch:
            plain = plain_file(path, form.encoding, None, scratch, lambda done, total: None)
            found = _parse(path, plain, form, asked, known)
            rows = list(_whole_rows(found, report))
    except ConfigError as error:  # the readers name the log's flags
        said = str(error)
        for flag in ("encoding", "separator", "header"):
            said = said.replace(f"--{flag}", f"--table-{flag}")
        raise ConfigError(said) from None
    report.check("Correct or remove these lines, or say --table-separator.")
    if not rows:
        raise DataError(f"{path} holds no row")
    undone = "".join(f"{what}, " for what in plain.notes)
    note = f"{undone}{found.note}; {counted(len(rows), 'row')}{report.note()}"
    return SideTable(path, found.layout, found.types, rows, note)


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A table as it is written, its rows not yet read."""

    names: tuple[str, ...]
    width: int
    rows: Iterable[Record]
    note: str
    types: tuple[str, ...] = ()

    @property
    def layout(self) -> Layout:
        return Layout(self.width, {}, self.names, "")


def _whole_rows(found: _Parsed, report: LineReport) -> Iterator[tuple[int, Sequence[str]]]:
    """The rows with all their fields; others are noted."""
    for number, fields, line in found.rows:
        report.total += 1
        if len(fields) == found.width:
            yield number, fields
        else:
            report.add(number, f"expected {found.width} fields, found {len(fields)}", line)


def _parse(
    path: Path, plain: PlainFile, form: TableForm, asked: Sequence[str], known: frozenset[str]
) -> _Parsed:
    if plain.kind != "text":
        return _parquet(path, plain)
    head = plain.head()
    if not any(line.strip() for line in head):
        raise DataError(f"{path}: the first {len(head):,} lines are blank. Remove them.")
    if is_json(head):
        objects = read_json_rows(path, plain.lines)
        return _Parsed(objects.names, len(objects.names), objects.records(), objects.note)
    if is_inter(path, head):
        first = next(at for at, line in enumerate(head) if line.strip(" \t"))
        typed = [field.partition(":") for field in head[first].split("\t")]
        names, types = tuple(name for name, _, _ in typed), tuple(kind for _, _, kind in typed)
        rows = records(islice(plain.lines(), first + 1, None), "tab", first + 2)
        return _Parsed(names, len(names), rows, "typed header", types)
    refuse_foreign(path, head)
    start = find_start(head)
    first_rows = list(start.rows(head))
    separator = find_separator(path, first_rows, start.declared, form.separator)
    shown = list(islice(records(first_rows, separator), SNIFFED_LINES))
    has_header = _has_header(path, shown, form, asked, known)
    names = tuple(map(visible, shown[0][1])) if has_header else ()
    rows = islice(records(start.rows(plain.lines()), separator, start.at + 1), int(has_header), None)
    words = f"{'header' if has_header else 'no header'}, {separator}-separated"
    return _Parsed(names, len(shown[0][1]), rows, words)


def _parquet(path: Path, plain: PlainFile) -> _Parsed:
    """The rows as texts; lists as JSON."""
    if plain.kind != "parquet":
        raise ConfigError(f"{path} is {plain.kind}. Export the table as CSV or Parquet.")
    source = parquet(plain)
    with open_engine() as engine:
        import duckdb

        try:
            described = engine.rows(f"DESCRIBE SELECT * FROM {source}")
            texts = ", ".join(
                f"coalesce({'to_json' if kind.endswith(']') else ''}({quoted(name)})::VARCHAR, '')"
                for name, kind, *_ in described
            )
            rows = engine.rows(f"SELECT {texts} FROM {source}")
        except duckdb.Error as error:
            raise DataError(f"{path} cannot be read: {first_line(error)}") from None
    names = tuple(name for name, *_ in described)
    numbered = [(number, list(row), "") for number, row in enumerate(rows, 1)]
    return _Parsed(names, len(names), numbered, "parquet")


def _has_header(
    path: Path, head: Sequence[Record], form: TableForm, asked: Sequence[str], known: frozenset[str]
) -> bool:
    first = [visible(field) for field in head[0][1]]
    if form.header is not None:
        return form.header
    named = [column for column in asked if not (column.isascii() and column.isdigit())]
    if named or any(plain_name(field) in known for field in first):
        return True
    if looks_like_names(first, [fields for _, fields, _ in head[1:] if len(fields) == len(first)]):
        raise ConfigError(
            f"{path}: the first line {shorten(head[0][2])} looks like a header. Say --header yes, or "
            "--header no if it is a row."
        )
    return False
