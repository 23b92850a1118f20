"""Lines of a text file, and the report of those that cannot be read."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.units import counted

SHOWN_LINES = 5
SHOWN_CHARACTERS = 80
MAX_ID_CHARACTERS = 256
"""Longer ids are taken for damage: nobody's user id is a paragraph."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many lines that cannot be read may be left out of one file."""

    lines: int = 0
    share: Fraction = Fraction(0)
    """Of all lines; 1/100 is one in a hundred."""

    def of(self, total: int) -> int:
        """The number allowed among ``total`` lines."""
        return max(self.lines, int(self.share * total))


NONE_ALLOWED: Final = Allowance()


def parse_allowance(text: str) -> Allowance:
    """'100' lines or '0.5%' of them, for --skip-bad-lines."""
    number, percent = (text[:-1], True) if text.endswith("%") else (text, False)
    try:
        value = Fraction(number)
    except (ValueError, ZeroDivisionError):
        value = Fraction(-1)
    whole = value.denominator == 1 and "/" not in number
    if value < 0 or (percent and value > 100) or not (percent or whole):
        raise ConfigError(f"--skip-bad-lines {text!r}: write a number of lines, as 100, or a share, as 0.5%")
    return Allowance(share=value / 100) if percent else Allowance(lines=int(value))


@dataclass(slots=True)
class LineReport:
    """Lines of one file that could not be read: the first few, and how many there are."""

    path: Path
    allowance: Allowance = NONE_ALLOWED
    total: int = 0
    """Lines or rows of the file."""
    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)
    """Number and text of those to show, at most ``most_shown``."""
    most_shown: int = SHOWN_LINES
    alone: int = 0
    """Lines of a list that name a user and no item."""

    def add(self, number: int, reason: str, line: str, unit: str = "line") -> None:
        """Note line ``number`` (from 1), or the row of a table that has no lines."""
        self.count += 1
        self.first = sorted([*self.first, (number, f"{unit} {number}: {reason}: {shorten(line)}")])[
            : self.most_shown
        ]

    @property
    def allowed(self) -> int:
        """How many may be left out."""
        return self.allowance.of(self.total)

    @property
    def shown(self) -> list[str]:
        """The first few, as they are shown."""
        return [text for _, text in self.first]

    def check(self, advice: str) -> None:
        """Raise if more lines were noted than may be left out."""
        if self.count <= self.allowed:
            return
        more = self.count - len(self.shown)
        lines = [*self.shown, *([f"and {more:,} more"] if more else [])]
        plural = "line" if self.count == 1 else "lines"
        raise DataError(
            f"{self.path}: cannot read {self.count:,} {plural}"
            + (f", more than the {self.allowed:,} that --skip-bad-lines allows" if self.allowed else "")
            + ": "
            + "; ".join(lines)
            + f". {advice} To leave them out: --skip-bad-lines {self.count}"
        )

    def note(self) -> str:
        """What was left out, for the reader's note; empty where nothing was."""
        alone = f"; {counted(self.alone, 'user')} without items left out" if self.alone else ""
        if not self.count:
            return alone
        return f"{alone}; {counted(self.count, 'bad line')} skipped, the first: {self.shown[0]}"


def shorten(line: str) -> str:
    """A line as Python would quote it, cut when long."""
    cut = line[:SHOWN_CHARACTERS]
    rest = len(line) - len(cut)
    return repr(cut) + (f"… ({rest:,} more characters)" if rest else "")
