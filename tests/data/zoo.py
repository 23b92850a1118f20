"""Public data sets in small: their layouts, with people and things that are made up.

A :class:`PublicFormat` is a file (or several) as the public set has it, what is right for it, and what a user
has to say so that it is read. ``test_zoo.py`` imports each, ``docs/reference/formats.md`` has the table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

START: Final = 1_522_714_200
"""2018-04-03 00:10:00 UTC."""
DAY: Final = 86_400
N_ROWS: Final = 20


@dataclass(frozen=True, slots=True)
class Event:
    """One interaction; what a layout has no place for is None."""

    user: str
    item: str
    rating: float | None
    time: float | None
    n: int
    """Its place in the file."""

    @property
    def date(self) -> datetime:
        """The time, as layouts that have dates write it."""
        return datetime.fromtimestamp(self.time or 0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicFormat:
    """A layout of a public data set."""

    name: str
    layout: str
    """In a few words, for the table."""
    files: Mapping[str, bytes]
    """The first is imported."""
    events: Sequence[Event] = ()
    """What is right: none where the file is refused."""
    flags: tuple[str, ...] = ()
    """What a user must say; none where it is read at once."""
    asks: str = ""
    """Where flags are needed: a pattern of the error without them."""
    refused: str = ""
    """A pattern of the error, for a layout that is not read."""
    why: str = ""
    """Why it is refused, or what the flags settle, for the table."""
    waits: str = ""
    """What the reader lacks to do this; the test must fail until it is there."""
    at_once: bool = False
    """Whether the pairs are right without the flags too, which name times or ratings."""

    @property
    def outcome(self) -> str:
        """For the table."""
        if self.waits:
            return "not yet"
        if self.refused:
            return "refused"
        return "with flags" if self.flags and not self.at_once else "at once"


def events(
    user: str | Callable[[int], str],
    item: str | Callable[[int], str],
    *,
    rated: Callable[[int], float] | None = None,
    timed: bool = True,
    by_day: bool = False,
) -> list[Event]:
    """Twenty rows of four users with five of six items each, in no order of ids or times.

    ``user`` and ``item`` are forms such as 'A{}', or functions of a number from 1.
    """
    made = []
    for n in range(N_ROWS):
        who, what = divmod(n * 7 % 24, 6)
        day = n * 11 % N_ROWS
        time = START + DAY * day + (0 if by_day else 61 * n) - (600 if by_day else 0)
        rating = None if rated is None else float(rated(1 + n * 3 % 5))
        made.append(Event(_id(user, who + 1), _id(item, what + 1), rating, float(time) if timed else None, n))
    return made


def _id(form: str | Callable[[int], str], number: int) -> str:
    return form.format(number) if isinstance(form, str) else form(number)


def stars(value: int) -> int:
    """A rating as it is: 1 to 5."""
    return value


def lines(
    rows: Sequence[Event], form: str | Callable[[Event], str], head: str = "", end: str = "\n"
) -> bytes:
    """A line for each event; the form may name u, i, r (rating), t (time in seconds) and n."""
    texts = [
        form(row)
        if callable(form)
        else form.format(u=row.user, i=row.item, r=int(row.rating or 0), t=int(row.time or 0), n=row.n)
        for row in rows
    ]
    return "".join(f"{text}{end}" for text in ([head] if head else []) + texts).encode()


COLUMNS: Final = r"--(columns|user|item)\b"
"""An error that asks what the columns are."""
CHOICE: Final = r"--(only|where)\b"
"""An error that asks which rows count."""
