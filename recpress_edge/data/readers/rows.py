"""From a staged table to columns: ids coded, ratings and times as numbers, rows that are wrong left out."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from recpress_edge.core.arrays import F64, Bool
from recpress_edge.core.errors import ConfigError
from recpress_edge.data.log import Coded, Columns
from recpress_edge.data.readers.columns import Layout
from recpress_edge.data.readers.engine import NUMBERS, TIMES, Staged, coded, numbers, seconds
from recpress_edge.data.readers.lines import MAX_ID_CHARACTERS, LineReport
from recpress_edge.data.readers.names import TYPES, are_simple, known_places, visible
from recpress_edge.data.readers.tables import LogTable
from recpress_edge.data.times import are_times, date_order, read_number, read_time

_NUMBER: Final = "CASE WHEN contains(v, '_') OR contains(v, '+-') THEN NULL ELSE TRY_CAST(v AS DOUBLE) END"
"""SQL that makes a number of a text v as times.read_number does; NULL or not finite for others, and some."""
_DATE: Final = (
    "CASE WHEN regexp_full_match(v, '[12][0-9]{3}-[01][0-9]-[0-3][0-9]"
    "([ T]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?Z?)?') "
    "THEN epoch_us(TRY_CAST(v AS TIMESTAMP)) / 1e6 END"
)
"""SQL that makes Unix seconds of a text v that is a date of ISO 8601; NULL for others."""
_DIGIT: Final = re.compile("[0-9]")
_SLICE: Final = 1 << 20
_LOOKED_AT: Final = 50
"""Rows by which a column is taken for one of times."""


@dataclass(frozen=True, slots=True)
class TimeChoice:
    """What the user said of the times."""

    needed: bool
    """Whether one that cannot be read is an error."""
    order: str | None
    """A key of times.DATE_ORDERS."""


@dataclass(frozen=True, slots=True)
class _Cells:
    """A column of numbers (n,) and what is wrong with a row where it is NaN."""

    values: F64
    wrong: str
    dated: Bool | None = None
    """Which were written as dates (n,); None: none was."""


@dataclass(frozen=True, slots=True)
class _Times:
    """Times (n,), NaN where one cannot be read, and which were written as dates."""

    values: F64
    dated: Bool | None


def take_rows(
    table: LogTable, staged: Staged, kept: Bool | None, choice: TimeChoice, report: LineReport
) -> tuple[Columns, str]:
    """The rows that count of those that are kept (n,), and a note where times are left out.

    What cannot be read is noted in ``report``.
    """
    at = table.layout.at
    users, items = coded(staged, at["user"]), coded(staged, at["item"])
    cells = dict[str, _Cells]()
    if "rating" in at:
        values = _ratings(staged, at["rating"])
        cells["rating"] = _Cells(values, "the rating is not a finite number")
    times, note = _times_where_readable(table, staged, kept, choice)
    if times is not None:
        wrong = "the time is not a finite number or a date of a known form"
        cells["time"] = _Cells(times.values, wrong, times.dated)
    right = _note_wrong(table, staged, (users, items), cells, kept, report)
    chosen = slice(None) if right.all() else right
    dated = cells["time"].dated if "time" in cells else None
    columns = Columns(
        _without(users, chosen),
        _without(items, chosen),
        cells["rating"].values[chosen] if "rating" in cells else None,
        cells["time"].values[chosen] if "time" in cells else None,
        None if dated is None else dated[chosen],
        {name: _without(coded(staged, place), chosen) for name, place in table.layout.context.items()},
    )
    return columns, note


def how_to_mend(layout: Layout) -> str:
    """What to do about lines that cannot be read: mend them, or take other columns, or the ids alone."""
    columns = layout.columns()
    alone = shlex.quote(f"user={columns['user']},item={columns['item']}")
    more = f" (--columns {alone} takes the ids alone)" if len(columns) > len(("user", "item")) else ""
    return f"Correct or remove these lines, or say what the columns are with --columns and --header{more}."


def _without(column: Coded, chosen: slice | Bool) -> Coded:
    return Coded(column.names, column.codes[chosen])


def _note_wrong(
    table: LogTable,
    staged: Staged,
    ids: tuple[Coded, Coded],
    cells: Mapping[str, _Cells],
    kept: Bool | None,
    report: LineReport,
) -> Bool:
    """Which rows count (n,): those that are kept and hold nothing wrong."""
    users, items = ids
    reasons = [_wrong_ids("user", users.names), _wrong_ids("item", items.names)]
    headers = _headers(users, items)
    bad = headers.copy()
    for column, wrong in zip(ids, reasons, strict=True):
        if any(wrong):
            bad |= np.array([bool(reason) for reason in wrong], np.bool_)[column.codes]
    for cell in cells.values():
        bad |= np.isnan(cell.values)
    right = ~bad
    if kept is not None:
        bad &= kept
        right &= kept
    places = np.flatnonzero(bad)
    shown = set(places[: report.most_shown].tolist())
    for place, number, line, unit in table.located(shown):
        reason = (
            reasons[0][users.codes[place]]
            or reasons[1][items.codes[place]]
            or "a header among the rows" * bool(headers[place])
            or next(cell.wrong for cell in cells.values() if np.isnan(cell.values[place]))
        )
        report.add(number, reason, line or _row_text(table, staged, place), unit)
    report.count += len(places) - len(shown)
    return right


def _row_text(table: LogTable, staged: Staged, place: int) -> str:
    """What a row without a line holds, by role."""
    return ", ".join(f"{role} {staged.text_at(at, place)}" for role, at in table.layout.at.items())


def _wrong_ids(kind: str, names: Sequence[str]) -> Sequence[str]:
    """Why each text is no id."""
    if are_simple(names):
        return [""] * len(names)
    return [wrong_id(kind, name.strip(" \t")) for name in names]


def wrong_id(kind: str, name: str) -> str:
    """Why a text is no id; empty where it is one."""
    if not name or not (name.isascii() or visible(name)):
        return f"the {kind} is missing"
    if len(name) > MAX_ID_CHARACTERS:
        return f"the {kind} id has {len(name):,} characters, more than {MAX_ID_CHARACTERS}"
    if name[0] in "{[" and name[-1] in "}]" and len(name) > 1:
        return f"the {kind} is a list or an object, not one id (--query takes it apart)"
    if "\n" in name or "\r" in name:
        return f"the {kind} id holds a line end"
    if "\0" in name:
        return f"the {kind} id holds a NUL"
    return ""


def _headers(users: Coded, items: Coded) -> Bool:
    """Which rows hold names of columns, or types, as user and as item (n,)."""
    rows = np.ones(len(users.codes), np.bool_)
    for role, column in (("item", items), ("user", users)):
        named = [not _DIGIT.search(name) and bool(known_places([name])[role]) for name in column.names]
        if not any(named):
            return _types(users) & _types(items)
        rows &= np.array(named, np.bool_)[column.codes]
    return rows


def _types(column: Coded) -> Bool:
    """Which rows hold the name of a type (n,)."""
    if TYPES.isdisjoint(column.names):
        return np.zeros(len(column.codes), np.bool_)
    return np.array([name in TYPES for name in column.names], np.bool_)[column.codes]


def _ratings(staged: Staged, place: int) -> F64:
    if staged.types[place] in NUMBERS:
        return _finite(numbers(staged, place))
    return _read(staged, place, None, lambda odd: read_number)[0]


def _times_where_readable(
    table: LogTable, staged: Staged, kept: Bool | None, choice: TimeChoice
) -> tuple[_Times | None, str]:
    """The times (n,), None where there are none, or where one cannot be read and nothing needs them."""
    place = table.layout.at.get("time")
    if place is None:
        return None, ""
    column = table.layout.called(place)
    left_out = f"; times are left out: {{}} of the column {column}; --time {column} if they are needed"
    try:
        times = _times(table, staged, place, choice.order)
    except ConfigError as error:
        if choice.needed or choice.order is not None:
            raise
        return None, left_out.format(f"{str(error).rstrip('.')},")
    bad = np.isnan(times.values) if kept is None else np.isnan(times.values) & kept
    if choice.needed or not bad.any():
        return times, ""
    first = staged.text_at(place, int(np.argmax(bad)))
    return None, left_out.format(f"{int(bad.sum()):,} cannot be read, the first {first!r},")


def _times(table: LogTable, staged: Staged, place: int, chosen: str | None) -> _Times:
    def reader(odd: Mapping[str, int]) -> Callable[[str], float | None]:
        return partial(read_time, order=date_order(table.path, odd, len(staged), chosen))

    if staged.types[place] in NUMBERS:
        reader({})
        return _Times(_finite(numbers(staged, place)), None)
    if staged.types[place] in TIMES:
        reader({})
        return _Times(_finite(seconds(staged, place)), np.ones(len(staged), np.bool_))
    values, plain = _read(staged, place, _DATE, reader)
    return _Times(values, None if plain.all() else ~plain)


def _finite(values: F64) -> F64:
    return np.where(np.isfinite(values), values, np.nan)


def _read(
    staged: Staged,
    place: int,
    date: str | None,
    reader: Callable[[Mapping[str, int]], Callable[[str], float | None]],
) -> tuple[F64, Bool]:
    """A column of text as numbers (n,), NaN where it is none, and which were written as numbers (n,).

    The engine reads the numbers, and where there are others ``date``, SQL of a text v; ``reader`` takes how
    often each text occurs that is neither and gives what reads them.
    """
    texts = f"(SELECT rowid r, {staged.as_text(place)} v FROM {staged.table})"

    def found(sql: str) -> F64:
        column = staged.engine.arrays(f"SELECT {sql} k FROM {texts}")["k"]
        return np.ma.filled(np.ma.asarray(column).astype(np.float64, copy=False), np.nan)

    values = found(_NUMBER)
    plain = np.isfinite(values)
    odd = f"NOT coalesce(isfinite({_NUMBER}), false)"
    if not plain.all():
        values = np.where(plain, values, np.nan if date is None else found(date))
        odd += "" if date is None else f" AND ({date}) IS NULL"
    counts = dict[str, int]()
    if np.isnan(values).any():
        counts = dict(staged.engine.rows(f"SELECT v, count(*) FROM {texts} WHERE {odd} GROUP BY v"))
    read = reader(counts)
    number_of = {text: read(text) for text in counts}
    for start in range(0, len(values) if counts else 0, _SLICE):
        rows = staged.engine.arrays(
            f"SELECT r, v FROM {texts} WHERE r >= {start} AND r < {start + _SLICE} AND {odd}"
        )
        several = [number_of[text] for text in rows["v"]]
        values[rows["r"]] = [np.nan if number is None else number for number in several]
        plain[rows["r"]] = [read_number(text) is not None for text in rows["v"]]
    return values, plain


def likely_times(table: LogTable) -> tuple[str, ...]:
    """The columns that no role uses and that hold dates or Unix times, by the first rows."""
    rows = [row for row in table.head[:_LOOKED_AT] if len(row) == table.layout.width]
    places = (place for place in table.layout.ignored() if are_times([row[place] for row in rows]))
    return tuple(map(table.layout.called, places))
