"""Lines of delimited text as records of fields: separators, quotes, comments."""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.readers.lines import shorten
from recpress_edge.data.readers.names import known_places

Record = tuple[int, list[str], str]
"""Number of its first line, from 1; its fields, none where its quotes do not close; that line."""

SEPARATORS: Final[Mapping[str, str]] = {
    "tab": "\t", "::": "::", "semicolon": ";", "pipe": "|", "comma": ",", "space": " ",
}  # fmt: skip
"""Names accepted for --separator, as are the marks themselves."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where the rows of a file begin."""

    at: int
    """Index of the first line that is one."""
    note: str = ""
    """What was skipped, in words."""
    header: str | None = None
    """What the line ``at`` is without its mark, where it is a comment that names the columns."""
    declared: str | None = None
    """The separator that a line 'sep=;' above the rows names."""

    def rows(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines from ``at`` on."""
        rest = islice(lines, self.at, None)
        return rest if self.header is None else chain([self.header], islice(rest, 1, None))


_FEWEST_ALIKE: Final = 3
_SURE: Final = 0.9
"""Of the first lines, the share with as many fields as the first, from which a tab or '::' is it."""
_HEAD: Final = 1000
LONGEST_FIELD: Final = 200
"""Lines that one quoted field may span; more means a quote that was never closed."""
_QUOTED: Final = re.compile(r'"((?:[^"]|"")*)"(?=[ \t]|$)|([^ \t]+)')


def named_separator(text: str, flag: str = "--separator") -> str:
    """A key of SEPARATORS from the key or the mark itself; anything else of ``flag`` is a ConfigError."""
    marks = {mark: name for name, mark in SEPARATORS.items()} | {"\\t": "tab"}
    if text in SEPARATORS:
        return text
    if text not in marks:
        raise ConfigError(f"{flag} {text!r}: known are {', '.join(SEPARATORS)}, or the mark itself")
    return marks[text]


def records(lines: Iterable[str], separator: str, first: int = 1) -> Iterator[Record]:
    """The records of these lines, of which the first has the number ``first``; blank ones are left out."""
    mark, width, number = SEPARATORS[separator], 0, first
    plain: Callable[[str], list[str]] = (
        split_spaces if separator == "space" else lambda line: line.split(mark)
    )
    source = _Ahead(lines)
    while (line := source.take()) is not None:
        taken = 1
        if '"' not in line:
            fields = plain(line)
        elif separator == "space":
            fields = _quoted_by_spaces(line)
        elif separator == "::":
            fields = [_unquoted(field) for field in line.split(mark)]
        else:
            fields, taken = _quoted(line, source, mark, width)
            source.drop(taken - 1)
        width = width or len(fields)
        if len(fields) > 1 or line.strip(" \t"):
            yield number, fields, line
        number += taken


class _Ahead:
    """Lines that can be looked at before they are taken."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._source, self._seen = iter(lines), deque[str]()

    def take(self) -> str | None:
        """The next line; None after the last."""
        return self._seen.popleft() if self._seen else next(self._source, None)

    def peek(self, place: int) -> str | None:
        """The line ``place`` lines after the next one, from 0; None beyond the last."""
        while len(self._seen) <= place:
            line = next(self._source, None)
            if line is None:
                return None
            self._seen.append(line)
        return self._seen[place]

    def drop(self, count: int) -> None:
        """Take ``count`` lines that were looked at."""
        for _ in range(count):
            self._seen.popleft()


def split_spaces(line: str) -> list[str]:
    """Fields between runs of blanks and tabs. Not str.split(): that also cuts at odd Unicode spaces."""
    fields = line.replace("\t", " ").split(" ")
    return [field for field in fields if field] if "" in fields else fields


def find_start(head: Sequence[str]) -> Start:
    """Where the rows begin, from the first lines of a file.

    A comment is led by '#' or '%' and a blank, or has other fields than the lines that follow. One that
    names known columns is their header, without its mark. Excel's 'sep=;' names the separator.
    """
    start = next((at for at, line in enumerate(head) if line.strip(" \t")), 0)
    declared = re.fullmatch(r'"?sep=(.)"?', head[start].strip())
    if declared:
        return Start(start + 1, declared=declared[1])
    at = start
    while at < len(head) and head[at][:1] in ("#", "%"):
        at += 1
    if at in (start, len(head)) or not all(_is_comment(line, head[at]) for line in head[start:at]):
        return Start(start)
    last = head[at - 1].lstrip("#% \t")
    if _names_columns(last):
        return Start(at - 1, "a header in a comment", header=last)
    count = at - start
    return Start(at, f"{count} comment line{'' if count == 1 else 's'} skipped")


def find_separator(path: Path, head: Sequence[str], declared: str | None, chosen: str | None) -> str:
    """The name of the separator of the rows that begin with these lines, as chosen, declared or found."""
    head = [line for line in head[:_HEAD] if line.strip(" \t")]
    if not head:
        raise DataError(f"{path} holds no interaction: comments alone, or a line that names the separator")
    first = head[0]
    if chosen is None and declared is not None:
        chosen = named_separator(declared)
    if chosen is not None:
        if SEPARATORS[chosen] not in first:
            raise ConfigError(
                f"{path}: no {chosen} in the first line {shorten(first)}, but --separator says so"
            )
        return chosen
    present = [name for name, mark in SEPARATORS.items() if mark in first]
    if not present:
        raise ConfigError(
            f"{path}: no tab, '::', semicolon, pipe, comma or space in the first line {shorten(first)}. "
            "Expected user and item in one line; other separators must be replaced by one of these first."
        )
    if "tab" in present and _differs(head):
        raise _asks(path, first, present)
    best = _best(path, first, {name: _agreement(head, name) for name in present})
    return "space" if best == "tab" and _is_mixed(head) else best


def _best(path: Path, first: str, shares: Mapping[str, float]) -> str:
    for name in ("tab", "::"):
        if shares.get(name, 0) >= _SURE:
            return name
    marks = {name: shares[name] for name in ("semicolon", "pipe", "comma") if name in shares}
    best = [name for name in marks if marks[name] == max(marks.values())]
    if len(best) > 1:
        raise _asks(path, first, best)
    usable = [name for name in best if marks[name] > shares.get("space", 0) / 2]
    if (
        usable
        and SEPARATORS[usable[0]] not in split_spaces(first)
        and shares.get("space", 0) >= _SURE
        and len(split_spaces(first)) > first.count(SEPARATORS[usable[0]]) + 1
    ):
        raise _asks(path, first, [*usable, "space"])
    return (usable or [name for name in ("tab", "::", "space", *best) if name in shares])[0]


def _differs(head: Sequence[str]) -> bool:
    """Whether all lines but the first have as many tabs as each other, and the first another number."""
    counts = {line.count("\t") for line in head[1:]}
    return len(head) > _FEWEST_ALIKE and len(counts) == 1 and not counts <= {0, head[0].count("\t")}


def _asks(path: Path, first: str, names: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"{path}: the first line {shorten(first)} can be split by {' or '.join(names)}. Say which: "
        + " or ".join(f"--separator {name}" for name in names)
    )


def _is_mixed(head: Sequence[str]) -> bool:
    """Numbers with tabs here and blanks there between them, as Konect writes '1 2<tab>5<tab>1700165037'."""
    rows = [split_spaces(line) for line in head]
    widths = {len(row) for row in rows}
    numbers = all(re.fullmatch(r"-?[\d.]+", field) for row in rows for field in row)
    return len(widths) == 1 and widths.pop() > len(head[0].split("\t")) and numbers


def _agreement(head: Sequence[str], name: str) -> float:
    """Share of the lines with as many fields as the first."""
    counts = [len(fields) for _, fields, _ in records(head, name)]
    return sum(count == counts[0] > 0 for count in counts) / len(counts)


def _quoted(line: str, ahead: _Ahead, mark: str, width: int) -> tuple[list[str], int]:
    """Fields of the record that begins at a line with quotes, and how many lines it takes.

    Tab-separated files often leave quotes inside text alone: a line that is whole without them is.
    """
    if (fields := _strict(line, mark)) is not None:
        return fields, 1
    by_itself = line.split(mark)
    if mark == "\t" and width in (0, len(by_itself)):
        return by_itself, 1
    text = line
    for place in range(LONGEST_FIELD - 1):
        if text.count('"') % 2 == 0 or (following := ahead.peek(place)) is None:
            break
        text += "\n" + following
        if text.count('"') % 2 == 0 and (fields := _strict(text, mark)) is not None:
            return fields, place + 2
    return [], 1


def _strict(text: str, mark: str) -> list[str] | None:
    """The fields of one record as RFC 4180 has it, blanks around quotes allowed; None where it is none."""
    for form in (text, re.sub(rf'" +(?={re.escape(mark)}|$)', '"', text)):
        try:
            return next(csv.reader([form], delimiter=mark, strict=True, skipinitialspace=mark != "\t"))
        except (csv.Error, StopIteration):
            continue
    return None


def _quoted_by_spaces(line: str) -> list[str]:
    """Fields between runs of blanks, in quotes or not; none where a quote opens a field and never closes."""
    found = _QUOTED.findall(line)
    if any(bare.startswith('"') for _, bare in found):
        return []
    return [quoted.replace('""', '"') or bare for quoted, bare in found]


def _unquoted(field: str) -> str:
    inner = field.strip(" ")
    if len(inner) > 1 and inner[0] == inner[-1] == '"':
        return inner[1:-1].replace('""', '"')
    return field


def _is_comment(line: str, following: str) -> bool:
    if line[1:2] in ("", " ", "\t", line[:1]) or _names_columns(line[1:]):
        return True
    return all(line.count(mark) != following.count(mark) for mark in SEPARATORS.values() if mark in following)


def _names_columns(line: str) -> bool:
    fields = [field for field in re.split(r"[\t,;|]|::|\s+", line) if field]
    known = known_places(fields)
    return bool(known["user"]) and bool(known["item"])
