"""Raw interaction logs in the forms they come in."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError, DataError, unknown_name
from recpress_edge.data.events import Only, settle_events
from recpress_edge.data.ids import IdChoice, settle_ids
from recpress_edge.data.log import Log, RowCollector, is_integer
from recpress_edge.data.readers.columns import ColumnChoice, Layout, find_layout, inter_layout, named_layout
from recpress_edge.data.readers.delimited import Record, find_separator, records, skip_comments, split_spaces
from recpress_edge.data.readers.json_rows import read_json_rows
from recpress_edge.data.readers.lines import (
    MAX_ID_CHARACTERS,
    NONE_ALLOWED,
    Allowance,
    LineReport,
    read_lines,
)
from recpress_edge.data.readers.names import known_places, visible
from recpress_edge.data.readers.sniff import SNIFFED_LINES, is_inter, is_json, refuse_foreign, sniff_format
from recpress_edge.data.times import date_order, in_seconds, read_number, read_time

FORMATS: Final = ("delimited", "inter", "adjacency", "counted-adjacency", "json")
TABLES: Final = ("delimited", "inter", "json")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the user said of the contents; the usual is to ask where it matters."""

    encoding: str | None = None
    """None is by the file's mark, else UTF-8."""
    only: tuple[Only, ...] = ()
    ids: IdChoice = field(default_factory=IdChoice)
    bad_lines: Allowance = NONE_ALLOWED
    """How many lines of a file that cannot be read may be left out."""
    time_unit: str | None = None
    """A key of times.UNITS, times.BY_SIZE or times.DAYS."""
    date_order: str | None = None
    """A key of times.DATE_ORDERS, for times such as 3/4/2024; None is by the numbers above 12."""
    bounded: bool = False
    """Whether a lowest rating is given, so that a rating of 0 is no question."""


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A log and what the reader found, one note a file, then those on all."""

    log: Log
    notes: tuple[str, ...]
    left_out: dict[str, int]
    """Rows by why they are not in the log: bad_lines, not_chosen, missing."""
    ignored_columns: tuple[str, ...] = ()
    """Names of columns that no role uses."""


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows of fields, whatever they were written as."""

    rows: Callable[[], Iterator[Record]]
    """All of them, from the first on, each time it is called."""
    layout: Layout
    note: str
    broken: str = "a quote opens and does not close"
    """What is wrong with a record without fields."""


def read_log(
    paths: Sequence[Path],
    fmt: str = "auto",
    choice: ColumnChoice | None = None,
    reading: Reading | None = None,
) -> ReadResult:
    """Read files of one format into one log; the rows of ``paths[p]`` are those with ``parts == p``.

    ``fmt`` is one of FORMATS, or "auto" to look. Ids stay text and are indexed over all files
    together, in numeric order when all are integers, else by code point. Lines that cannot be read
    are a :class:`DataError` with file, line number and content: none is left out in silence. What can
    be read in two ways is a :class:`ConfigError` that names the flags that settle it.
    """
    if fmt not in (*FORMATS, "auto"):
        raise unknown_name("format", fmt, [*FORMATS, "auto"])
    reading = reading or Reading()
    rows, notes, ignored = RowCollector(), [], list[str]()
    left_out = {"bad_lines": 0, "not_chosen": 0, "missing": 0}
    for path in paths:
        file = read_lines(path, reading.encoding)
        found = _format(path, file.lines, fmt, choice, reading)
        report = LineReport(path, reading.bad_lines.of(len(file.lines)))
        if found in TABLES:
            table = _table(path, file.lines, found, choice)
            left_out["not_chosen"] += _read_table(path, table, rows, report, reading)
            note, ignored = table.note, [*ignored, *(table.layout.called(p) for p in table.layout.ignored())]
        else:
            note = _LISTS[found](file.lines, rows, report)
        size = rows.end_part()
        if not size:
            raise DataError(f"{path} holds no interaction: only a header, or users without items")
        left_out["bad_lines"] += report.count
        undone = "".join(f"{text}, " for text in file.notes)
        notes.append(f"{path.name}: {undone}{found}, {note}; {size:,} rows{report.note()}")
    settled = settle_ids(rows.finish(), reading.ids)
    log, times = _with_seconds(settled.log, reading)
    left_out["missing"] = settled.missing
    return ReadResult(log, (*notes, *settled.notes, *times), left_out, tuple(dict.fromkeys(ignored)))


def _format(path: Path, lines: list[str], fmt: str, choice: ColumnChoice | None, reading: Reading) -> str:
    found = fmt
    if fmt in ("auto", "delimited"):
        refuse_foreign(path, lines)
    if fmt not in ("auto", "json", "inter") and is_json(lines):
        raise ConfigError(f"{path} holds JSON and is not {fmt}. Say --format json, or leave --format out.")
    if fmt == "auto":
        if is_json(lines):
            found = "json"
        elif is_inter(path, lines):
            found = "inter"
        else:
            found = "delimited" if choice is not None else _sniff(path, lines)
    asked = choice is not None or bool(reading.only)
    if asked and found not in TABLES:
        raise ConfigError(
            f"--columns, --separator, --header, --only and --context are for --format delimited, not {found}"
        )
    if found != "delimited" and choice is not None and (choice.separator or choice.header is not None):
        raise ConfigError(f"--separator and --header are for --format delimited, not {found}")
    return found


def _sniff(path: Path, lines: list[str]) -> str:
    bare, start, _ = skip_comments(lines)
    return sniff_format(path, bare[start:])


