"""A table of users or items: columns of texts by name or place, however it is written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.readers.columns import Layout, find_column
from recpress_edge.data.readers.delimited import Record, find_separator, records, skip_comments
from recpress_edge.data.readers.json_rows import read_json_rows
from recpress_edge.data.readers.lines import NONE_ALLOWED, Allowance, LineReport, read_lines, shorten
from recpress_edge.data.readers.names import looks_like_names, plain, visible
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
    rows: tuple[Record, ...]
    note: str
    """What was found, in words."""

    def place(self, flag: str, column: str) -> int:
        """The place of a column by name, or from 1; ConfigError where it has none."""
        return find_column(self.path, self.layout, flag, column)

    def texts(self, place: int) -> list[str]:
        """A column, a text for each row."""
        return [fields[place] for _, fields, _ in self.rows]

    def called(self, place: int) -> str:
        """A column in words."""
        return f"column {place + 1}" + (f" ({self.layout.names[place]})" if self.layout.names else "")

    def kind(self, place: int) -> str | None:
        """The type that the file states of a column."""
        return self.types[place] if self.types else None


def read_side_table(path: Path, form: TableForm, asked: Sequence[str], known: frozenset[str]) -> SideTable:
    """Read a table: CSV and its kin, JSON lines or array, RecBole's .item and .user; gzip.

    ``asked``: the columns that the user names, which tell a header; ``known``: names of id columns, in
    plain form, which do likewise. Lines that cannot be read are a DataError with file, number and
    content, beyond the form's allowance.
    """
    try:
        lines = read_lines(path, form.encoding).lines
        found = _parse(path, lines, form, asked, known)
    except ConfigError as error:  # the readers name the log's flags
        text = str(error)
        for flag in ("encoding", "separator", "header"):
            text = text.replace(f"--{flag}", f"--table-{flag}")
        raise ConfigError(text) from None
    layout, types, rows, note = found
    report, kept = LineReport(path, form.bad_lines.of(len(lines))), []
    for number, fields, line in rows:
        if len(fields) == layout.width:
            kept.append((number, fields, line))
        else:
            report.add(number, f"expected {layout.width} fields, found {len(fields)}", line)
    report.check("Correct or remove these lines, or say --table-separator.")
    if not kept:
        raise DataError(f"{path} holds no row")
    return SideTable(path, layout, types, tuple(kept), f"{note}; {len(kept):,} rows{report.note()}")


def _parse(
    path: Path, lines: list[str], form: TableForm, asked: Sequence[str], known: frozenset[str]
) -> tuple[Layout, tuple[str, ...], Iterable[Record], str]:
    if is_json(lines):
        objects = read_json_rows(path, lines)
        return Layout(len(objects.names), {}, objects.names, ""), (), objects.records, objects.note
    first = next(at for at, line in enumerate(lines) if line.strip(" \t"))
    if is_inter(path, lines):
        typed = [field.partition(":") for field in lines[first].split("\t")]
        names, types = tuple(name for name, _, _ in typed), tuple(kind for _, _, kind in typed)
        return Layout(len(names), {}, names, ""), types, records(lines, first + 1, "tab"), "typed header"
    refuse_foreign(path, lines)
    bare, start, _ = skip_comments(lines)
    separator = find_separator(path, bare, start, form.separator)
    rows = partial(records, bare, start, separator)
    head = list(islice(rows(), SNIFFED_LINES))
    has_header = _has_header(path, head, form, asked, known)
    names = tuple(map(visible, head[0][1])) if has_header else ()
    words = f"{'header' if has_header else 'no header'}, {separator}-separated"
    return Layout(len(head[0][1]), {}, names, ""), (), islice(rows(), int(has_header), None), words


def _has_header(
    path: Path, head: Sequence[Record], form: TableForm, asked: Sequence[str], known: frozenset[str]
) -> bool:
    first = [visible(field) for field in head[0][1]]
    if form.header is not None:
        return form.header
    named = [column for column in asked if not (column.isascii() and column.isdigit())]
    if named or any(plain(field) in known for field in first):
        return True
    if looks_like_names(first, [fields for _, fields, _ in head[1:] if len(fields) == len(first)]):
        raise ConfigError(
            f"{path}: the first line {shorten(head[0][2])} looks like a header. Say --header yes, or "
            "--header no if it is a row."
        )
    return False
