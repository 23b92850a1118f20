"""Lists of items, a user a line: what is no table."""

from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from recpress_edge.artifacts.ids import is_integer
from recpress_edge.data.log import Coded, Columns
from recpress_edge.data.readers.delimited import split_spaces
from recpress_edge.data.readers.lines import MAX_ID_CHARACTERS, LineReport


@dataclass(slots=True)
class _Rows:
    """The rows so far; an id is coded by its first place."""

    users: dict[str, int] = field(default_factory=dict)
    items: dict[str, int] = field(default_factory=dict)
    user_codes: "array[int]" = field(default_factory=lambda: array("i"))
    item_codes: "array[int]" = field(default_factory=lambda: array("i"))

    def add(self, user: str, items: list[str]) -> None:
        """The rows of one user."""
        code, index = self.users.setdefault(user, len(self.users)), self.items
        self.item_codes.extend([index.setdefault(item, len(index)) for item in items])
        self.user_codes.extend([code] * len(items))

    def columns(self) -> Columns:
        """The rows as columns."""
        users, items = (np.frombuffer(codes, np.int32) for codes in (self.user_codes, self.item_codes))
        return Columns(Coded(list(self.users), users), Coded(list(self.items), items))


def read_adjacency(lines: Iterator[str], report: LineReport) -> Columns:
    """'user item item …' in every line."""
    rows = _Rows()
    for number, line in enumerate(lines, 1):
        fields, report.total = split_spaces(line), number
        if wrong := _wrong_ids(fields):
            report.add(number, wrong, line)
        elif len(fields) > 1:
            rows.add(fields[0], fields[1:])
        else:
            report.alone += len(fields)
    report.check("Expected 'user item item …' in every line.")
    return rows.columns()


def read_counted(lines: Iterator[str], report: LineReport) -> Columns:
    """'count item item …' in every line; the user is the line, counted from 0."""
    rows = _Rows()
    for number, line in enumerate(lines, 1):
        fields, report.total = split_spaces(line), number
        if not fields or not is_integer(fields[0]):
            report.add(number, "the line does not start with a count", line)
        elif fields[0] != str(len(fields) - 1):
            report.add(number, f"the count says {fields[0][:20]}, but {len(fields) - 1} items follow", line)
        elif wrong := _wrong_ids(fields):
            report.add(number, wrong, line)
        elif len(fields) > 1:
            rows.add(str(number - 1), fields[1:])
    report.check("Expected 'count item item …' in every line. Lists led by a user id are --format adjacency.")
    return rows.columns()


@dataclass(frozen=True, slots=True)
class ListForm:
    """How lines of one form are read, and the form in words."""

    read: Callable[[Iterator[str], LineReport], Columns]
    note: str


LISTS: Final[Mapping[str, ListForm]] = {
    "adjacency": ListForm(read_adjacency, "user item item …"),
    "counted-adjacency": ListForm(read_counted, "count item item …; the user is the line, counted from 0"),
}


def _wrong_ids(fields: list[str]) -> str:
    longest = max(map(len, fields), default=0)
    too_long = f"an id has {longest:,} characters, more than {MAX_ID_CHARACTERS}"
    return too_long if longest > MAX_ID_CHARACTERS else ""
