"""Raw interaction logs in the forms they come in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError, DataError, unknown_name
from recpress_edge.core.files import scratch_folder
from recpress_edge.data.events import Only, event_places, settle_event
from recpress_edge.data.ids import IdChoice, settle_ids
from recpress_edge.data.log import Columns, Log, joined
from recpress_edge.data.readers.columns import ColumnChoice
from recpress_edge.data.readers.delimited import find_start, split_spaces
from recpress_edge.data.readers.engine import Engine, open_engine, text
from recpress_edge.data.readers.lines import NONE_ALLOWED, Allowance, LineReport
from recpress_edge.data.readers.lists import LISTS
from recpress_edge.data.readers.plain import PlainFile, plain_file
from recpress_edge.data.readers.rows import take_rows
from recpress_edge.data.readers.sniff import is_inter, is_json, refuse_foreign, sniff_format
from recpress_edge.data.readers.tables import (
    Table,
    delimited_table,
    engine_table,
    inter_table,
    json_table,
    stage,
)
from recpress_edge.data.times import in_seconds

FORMATS: Final = ("delimited", "inter", "adjacency", "counted-adjacency", "json")
TABLES: Final = ("delimited", "inter", "json", "parquet")

Progress = Callable[[float, float], None]


def _unseen(done: float, total: float) -> None:
    """Show nothing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the user said of the contents; the usual is to ask where it matters."""

    encoding: str | None = None
    """None is by the file's mark, else UTF-8."""
    member: str | None = None
    """The file to take out of a zip archive that holds several."""
    only: tuple[Only, ...] = ()
    where: str | None = None
    """SQL condition on the columns, by the names of the header or as c1, c2 …."""
    ids: IdChoice = field(default_factory=IdChoice)
    bad_lines: Allowance = NONE_ALLOWED
    """How many lines of a file that cannot be read may be left out."""
    time_unit: str | None = None
    """A key of times.UNITS, times.BY_SIZE or times.DAYS."""
    date_order: str | None = None
    """A key of times.DATE_ORDERS, for times such as 3/4/2024; None is by the numbers above 12."""
    bounded: bool = False
    """Whether a lowest rating is given, so that a rating of 0 is no question."""
    threads: int | None = None
    """Of the engine; None is all cores."""


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
class _FileResult:
    """What one file holds."""

    columns: Columns
    note: str
    not_chosen: int
    bad_lines: int
    ignored: tuple[str, ...] = ()


