"""Which row of a table is which user or item: ids matched to the log's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from recpress_edge.core.arrays import I64
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.units import counted
from recpress_edge.data.features.table import SideTable
from recpress_edge.data.readers.names import HEADER_NAMES, plain

NO_ROW: Final = -1
ID_NAMES: Final = {side: HEADER_NAMES[side] | {"id"} for side in ("user", "item")}


@dataclass(frozen=True, slots=True, eq=False)
class Matched:
    """The rows of a table by user or item index."""

    rows: I64
    """Row of each id (n,), the first of those that agree; NO_ROW where the table has none."""
    note: str


def find_ids(
    table: SideTable, side: str, ids: Sequence[str], asked: str | None, clean: Callable[[str], str]
) -> int:
    """The place of the id column: as asked, by a known name, or the first; a better one is a question.

    ``side``: user or item; ``ids``: those of the log; ``clean``: what was done to them.
    """
    flag = f"--{side}-id"
    if asked is not None:
        return table.place(f"{flag} {asked}", asked)
    names = [plain(name) for name in table.layout.names]
    found = [at for at, name in enumerate(names) if name in HEADER_NAMES[side]] or [
        at for at, name in enumerate(names) if name == "id"
    ]
    wanted = set(ids)
    held = [
        len(wanted.intersection(clean(bare) for text in table.texts(at) if (bare := text.strip(" \t"))))
        for at in range(table.layout.width)
    ]
    if len(found) > 1 or (names and not found):
        raise ConfigError(_question(table, flag, found or list(range(table.layout.width)), held, len(ids)))
    (place,) = found or [0]
    sure = bool(found) and names[place] != "id"
    rivals = [
        at
        for at, count in enumerate(held)
        if at != place and count and (count > held[place] or (count == held[place] and not sure))
    ]
    if rivals:
        raise ConfigError(_question(table, flag, [place, *rivals], held, len(ids)))
    return place


def _question(table: SideTable, flag: str, places: Sequence[int], held: Sequence[int], total: int) -> str:
    told = ", ".join(f"{table.called(at)} holds {held[at]:,} of the log's {total:,} ids" for at in places[:6])
    best = max(places, key=lambda at: held[at])
    return (
        f"{table.path}: which column has the ids? {told}. Say for example {flag} {table.layout.called(best)}"
    )


def match_ids(
    table: SideTable, place: int, side: str, ids: Sequence[str], clean: Callable[[str], str]
) -> Matched:
    """The row of each id of the log; DataError where no row is of one. ``clean``: what was done to them."""
    index = {name: at for at, name in enumerate(ids)}
    rows = np.full(len(ids), NO_ROW, np.int64)
    strangers, empty, stranger = 0, 0, ""
    for row, text in enumerate(table.texts(place)):
        name = clean(text.strip(" \t")) if text.strip(" \t") else ""
        at = index.get(name)
        if at is not None:
            if rows[at] == NO_ROW:
                rows[at] = row
        elif name:
            strangers, stranger = strangers + 1, stranger or name
        else:
            empty += 1
    known = int((rows != NO_ROW).sum())
    if not known:
        raise DataError(
            f"{table.path}: no row is of a{'n' if side == 'item' else ''} {side} of the log. Its ids in "
            f"{table.called(place)} are like {stranger!r}, the log's like {ids[0]!r}. Name the column with "
            f"--{side}-id, or say --ids cleaned where they differ in .0 or blanks alone."
        )
    notes = [f"a row for {known:,} of {len(ids):,} {side}s"]
    if strangers:
        of = f"1 row of another {side}" if strangers == 1 else f"{strangers:,} rows of other {side}s"
        notes.append(f"{of}, which the log does not hold, such as {stranger!r}")
    if empty:
        notes.append(f"{counted(empty, 'row')} without an id")
    return Matched(rows, "; ".join(notes))


def check_repeats(
    table: SideTable, ids: int, used: Sequence[int], matched: Matched, clean: Callable[[str], str]
) -> str:
    """That rows of one id agree in the columns that are used, else a DataError; how many repeat, in words.

    ids: place of the id column; used: places of the columns.
    """
    kept = {
        clean(table.rows[row][1][ids].strip(" \t")): row for row in matched.rows.tolist() if row != NO_ROW
    }
    repeats = 0
    for row, (number, fields) in enumerate(table.rows):
        name = fields[ids].strip(" \t")
        first = kept.get(clean(name)) if name else None
        if first is None or first == row:
            continue
        repeats += 1
        before, others = table.rows[first]
        for place in used:
            if others[place].strip() != fields[place].strip():
                raise DataError(
                    f"{table.path}: lines {before} and {number} are of {name!r} and differ in "
                    f"{table.called(place)}: {others[place][:60]!r} and {fields[place][:60]!r}. Keep one."
                )
    return counted(repeats, "repeated row") if repeats else ""
