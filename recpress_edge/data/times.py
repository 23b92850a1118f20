"""Times: numbers and dates read, units told apart, the range in dates."""

import functools
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import F64, Bool
from recpress_edge.core.errors import ConfigError

FIRST_UNIX_TIME: Final = 1e8
"""From here on, March 1973, a number in a column without a name is a time, not a rating."""

UNITS: Final[Mapping[str, float]] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""--time-unit to what one second is in it."""
BY_SIZE: Final = "by-size"
DAYS: Final = "yyyymmdd"
"""Of --time-unit: numbers such as 20240501 are days."""
_NAMES: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_LAST_YEAR: Final = 2200


_ISO: Final = re.compile(r"\d{4}-?\d\d-?\d\d(?:[Tt ]|$)")
"""How a date of ISO 8601 begins: Python takes any character between the day and the clock."""
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d+,\d{1,2}")
"""'4,5'. With three digits it may be a thousand."""
_CLOCKS: Final = ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p")
_FORMS: Final = (
    *(f"{day}{clock}" for day in ("%Y/%m/%d", "%Y.%m.%d", "%d.%m.%Y", "%d-%b-%Y") for clock in _CLOCKS),
    *("%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y"),
    "%m %d, %Y",  # Amazon's reviewTime
    *(
        "%a %b %d %H:%M:%S %z %Y",
        "%a %b %d %H:%M:%S %Y",
        "%a, %d %b %Y %H:%M:%S",
        "%a, %d %b %Y %H:%M:%S %z",
    ),  # Foursquare, ctime, mail
    "%d/%b/%Y:%H:%M:%S %z",  # web servers
)
_SLASHED: Final = re.compile(r"(\d{1,2})/(\d{1,2})/\d{4}(?:[ T].*)?")
DATE_ORDERS: Final[Mapping[str, str]] = {"dmy": "%d/%m/%Y", "mdy": "%m/%d/%Y"}
"""--date-order to how 3/4/2024 is read."""


def read_number(text: str) -> float | None:
    """A finite number as data has it: '4', '4.5', '4,5', '-1e3', not '1_0', '4,500' or 'nan'."""
    try:
        value = float(text.replace(",", ".") if _DECIMAL_COMMA.fullmatch(text.strip()) else text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def read_time(text: str, order: str | None = None) -> float | None:
    """A number as it is, or a date as Unix seconds; ``order``, a key of DATE_ORDERS, is for 3/4/2024."""
    value = read_number(text)
    return read_date(text, order) if value is None else value


@functools.lru_cache(maxsize=2**16)
def read_date(text: str, order: str | None = None) -> float | None:
    """Unix seconds of a date of ISO 8601 or of another common form, or None; one without a zone is UTC."""
    bare = text.strip()
    if len(bare) < len("2023-1-1") or bare.isdigit():
        return None
    if not _ISO.match(bare):
        return _in_other_form(bare.removesuffix(" UTC").removesuffix(" GMT"), order)
    try:
        date = datetime.fromisoformat(bare.removesuffix(" UTC"))
    except ValueError:
        return _in_other_form(bare.removesuffix(" UTC").removesuffix(" GMT"), order)
    return _seconds(date)


def _in_other_form(text: str, order: str | None) -> float | None:
    forms: Sequence[str] = _FORMS
    if _SLASHED.fullmatch(text):
        forms = [f"{DATE_ORDERS[order]}{clock}" for clock in _CLOCKS] if order else ()
    for form in forms:
        try:
            return _seconds(datetime.strptime(text, form))
        except ValueError:
            continue
    return None


def _seconds(date: datetime) -> float:
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def date_order(path: Path, texts: Mapping[str, int], total: int, chosen: str | None) -> str | None:
    """The key of DATE_ORDERS in which slashed dates such as 3/4/2024 are read; None where there is none.

    texts: how often each occurs that is neither a number nor a date of ISO 8601, of ``total`` times. A
    number above 12 tells which is the day; where no date has one, it is a ConfigError that asks. Where
    most texts are something else, slashed dates are damage, which the reader reports.
    """
    matches = {text: _SLASHED.fullmatch(text.strip()) for text in texts}
    found = [match for match in matches.values() if match]
    if sum(texts[text] for text, match in matches.items() if match) <= total / 2:
        found = []
    if not found and chosen is not None:
        raise ConfigError(f"--date-order {chosen}: no time of {path} is a date such as 3/4/2024. Remove it.")
    if not found or chosen is not None:
        return chosen
    beyond = {order: any(int(one[day]) > 12 for one in found) for order, day in (("dmy", 1), ("mdy", 2))}
    fitting = [order for order in beyond if beyond[order]]
    if len(fitting) == 1:
        return fitting[0]
    why = (
        "some have a first number above 12 and some a second" if fitting else "no number in them is above 12"
    )
    raise ConfigError(
        f"{path}: dates such as {found[0][0]!r} may be day/month or month/day: {why}. "
        "Say which: --date-order dmy or --date-order mdy"
    )


def is_date(text: str) -> bool:
    """Whether a text is a date in any form and order."""
    return any(read_date(text, order) is not None for order in (None, *DATE_ORDERS))


def in_seconds(times: F64, unit: str | None, dated: Bool | None = None) -> tuple[F64, str]:
    """Times (n,) in Unix seconds where their unit can be told, and their range in dates.

    ``dated`` (n,): which were written as dates, and are in seconds already. Numbers too small for Unix
    times, such as day 17, stay as they are. Several units in one log are a ConfigError unless ``unit``, a
    key of UNITS, BY_SIZE or DAYS, settles them; so is a unit where all times are dates.
    """
    if dated is None or not dated.any():
        return _numbers_in_seconds(times, unit)
    if dated.all():
        if unit is not None:
            raise ConfigError(f"--time-unit {unit}: the times are dates, which have no unit. Remove it.")
        return times, _range(times, dated=True)
    seconds = times.copy()
    seconds[~dated], _ = _numbers_in_seconds(times[~dated], unit)
    return seconds, _range(seconds, dated=True)


def _numbers_in_seconds(times: F64, unit: str | None) -> tuple[F64, str]:
    days = _calendar_days(times)
    if unit is None and _are_clocks(times):
        raise ConfigError(
            f"{len(times):,} times are numbers such as {times[0]:.0f}, which may be a day and a clock. Say "
            f"--time-unit {'|'.join(UNITS)} if they count from 1970; else write them as 2024-05-01 12:30:00, "
            "for example with --query and strptime."
        )
    if unit is None and days.any() and days[times < FIRST_UNIX_TIME].all():
        raise ConfigError(
            f"{int(days.sum()):,} times are numbers such as {times[days][0]:.0f}, which may be days. Say "
            f"--time-unit {DAYS} if they are, or --time-unit s if they are seconds."
        )
    if unit == DAYS:
        if not days.all():
            raise ConfigError(f"--time-unit {DAYS}: {times[~days][0]:g} is no day such as 20240501.")
        seconds = _seconds_of_days(times)
        return seconds, _range(seconds, dated=True)
    least, most = _unit_of(np.array([times.min(), times.max()]))
    if least == most and unit in (None, BY_SIZE):
        seconds = times if least <= 0 else times / list(UNITS.values())[least]
        return seconds, _range(seconds, bool(least >= 0))
    found = _unit_of(times)
    kinds = {name: place for place, name in enumerate(UNITS) if (found == place).any()}
    if unit is None and len(kinds) > 1:
        parts = ", ".join(
            f"{int((found == place).sum()):,} in {_NAMES[name]}" for name, place in kinds.items()
        )
        raise ConfigError(
            f"the times are in several units, by their size: {parts}. Say --time-unit by-size to read each "
            f"by its size, or --time-unit {'|'.join(UNITS)} where all are in one; or correct the file."
        )
    if unit == BY_SIZE or unit is None:
        scale = np.ones(len(times))
        for name, place in kinds.items():
            scale[found == place] = UNITS[name]
    else:
        scale = np.full(len(times), UNITS[unit])
    seconds = times / scale
    return seconds, _range(seconds, bool(kinds) or unit is not None)


def _calendar_days(times: F64) -> NDArray[np.bool_]:
    """Which times (n,) are whole numbers that name a day between 1900 and 2199: 20240501."""
    found: NDArray[np.bool_] = np.zeros(len(times), np.bool_)
    if times.min(initial=np.inf) >= _LAST_YEAR * 10_000:
        return found
    found = (times >= 1900 * 10_000) & (times < _LAST_YEAR * 10_000)
    near = times[found]
    month, day = near // 100 % 100, near % 100
    found[found] = (near == np.floor(near)) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return found


def _are_clocks(times: F64) -> bool:
    """Whether all are whole numbers that name a day and its minutes, or its seconds too: 202405011230."""
    low, high = float(times.min()), float(times.max())
    for digits in (10_000, 1_000_000):
        if low < 1900 * 10_000 * digits or high >= _LAST_YEAR * 10_000 * digits:
            continue
        clock = times % digits
        minutes, hours = clock % 100, clock // (digits // 100)
        if _calendar_days(times // digits).all() and (minutes < 60).all() and (hours < 24).all():
            return bool((times == np.floor(times)).all())
    return False


def _seconds_of_days(times: F64) -> F64:
    distinct, place = np.unique(times.astype(np.int64), return_inverse=True)
    texts = [f"{day // 10_000}-{day // 100 % 100:02}-{day % 100:02}" for day in distinct.tolist()]
    seconds = [read_date(text) for text in texts]
    if None in seconds:
        raise ConfigError(f"--time-unit {DAYS}: {texts[seconds.index(None)]} is no day of the calendar.")
    return np.array(seconds, np.float64)[place]


def _unit_of(times: F64) -> NDArray[np.int8]:
    """The place in UNITS (n,) of the unit in which each time lies between 1973 and 2286; -1 where it is too
    small for any.
    """
    found = np.full(len(times), -1, np.int8)
    for power in range(len(UNITS)):
        found[times >= FIRST_UNIX_TIME * 1000**power] = power
    found[(times >= 1e10) & (found == 0)] = 1
    return found


def _range(seconds: F64, dated: bool) -> str:
    low, high = float(seconds.min()), float(seconds.max())
    if not dated:
        return f"times {low:g} to {high:g}, which are no Unix times"
    texts = [date_text(value) for value in (low, high)]
    early = int((seconds < FIRST_UNIX_TIME).sum())
    late = int((seconds > datetime.now(UTC).timestamp() + 366 * 86_400).sum())
    odd = f"; {early:,} before 1973" * bool(early) + f"; {late:,} more than a year from now" * bool(late)
    return f"times from {texts[0]} to {texts[1]}{odd}"


def date_text(seconds: float, *, clock: bool = False) -> str:
    """Unix seconds as a date, with its time of day on demand; a number that is no Unix time as it is."""
    if seconds < FIRST_UNIX_TIME:
        return f"{seconds:g}"
    try:
        date = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g}"
    if date.year >= _LAST_YEAR:
        return f"the year {date.year}"
    return f"{date:%Y-%m-%d %H:%M:%S} UTC" if clock else f"{date:%Y-%m-%d}"