def read_log(
    paths: Sequence[Path],
    fmt: str = "auto",
    choice: ColumnChoice | None = None,
    reading: Reading | None = None,
    progress: Progress = _unseen,
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
    files = []
    for path in paths:
        with scratch_folder("recpress-import-") as scratch:
            plain = plain_file(path, reading.encoding, reading.member, scratch, progress)
            files.append(_read_file(path, plain, fmt, choice, reading))
        if not len(files[-1].columns):
            raise DataError(f"{path} holds no interaction: only a header, or users without items")
    left_out = {
        "bad_lines": sum(file.bad_lines for file in files),
        "not_chosen": sum(file.not_chosen for file in files),
        "missing": 0,
    }
    settled = settle_ids(joined([file.columns for file in files], range(len(files))), reading.ids)
    log, times = _with_seconds(settled.log, reading)
    left_out["missing"] = settled.missing
    notes = (*(file.note for file in files), *settled.notes, *times)
    ignored = dict.fromkeys(name for file in files for name in file.ignored)
    return ReadResult(log, notes, left_out, tuple(ignored))


def _read_file(
    path: Path, plain: PlainFile, fmt: str, choice: ColumnChoice | None, reading: Reading
) -> _FileResult:
    found = _format(path, plain, fmt, choice, reading)
    report = LineReport(path, reading.bad_lines)
    if found in TABLES:
        with open_engine(reading.threads) as engine:
            table = _table(path, plain, found, choice, engine)
            columns, not_chosen = _read_table(engine, table, reading, report)
        note, ignored = table.note, tuple(table.layout.called(place) for place in table.layout.ignored())
    else:
        columns, not_chosen, ignored = LISTS[found].read(plain.lines(), report), 0, ()
        note = LISTS[found].note
    undone = "".join(f"{text}, " for text in plain.notes)
    said = f"{path.name}: {undone}{found}, {note}; {len(columns):,} rows{report.note()}"
    return _FileResult(columns, said, not_chosen, report.count, ignored)


def _format(path: Path, plain: PlainFile, fmt: str, choice: ColumnChoice | None, reading: Reading) -> str:
    found = _of_text(path, plain, fmt, choice) if plain.kind == "text" else _of_table(path, plain, fmt)
    asked = choice is not None or bool(reading.only) or reading.where is not None
    if asked and found not in TABLES:
        raise ConfigError(
            f"--columns, --separator, --header, --only and --where are for --format delimited, not {found}"
        )
    if found != "delimited" and choice is not None and (choice.separator or choice.header is not None):
        raise ConfigError(f"--separator and --header are for --format delimited, not {found}")
    return found


def _of_table(path: Path, plain: PlainFile, fmt: str) -> str:
    if fmt != "auto":
        raise ConfigError(f"{path} is {plain.kind} and not {fmt}. Leave --format out.")
    return plain.kind


def _of_text(path: Path, plain: PlainFile, fmt: str, choice: ColumnChoice | None) -> str:
    head = plain.head()
    if not any(line.strip() for line in head):
        raise DataError(f"{path}: the first {len(head):,} lines are blank. Remove them.")
    if fmt in ("auto", "delimited"):
        refuse_foreign(path, head)
    if fmt not in ("auto", "json", "inter") and is_json(head):
        raise ConfigError(f"{path} holds JSON and is not {fmt}. Say --format json, or leave --format out.")
    if fmt != "auto":
        return fmt
    if is_json(head):
        return "json"
    if is_inter(path, head):
        return "inter"
    if choice is not None:
        return "delimited"
    start = find_start(head)
    return sniff_format(path, list(start.rows(head)), lambda: _are_pairs(plain))


def _are_pairs(plain: PlainFile) -> bool:
    """Whether every line of the file is two words."""
    return all(len(split_spaces(line)) in (0, 2) for line in find_start(plain.head()).rows(plain.lines()))


def _table(path: Path, plain: PlainFile, found: str, choice: ColumnChoice | None, engine: Engine) -> Table:
    if found == "parquet":
        return engine_table(path, engine, f"read_parquet({text(str(plain.path))})", choice)
    known = {"delimited": delimited_table, "inter": inter_table, "json": json_table}
    return known[found](path, plain, choice)


def _read_table(engine: Engine, table: Table, reading: Reading, report: LineReport) -> tuple[Columns, int]:
    """The rows that count, and how many --only and --where left out."""
    events = event_places(table.path, table, reading.only, bounded=reading.bounded)
    staged = stage(engine, table, {*table.layout.at.values(), *events}, reading.where, report)
    report.total = report.count + len(staged)
    kept = staged.chosen("kept") if reading.where is not None else None
    for place, only in events.items():
        counts = staged.counts(place, "true" if kept is None else "kept")
        if only is not None or not _mentions(reading.where, table.outward()[place]):
            settle_event(table.path, table.layout, place, only, counts)
        if only is not None:
            taken = staged.among(place, list(filter(only.takes, counts)))
            kept = taken if kept is None else kept & taken
    columns = take_rows(table, staged, kept, reading.date_order, report)
    report.check("Correct or remove these lines, or say what the columns are with --columns and --header.")
    return columns, 0 if kept is None else int((~kept).sum())


def _mentions(where: str | None, column: str) -> bool:
    return where is not None and column.lower() in where.lower()


def _with_seconds(log: Log, reading: Reading) -> tuple[Log, tuple[str, ...]]:
    if log.times is None:
        if reading.time_unit is not None:
            raise ConfigError("--time-unit: this log has no times. Remove it, or name their column.")
        if reading.date_order is not None:
            raise ConfigError("--date-order: this log has no times. Remove it, or name their column.")
        return log, ()
    seconds, note = in_seconds(log.times, reading.time_unit)
    return replace(log, times=seconds), (note,)