def _table(path: Path, lines: list[str], found: str, choice: ColumnChoice | None) -> _Table:
    context = () if choice is None else choice.context
    if found == "json":
        objects = read_json_rows(path, lines)
        layout = named_layout(path, objects.names, choice).with_context(path, context)
        note = f"{objects.note}, {layout.note}"
        return _Table(lambda: iter(objects.records), layout, note, "the line is no JSON object")
    if found == "inter":
        first = next(at for at, line in enumerate(lines) if line.strip(" \t"))
        layout = inter_layout(path, lines[first], choice).with_context(path, context)
        return _Table(lambda: _plain_records(lines, first + 1), layout, layout.note)
    choice = choice or ColumnChoice()
    bare, start, comments = skip_comments(lines)
    separator = find_separator(path, bare, start, choice.separator)
    rows = partial(records, bare, start, separator)
    layout = find_layout(path, list(islice(rows(), SNIFFED_LINES)), separator, choice)
    layout = layout.with_context(path, context)
    note = layout.note + (f"; {comments}" if comments else "")
    return _Table(lambda: islice(rows(), bool(layout.names), None), layout, note)


def _plain_records(lines: Sequence[str], start: int) -> Iterator[Record]:
    for number, line in enumerate(lines[start:], start + 1):
        if line.strip(" \t"):
            yield number, line.split("\t"), line


def _read_table(path: Path, table: _Table, rows: RowCollector, report: LineReport, reading: Reading) -> int:
    """Collect the rows that count; returns how many --only left out."""
    layout, width, not_chosen = table.layout, table.layout.width, 0
    settled = settle_events(path, layout, table.rows, reading.only, bounded=reading.bounded)
    order = None
    if (at := layout.at.get("time")) is not None:
        times = (fields[at] for _, fields, _ in table.rows() if len(fields) == width)
        order = date_order(path, times, reading.date_order)
    collect = _collector(layout, rows, order)
    for number, fields, line in table.rows():
        if len(fields) != width:
            report.add(number, _wrong_width(width, fields) if fields else table.broken, line)
        elif settled and not all(only.takes(fields[place]) for place, only in settled.items()):
            not_chosen += 1
        elif wrong := collect(fields):
            report.add(number, wrong, line)
    report.check("Correct or remove these lines, or say what the columns are with --columns and --header.")
    return not_chosen


def _collector(layout: Layout, rows: RowCollector, order: str | None) -> Callable[[list[str]], str]:
    """A function that takes the fields of a row into ``rows``, or says what is wrong with them."""
    user_at, item_at = layout.at["user"], layout.at["item"]
    rating_at, time_at = layout.at.get("rating"), layout.at.get("time")
    context = list(layout.context.items())

    def collect(fields: list[str]) -> str:
        user, item = fields[user_at].strip(" \t"), fields[item_at].strip(" \t")
        rating = time = 0.0
        if user not in rows.user_index and (wrong := _wrong_id("user", user)):
            return wrong
        if item not in rows.item_index and (wrong := _wrong_id("item", item) or _wrong_pair(user, item)):
            return wrong
        if rating_at is not None:
            if (number := read_number(fields[rating_at])) is None:
                return "the rating is not a finite number"
            rating = number
        if time_at is not None:
            if (number := read_time(fields[time_at], order)) is None:
                return "the time is not a finite number or a date of a known form"
            time = number
        rows.add(user, item, None if rating_at is None else rating, None if time_at is None else time)
        for name, place in context:
            rows.add_context(name, fields[place])
        return ""

    return collect


def _wrong_width(width: int, fields: Sequence[str]) -> str:
    return f"expected {width} fields, found {len(fields)}"


def _with_seconds(log: Log, reading: Reading) -> tuple[Log, tuple[str, ...]]:
    if log.times is None:
        if reading.time_unit is not None:
            raise ConfigError("--time-unit: this log has no times. Remove it, or name their column.")
        if reading.date_order is not None:
            raise ConfigError("--date-order: this log has no times. Remove it, or name their column.")
        return log, ()
    seconds, note = in_seconds(log.times, reading.time_unit)
    return replace(log, times=seconds), (note,)


def _read_adjacency(lines: list[str], rows: RowCollector, report: LineReport) -> str:
    for number, line in enumerate(lines, 1):
        fields = split_spaces(line)
        wrong = _wrong_ids(fields)
        if wrong:
            report.add(number, wrong, line)
        elif len(fields) > 1:  # a user alone has no interaction
            rows.add_user(fields[0], fields[1:])
    report.check("Expected 'user item item …' in every line.")
    return "user item item …"


def _read_counted(lines: list[str], rows: RowCollector, report: LineReport) -> str:
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
    return "count item item …; the user is the line, counted from 0"


_LISTS: Final = {"adjacency": _read_adjacency, "counted-adjacency": _read_counted}


def _wrong_id(kind: str, name: str) -> str:
    if not name or not (name.isascii() or visible(name)):
        return f"the {kind} is missing"
    if len(name) > MAX_ID_CHARACTERS:
        return f"the {kind} id has {len(name):,} characters, more than {MAX_ID_CHARACTERS}"
    if name[0] in "{[" and name[-1] in "}]" and len(name) > 1:
        return f"the {kind} is a list or an object, not one id"
    if "\n" in name or "\r" in name:
        return f"the {kind} id holds a line end"
    return ""


def _wrong_pair(user: str, item: str) -> str:
    known = known_places([user, item])
    return "a header among the rows" if 0 in known["user"] and 1 in known["item"] else ""


def _wrong_ids(fields: list[str]) -> str:
    longest = max(map(len, fields), default=0)
    return (
        f"an id has {longest:,} characters, more than {MAX_ID_CHARACTERS}"
        if longest > MAX_ID_CHARACTERS
        else ""
    )
