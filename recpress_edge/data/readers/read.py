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
from recpress_edge.data.readers.columns import ColumnChoice, Layout
from recpress_edge.data.readers.delimited import find_start, split_spaces
from recpress_edge.data.readers.engine import Engine, open_engine
from recpress_edge.data.readers.forms import file_table, query_table, sqlite_tables
from recpress_edge.data.readers.lines import NONE_ALLOWED, Allowance, LineReport
from recpress_edge.data.readers.lists import LISTS
from recpress_edge.data.readers.plain import PlainFile, plain_file
from recpress_edge.data.readers.rows import take_rows
from recpress_edge.data.readers.sniff import is_inter, is_json, refuse_foreign, sniff_format
from recpress_edge.data.readers.tables import (
    Table,
    stage,
)
from recpress_edge.data.times import in_seconds

FORMATS: Final = ("delimited", "inter", "adjacency", "counted-adjacency", "json")
TABLES: Final = ("delimited", "inter", "json", "parquet")
_MOST_NOTES: Final = 5

Progress = Callable[[float, float], None]


def unseen(done: float, total: float) -> None:
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
    query: str | None = None
    """SQL whose result is the table; the files are its table log."""
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
    layout: Layout | None = None
    """Of a table."""

    def ignored(self) -> list[str]:
        """Names of columns that no role uses."""
        return [] if self.layout is None else [self.layout.called(place) for place in self.layout.ignored()]


def read_log(
    paths: Sequence[Path],
    fmt: str = "auto",
    choice: ColumnChoice | None = None,
    reading: Reading | None = None,
    *,
    parts: Sequence[int] | None = None,
    progress: Progress = unseen,
) -> ReadResult:
    """Read files into one log; those of ``paths[p]`` are of part ``parts[p]``, None is p.

    ``fmt`` is one of FORMATS, or "auto" to look. Ids stay text and are indexed over all files
    together, in numeric order when all are integers, else by code point. Lines that cannot be read
    are a :class:`DataError` with file, line number and content: none is left out in silence. What can
    be read in two ways is a :class:`ConfigError` that names the flags that settle it.
    """
    if fmt not in (*FORMATS, "auto"):
        raise unknown_name("format", fmt, [*FORMATS, "auto"])
    reading = reading or Reading()
    if reading.query is not None:
        files = [_read_query(paths, choice, reading)]
    else:
        files = [_read_file(path, fmt, choice, reading, progress) for path in paths]
    of_part = range(len(files)) if parts is None or reading.query is not None else parts
    _check_alike(paths, files, of_part)
    left_out = {
        "bad_lines": sum(file.bad_lines for file in files),
        "not_chosen": sum(file.not_chosen for file in files),
        "missing": 0,
    }
    settled = settle_ids(joined([file.columns for file in files], of_part), reading.ids)
    log, times = _with_seconds(settled.log, reading)
    left_out["missing"] = settled.missing
    notes = (*_notes(files), *settled.notes, *times)
    ignored = dict.fromkeys(name for file in files for name in file.ignored())
    return ReadResult(log, notes, left_out, tuple(ignored))


def _read_file(
    path: Path, fmt: str, choice: ColumnChoice | None, reading: Reading, progress: Progress
) -> _FileResult:
    with scratch_folder("recpress-import-") as scratch:
        plain = plain_file(path, reading.encoding, reading.member, scratch, progress)
        found = _format(path, plain, fmt, choice, reading)
        report = LineReport(path, reading.bad_lines)
        undone = "".join(f"{text}, " for text in plain.notes)
        said = f"{path.name}: {undone}{found}"
        if found in LISTS:
            columns = LISTS[found].read(plain.lines(), report)
            return _result(path, columns, f"{said}, {LISTS[found].note}", report)
        with open_engine(reading.threads) as engine:
            table = file_table(path, plain, found, choice, engine)
            columns, not_chosen = _read_table(engine, table, reading, report)
    result = _result(path, columns, f"{said}, {table.note}", report)
    return replace(result, not_chosen=not_chosen, layout=table.layout)


def _read_query(paths: Sequence[Path], choice: ColumnChoice | None, reading: Reading) -> _FileResult:
    """The rows of --query."""
    report = LineReport(Path("--query"), reading.bad_lines)
    with open_engine(reading.threads) as engine:
        plains = [
            plain_file(path, reading.encoding, reading.member, engine.scratch, unseen) for path in paths
        ]
        table = query_table(engine, list(zip(paths, plains, strict=True)), reading.query or "", choice)
        columns, not_chosen = _read_table(engine, table, reading, report)
    result = _result(Path("--query"), columns, f"--query: {table.note}", report)
    return replace(result, not_chosen=not_chosen, layout=table.layout)


def _result(path: Path, columns: Columns, said: str, report: LineReport) -> _FileResult:
    if not len(columns):
        raise DataError(f"{path} holds no interaction: only a header, or users without items")
    return _FileResult(columns, f"{said}; {len(columns):,} rows{report.note()}", 0, report.count)


def _check_alike(paths: Sequence[Path], files: Sequence[_FileResult], parts: Sequence[int]) -> None:
    """Files of one part whose columns differ are a ConfigError."""
    first: dict[int, int] = {}
    for at, part in enumerate(parts):
        other = first.setdefault(part, at)
        if files[at].layout != files[other].layout:
            raise ConfigError(
                f"{paths[at]} has other columns than {paths[other]}: {files[at].note}; there: "
                f"{files[other].note}. Import files of one kind together."
            )


def _notes(files: Sequence[_FileResult]) -> list[str]:
    """A note for each file, or for the first and the last of many."""
    if len(files) <= _MOST_NOTES:
        return [file.note for file in files]
    rest = sum(len(file.columns) for file in files[1:-1])
    return [files[0].note, f"… {len(files) - 2:,} more files, {rest:,} rows", files[-1].note]


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
    if plain.kind == "sqlite":
        raise ConfigError(
            f"{path} is an SQLite database. Say what to read, for example --query "
            f'"SELECT user_id, item_id FROM ratings". {sqlite_tables(path, plain)}'
        )
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
