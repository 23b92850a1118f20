"""Raw interaction logs in the forms they come in."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError, DataError, unknown_name
from recpress_edge.data.columns import ColumnChoice, Layout, find_layout, inter_layout, split_spaces
from recpress_edge.data.lines import MAX_ID_CHARACTERS, LineReport, read_lines, shorten
from recpress_edge.data.log import Log, RowCollector, is_integer
from recpress_edge.data.sniff import sniff_format

FORMATS: Final = ("delimited", "inter", "adjacency", "counted-adjacency")


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A log and what the reader found, one note a file."""

    log: Log
    notes: tuple[str, ...]


def read_log(paths: Sequence[Path], fmt: str = "auto", choice: ColumnChoice | None = None) -> ReadResult:
    """Read files of one format into one log; the rows of ``paths[p]`` are those with ``parts == p``.

    ``fmt`` is one of FORMATS, or "auto" to look. Ids stay text and are indexed over all files
    together, in numeric order when all are integers, else by code point. Lines that cannot be read
    are a :class:`DataError` with file, line number and content: none is ever left out in silence.
    """
    if fmt not in (*FORMATS, "auto"):
        raise unknown_name("format", fmt, [*FORMATS, "auto"])
    if choice is not None and fmt not in ("delimited", "auto"):
        raise ConfigError(f"--columns, --separator and --header are for --format delimited, not {fmt}")
    rows = RowCollector()
    notes = []
    for path in paths:
        lines = read_lines(path)
        found = fmt if fmt != "auto" else "delimited" if choice is not None else sniff_format(path, lines)
        report = LineReport(path)
        if found == "adjacency":
            note = "user item item …"
            _read_adjacency(lines, rows, report)
        elif found == "counted-adjacency":
            note = "count item item …; the user is the line, counted from 0"
            _read_counted(lines, rows, report)
        else:
            first = next(number for number, line in enumerate(lines) if line.strip(" \t"))
            layout = (
                inter_layout(path, lines[first])
                if found == "inter"
                else find_layout(path, lines[first], choice or ColumnChoice())
            )
            note = layout.note
            _read_fields(lines, first + layout.has_header, layout, rows, report)
            if not layout.has_header and (choice is None or choice.header is None):
                _check_first_line(path, lines[first], layout, rows)
        size = rows.end_part()
        if not size:
            raise DataError(f"{path} holds no interaction: only a header, or users without items")
        notes.append(f"{path.name}: {found}, {note}; {size:,} rows")
    return ReadResult(rows.finish(), tuple(notes))


def _read_fields(
    lines: list[str], start: int, layout: Layout, rows: RowCollector, report: LineReport
) -> None:
    at, split, width = layout.at, layout.split, layout.width
    user_at, item_at, rating_at, time_at = at["user"], at["item"], at.get("rating"), at.get("time")
    user_index, item_index = rows.user_index, rows.item_index
    for number, line in enumerate(lines[start:], start + 1):
        fields = split(line)
        if len(fields) != width:
            if line.strip(" \t"):
                report.add(number, f"expected {width} fields, found {len(fields)}", line)
            continue
        user, item = fields[user_at].strip(" "), fields[item_at].strip(" ")
        wrong = _wrong_id("user", user) or _wrong_id("item", item)
        for role, place, values in (("rating", rating_at, rows.ratings), ("time", time_at, rows.times)):
            if place is not None and not wrong:
                value = _number(fields[place])
                wrong = "" if value is not None else f"the {role} is not a finite number"
                values.append(value or 0.0)
        if wrong:
            report.add(number, wrong, line)
            continue
        rows.users.append(user_index.setdefault(user, len(user_index)))
        rows.items.append(item_index.setdefault(item, len(item_index)))
    report.check("Correct or remove these lines, or say what the columns are with --columns and --header.")


def _read_adjacency(lines: list[str], rows: RowCollector, report: LineReport) -> None:
    for number, line in enumerate(lines, 1):
        fields = split_spaces(line)
        wrong = _wrong_ids(fields)
        if wrong:
            report.add(number, wrong, line)
        elif len(fields) > 1:  # a user alone has no interaction
            rows.add_user(fields[0], fields[1:])
    report.check("Expected 'user item item …' in every line.")


def _read_counted(lines: list[str], rows: RowCollector, report: LineReport) -> None:
    for number, line in enumerate(lines, 1):
        fields = split_spaces(line)
        if not fields or not is_integer(fields[0]):
            report.add(number, "the line does not start with a count", line)
        elif fields[0] != str(len(fields) - 1):
            report.add(number, f"the count says {fields[0][:20]}, but {len(fields) - 1} items follow", line)
        elif wrong := _wrong_ids(fields):
            report.add(number, wrong, line)
        elif len(fields) > 1:
            rows.add_user(str(number - 1), fields[1:])
    report.check("Expected 'count item item …' in every line. Lists led by a user id are --format adjacency.")


def _wrong_id(kind: str, name: str) -> str:
    if not name:
        return f"the {kind} is missing"
    if len(name) > MAX_ID_CHARACTERS:
        return f"the {kind} id has {len(name):,} characters, more than {MAX_ID_CHARACTERS}"
    return ""


def _wrong_ids(fields: list[str]) -> str:
    longest = max(map(len, fields), default=0)
    return (
        f"an id has {longest:,} characters, more than {MAX_ID_CHARACTERS}"
        if longest > MAX_ID_CHARACTERS
        else ""
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _check_first_line(path: Path, line: str, layout: Layout, rows: RowCollector) -> None:
    """Refuse a first line that is text where every other id is a number: a header nobody recognised."""
    fields = layout.split(line)
    first = {fields[layout.at[role]].strip(" ") for role in ("user", "item")}
    texts = {name for name in (*rows.user_index, *rows.item_index) if not is_integer(name)}
    if texts == first and len(rows.user_index) > 1 and len(rows.item_index) > 1:
        raise DataError(
            f"{path}: the first line {shorten(line)} looks like a header, but names no known user and item "
            "column. Say which they are, for example --columns user=1,item=2 --header yes; "
            "or --header no if it is an interaction."
        )
