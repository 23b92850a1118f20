"""Lines of a text file, and the report of those that cannot be read."""

from dataclasses import dataclass, field
from pathlib import Path

from recpress_edge.core.errors import DataError

SHOWN_LINES = 5
SHOWN_CHARACTERS = 80
MAX_ID_CHARACTERS = 256
"""Longer ids are taken for damage: nobody's user id is a paragraph."""


@dataclass(slots=True)
class LineReport:
    """Lines of one file that could not be read: the first few, and how many there are."""

    path: Path
    shown: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, number: int, reason: str, line: str) -> None:
        """Note line ``number`` (from 1)."""
        self.count += 1
        if len(self.shown) < SHOWN_LINES:
            self.shown.append(f"  line {number}: {reason}: {shorten(line)}")

    def check(self, advice: str) -> None:
        """Raise if any line was noted."""
        if not self.count:
            return
        more = self.count - len(self.shown)
        lines = [*self.shown, *([f"  and {more:,} more"] if more else [])]
        plural = "line" if self.count == 1 else "lines"
        raise DataError(
            f"{self.path}: cannot read {self.count:,} {plural}\n" + "\n".join(lines) + f"\n{advice}"
        )


def shorten(line: str) -> str:
    """A line as Python would quote it, cut when long."""
    cut = line[:SHOWN_CHARACTERS]
    rest = len(line) - len(cut)
    return repr(cut) + (f"… ({rest:,} more characters)" if rest else "")


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, without their ends; raises :class:`DataError` for anything else.

    Only a line feed ends a line (a carriage return before it goes too): other Unicode line
    separators may be part of an id.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"no such file: {path}. Check the path; nothing was imported.") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    if not data.strip():
        raise DataError(f"{path} is empty: expected one interaction a line")
    nul = data.find(b"\0")
    if nul >= 0:
        raise DataError(
            f"{path}: line {_line_number(data, nul)} holds a NUL byte: this is not a text file, or is damaged"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = _line_number(error.object, error.start)
        raw = error.object.split(b"\n")[number - 1].decode("utf-8", "backslashreplace")
        raise DataError(
            f"{path}: line {number} is not UTF-8: {shorten(raw)}. Convert the file, for example: "
            f"iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}"
        ) from None
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _line_number(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1
