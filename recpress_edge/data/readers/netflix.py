"""The Netflix prize's files: 'film:' in a line of its own, above its lines 'user,rating,date'."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from recpress_edge.data.readers.columns import ColumnChoice, named_layout
from recpress_edge.data.readers.delimited import Record
from recpress_edge.data.readers.plain import PlainFile
from recpress_edge.data.readers.sniff import SNIFFED_LINES
from recpress_edge.data.readers.tables import LogTable

_FILM: Final = re.compile(r"\s*(\d+):\s*")
_RATED: Final = re.compile(r"\s*\d+,\d+,\d{4}-\d\d-\d\d\s*")
_NAMES: Final = ("item", "user", "rating", "date")


def is_netflix(head: Sequence[str]) -> bool:
    """Whether the first lines are a film and those who rated it, and so on."""
    lines = [line for line in head if line.strip()]
    films = [bool(_FILM.fullmatch(line)) for line in lines]
    rest = [line for line, film in zip(lines, films, strict=True) if not film]
    return bool(rest) and films[0] and all(map(_RATED.fullmatch, rest))


def netflix_table(path: Path, plain: PlainFile, choice: ColumnChoice | None) -> LogTable:
    """The rows of all films as one table."""
    layout = named_layout(path, _NAMES, choice)

    def rows() -> Iterator[Record]:
        film = ""
        for number, line in enumerate(plain.lines(), 1):
            if found := _FILM.fullmatch(line):
                film = found[1]
            elif line.strip():
                yield number, [film, *line.split(",")], line

    return LogTable(
        path=path,
        layout=layout,
        note=f"a film, then user,rating,date; {layout.note}",
        head=[fields for _, fields, _ in islice(rows(), SNIFFED_LINES)],
        records=rows,
    )
