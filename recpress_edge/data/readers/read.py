"""Raw interaction logs in the forms they come in."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.errors import ConfigError, DataError, unknown_name
from recpress_edge.core.files import scratch_folder
from recpress_edge.core.units import counted
from recpress_edge.data.events import EventColumn, Only, event_places, settle_event
from recpress_edge.data.ids import IdChoice, Settled, ask_unrepeated, settle_ids
from recpress_edge.data.log import Columns, Log, joined
from recpress_edge.data.readers.columns import ColumnChoice, Layout
from recpress_edge.data.readers.engine import KEPT, Engine, open_engine
from recpress_edge.data.readers.forms import file_table, query_table
from recpress_edge.data.readers.frames import check_alone, frame_table, kind_of
from recpress_edge.data.readers.lines import NONE_ALLOWED, Allowance, LineReport
from recpress_edge.data.readers.lists import LISTS
from recpress_edge.data.readers.plain import plain_file
from recpress_edge.data.readers.recognise import TABLES, find_format
from recpress_edge.data.readers.rows import TimeChoice, how_to_mend, likely_times, take_rows
from recpress_edge.data.readers.sources import folder_notes
from recpress_edge.data.readers.tables import LogTable, keep, mentions, stage
from recpress_edge.data.times import in_seconds

FORMATS: Final = ("delimited", "inter", "adjacency", "counted-adjacency", "json", "netflix")
_SCAN: Final = 0.2
"""Share of the work that looking at the bytes is, before the engine reads them."""
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
    """SQL whose result is the table; the files, or the frame, are its table log."""
    frame: Any = None
    """A table in memory, in place of files: see readers/frames.py."""
    ids: IdChoice = field(default_factory=IdChoice)
    bad_lines: Allowance = NONE_ALLOWED
    """How many lines of a file that cannot be read may be left out."""
    time_unit: str | None = None
    """A key of times.UNITS, times.BY_SIZE or times.DAYS."""
    date_order: str | None = None
    """A key of times.DATE_ORDERS, for times such as 3/4/2024; None is by the numbers above 12."""
    needs_times: bool = True
    """Whether times that cannot be read are an error; else they are left out, which is said."""
    bounded: bool = False
    """Whether a lowest rating is given, so that a rating of 0 is no question."""
    label: str | None = None
    """The column of --label, which is among the context of the columns and no question either."""
    threads: int | None = None
    """Of the engine; None is all cores."""
    preview: bool = False
    """Whether what the events and ids leave open is told beside the log, and is no error."""


@dataclass(frozen=True, slots=True)
class ReadResult:
    """A log and what the reader found, one note a file, then those on all."""

    log: Log
    notes: tuple[str, ...]
    left_out: dict[str, int]
    """Rows by why they are not in the log: bad_lines, not_chosen, missing."""
    ignored_columns: tuple[str, ...] = ()
    """Names of columns that no role uses."""
    may_be_times: tuple[str, ...] = ()
    """Of these, what holds dates or Unix times, in a log without times."""
    questions: tuple[str, ...] = ()
    """What a preview leaves open."""


@dataclass(frozen=True, slots=True)
class _FileResult:
    """What one file holds."""

    path: Path
    columns: Columns
    note: str
    bad_lines: int
    not_chosen: int = 0
    layout: Layout | None = None
    """Of a table."""
    events: Mapping[int, EventColumn] = field(default_factory=dict)
    """Place of each column that may tell rows apart to what it holds."""
    may_be_times: tuple[str, ...] = ()

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
    whole = reading.query is not None or reading.frame is not None
    if reading.frame is not None:
        check_alone(paths, fmt, choice or ColumnChoice(), reading.encoding, reading.member)
    if whole:
        files = [_read_query(paths, choice, reading)]
    else:
        steps = [_step(progress, place, len(paths)) for place in range(len(paths))]
        files = [
            _read_file(path, fmt, choice, reading, step) for path, step in zip(paths, steps, strict=True)
        ]
    of_part = range(len(files)) if parts is None or whole else parts
    questions = list[str]()
    for part in dict.fromkeys(of_part):
        several = [file for file, its in zip(files, of_part, strict=True) if its == part]
        _check_part(several)
        with _told(questions, reading):
            _settle_events(several)
        _check_rows(several)
    left_out = {
        "bad_lines": sum(file.bad_lines for file in files),
        "not_chosen": sum(file.not_chosen for file in files),
        "missing": 0,
    }
    settled = Settled(joined([file.columns for file in files], of_part), 0, ())
    with _told(questions, reading):
        settled = settle_ids(settled.log, reading.ids)
        if files[0].layout is not None:
            ask_unrepeated(settled.log, files[0].layout.columns(), choice.said() if choice else ())
    log, times = _with_seconds(settled.log, reading)
    left_out["missing"] = settled.missing
    notes = (*_notes(files), *folder_notes(paths), *settled.notes, *times)
    ignored = dict.fromkeys(name for file in files for name in file.ignored())
    return ReadResult(log, notes, left_out, tuple(ignored), files[0].may_be_times, tuple(questions))


@contextmanager
def _told(questions: list[str], reading: Reading) -> Iterator[None]:
    """Where the log is previewed, a question of the block is added to these, and no error."""
    try:
        yield
    except ConfigError as error:
        if not reading.preview:
            raise
        questions.append(str(error))


def _step(progress: Progress, place: int, count: int) -> Callable[[float], None]:
    """A callback of how much of one file of several is read, from 0 to 1."""
    return lambda share: progress((place + share) / count, 1)


def _read_file(
    path: Path, fmt: str, choice: ColumnChoice | None, reading: Reading, on_share: Callable[[float], None]
) -> _FileResult:
    with scratch_folder("recpress-import-") as scratch:
        plain = plain_file(
            path,
            reading.encoding,
            reading.member,
            scratch,
            lambda done, total: on_share(_SCAN * done / total),
        )
        chosen = bool(reading.only) or reading.where is not None
        found = find_format(path, plain, fmt, choice, chosen=chosen)
        undone = "".join(f"{text}, " for text in plain.notes)
        if found in TABLES:
            with open_engine(reading.threads) as engine:
                table = file_table(path, plain, found, choice, engine)
                said = f"{path.name}: {undone}{found}, {table.note}"
                return _read_table(
                    engine, table, reading, said, lambda share: on_share(_SCAN + (1 - _SCAN) * share)
                )
        report = LineReport(path, reading.bad_lines)
        columns = LISTS[found].read(plain.lines(), report)
        said = f"{path.name}: {undone}{found}, {LISTS[found].note}"
        return _FileResult(path, columns, _said(said, columns, report), report.count)


def _read_query(paths: Sequence[Path], choice: ColumnChoice | None, reading: Reading) -> _FileResult:
    """The rows of a frame, or of --query."""
    with open_engine(reading.threads) as engine:
        if reading.frame is not None:
            table = frame_table(engine, reading.frame, reading.query, choice)
            return _read_table(engine, table, reading, f"{kind_of(reading.frame)}: {table.note}")
        folder = engine.scratch
        plains = [plain_file(path, reading.encoding, reading.member, folder, unseen) for path in paths]
        table = query_table(engine, list(zip(paths, plains, strict=True)), reading.query or "", choice)
        return _read_table(engine, table, reading, f"--query: {table.note}")


def _said(note: str, columns: Columns, report: LineReport) -> str:
    return f"{note}; {counted(len(columns), 'row')}{report.note()}"


def _check_part(files: Sequence[_FileResult]) -> None:
    """Files of one part whose columns differ are a ConfigError."""
    first = files[0]
    for file in files:
        if file.layout != first.layout:
            raise ConfigError(
                f"{file.path} has other columns than {first.path}: {file.note}; there: {first.note}. Import "
                "files of one kind together."
            )


def _check_rows(files: Sequence[_FileResult]) -> None:
    if not any(len(file.columns) for file in files):
        raise DataError(
            f"{files[0].path} holds no interaction: only a header, users without items, or --only and "
            "--where that leave none"
        )


def _settle_events(files: Sequence[_FileResult]) -> None:
    """Files of one part whose rows tell events apart, of which nobody said which count, are a ConfigError."""
    first = files[0]
    if first.layout is not None:
        for place in dict.fromkeys(place for file in files for place in file.events):
            settle_event(first.path, first.layout, place, [file.events.get(place) for file in files])


def _notes(files: Sequence[_FileResult]) -> list[str]:
    """A note for each file, or for the first and the last of many."""
    if len(files) <= _MOST_NOTES:
        return [file.note for file in files]
    rest = sum(len(file.columns) for file in files[1:-1])
    return [
        files[0].note,
        f"… {counted(len(files) - 2, 'more file')}, {counted(rest, 'row')}",
        files[-1].note,
    ]


def _read_table(
    engine: Engine,
    table: LogTable,
    reading: Reading,
    note: str,
    on_share: Callable[[float], None] = lambda share: None,
) -> _FileResult:
    """The rows that count, and what the columns hold that tell rows apart."""
    report, layout = LineReport(table.path, reading.bad_lines), table.layout
    places = event_places(table.path, table, reading.only, reading.label, bounded=reading.bounded)
    needed = {*layout.at.values(), *layout.context.values(), *places}
    with engine.watched(on_share):
        every = range(layout.width) if reading.where is not None else ()
        staged = stage(engine, table, {*needed, *every}, report)
    report.total = report.count + len(staged)
    kept = None if reading.where is None else keep(staged, table, reading.where)
    condition = "true" if kept is None else f"rowid IN (SELECT __row FROM {KEPT})"
    events = {}
    for place, only in places.items():
        counts = staged.counts(place, condition)
        if only is not None or not mentions(reading.where, table.outward()[place]):
            events[place] = EventColumn(only, counts)
        if only is not None:
            taken = staged.among(place, list(filter(only.takes, counts)))
            kept = taken if kept is None else kept & taken
    named = reading.needs_times or reading.time_unit is not None
    columns, left_out = take_rows(table, staged, kept, TimeChoice(named, reading.date_order), report)
    report.check(how_to_mend(layout))
    return _FileResult(
        table.path,
        columns,
        _said(note, columns, report) + left_out,
        report.count,
        0 if kept is None else int((~kept).sum()),
        table.layout,
        events,
        () if "time" in layout.at else likely_times(table),
    )


def _with_seconds(log: Log, reading: Reading) -> tuple[Log, tuple[str, ...]]:
    if log.times is None:
        if reading.time_unit is not None:
            raise ConfigError("--time-unit: this log has no times. Remove it, or name their column.")
        if reading.date_order is not None:
            raise ConfigError("--date-order: this log has no times. Remove it, or name their column.")
        return log, ()
    seconds, note = in_seconds(log.times, reading.time_unit, log.dated)
    return replace(log, times=seconds, dated=None), (note,)
