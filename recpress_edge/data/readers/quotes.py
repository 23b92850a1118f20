"""Whether the quotes of a delimited file leave no choice, and how many separators stand outside of them."""

import codecs
from pathlib import Path
from typing import Final

import numpy as np

from recpress_edge.data.readers.delimited import LONGEST_FIELD

_CHUNK: Final = 1 << 24


def count_separators(path: Path, mark: str, *, quotes: bool) -> int | None:
    """Separators outside quotes in a file of UTF-8; None where its quotes are not those of RFC 4180.

    Those stand around a whole field and are doubled within it: every other quote opens a field, so that it
    follows a separator or a line end, or is the second half of a doubled one. Nor may a field in quotes go
    on for very many lines: that is a quote that was never closed. ``quotes``: whether the file has any.
    """
    if not quotes:
        return _count_marks(path, mark.encode())
    before, inside, lines, found = b"\n", False, 0, 0
    marks = np.zeros(256, np.bool_)
    marks[[ord(mark), ord("\n"), ord("\r"), ord('"')]] = True
    with path.open("rb") as opened:
        opened.seek(3 if opened.read(3) == codecs.BOM_UTF8 else 0)
        while chunk := opened.read(_CHUNK):
            after = opened.read(1)
            opened.seek(-len(after), 1)
            data = np.frombuffer(before + chunk + (after or b"\n"), np.uint8)
            at = np.flatnonzero(data[1:-1] == ord('"')) + 1
            opening = (np.arange(len(at)) % 2 == 0) ^ inside
            if not marks[np.where(opening, data[at - 1], data[at + 1])].all():
                return None
            ends = np.searchsorted(np.flatnonzero(data[1:-1] == ord("\n")) + 1, [*at, len(data)])
            within = np.diff(ends, prepend=-lines)[int(not inside) :: 2]
            if within.max(initial=0) >= LONGEST_FIELD:
                return None
            separators = np.flatnonzero(data[1:-1] == ord(mark)) + 1
            found += int((np.searchsorted(at, separators) % 2 == int(inside)).sum())
            inside ^= bool(len(at) % 2)
            lines = int(ends[-1] - (ends[-2] if len(at) else -lines)) if inside else 0
            before = chunk[-1:]
    return None if inside else found


def _count_marks(path: Path, mark: bytes) -> int:
    found, tail = 0, b""
    with path.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            found += (tail + chunk).count(mark)
            tail = chunk[len(chunk) - len(mark) + 1 :]
    return found


def separators_in(line: str, mark: str, *, quotes: bool) -> int:
    """Separators outside quotes in a line."""
    parts = line.split('"')[:: 2 if quotes else 1]
    return sum(part.count(mark) for part in parts)
