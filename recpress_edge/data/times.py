"""Times: numbers and dates read, units told apart, the range in dates."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.errors import ConfigError

F64 = NDArray[np.float64]

FIRST_UNIX_TIME: Final = 1e8
"""From here on, March 1973, a number in a column without a name is a time, not a rating."""

UNITS: Final[Mapping[str, float]] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""--time-unit to what one second is in it."""
BY_SIZE: Final = "by-size"
_NAMES: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_LAST_YEAR: Final = 2200


def read_number(text: str) -> float | None:
    """A finite number as data has it: '4', '4.5', '-1e3', not '1_0' or 'nan'."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def read_time(text: str) -> float | None:
    """A number as it is, or a date of ISO 8601 as Unix seconds; one without a zone is UTC."""
    value = read_number(text)
    return read_date(text) if value is None else value


def read_date(text: str) -> float | None:
    """Unix seconds of a date of ISO 8601, also with ' UTC' at its end, or None."""
    bare = text.strip()
    if len(bare) < len("2023-1-1") or not bare[:4].isdigit() or bare.isdigit():
        return None
    try:
        date = datetime.fromisoformat(bare.removesuffix(" UTC"))
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def in_seconds(times: F64, unit: str | None) -> tuple[F64, str]:
    """Times (n,) in Unix seconds where their unit can be told, and their range in dates.

    Numbers too small for Unix times, such as day 17, stay as they are. Several units in one log are a
    ConfigError unless ``unit``, a key of UNITS or BY_SIZE, settles them.
    """
    found = _unit_of(times)
    kinds = [name for name in UNITS if (found == name).any()]
    if unit is None and len(kinds) > 1:
        parts = ", ".join(f"{int((found == name).sum()):,} in {_NAMES[name]}" for name in kinds)
        raise ConfigError(
            f"the times are in several units, by their size: {parts}. Say --time-unit by-size to read each "
            f"by its size, or --time-unit {'|'.join(UNITS)} where all are in one; or correct the file."
        )
    if unit == BY_SIZE or unit is None:
        scale = np.ones(len(times))
        for name in kinds:
            scale[found == name] = UNITS[name]
    else:
        scale = np.full(len(times), UNITS[unit])
    seconds = times / scale
    return seconds, _range(seconds, bool(kinds) or unit is not None)


def _unit_of(times: F64) -> NDArray[np.str_]:
    """The unit (n,) in which each time lies between 1973 and 2286; '' where it is too small for any."""
    found = np.full(len(times), "", dtype="U2")
    for power, name in enumerate(UNITS):
        least = FIRST_UNIX_TIME * 1000**power
        found[(times >= least) & (times < (1e10 * 1000**power if name != "ns" else np.inf))] = name
    found[(times >= 1e10) & (found == "")] = "ms"
    return found


def _range(seconds: F64, dated: bool) -> str:
    low, high = float(seconds.min()), float(seconds.max())
    if not dated:
        return f"times {low:g} to {high:g}, which are no Unix times"
    texts = [_date(value) for value in (low, high)]
    early = int((seconds < FIRST_UNIX_TIME).sum())
    late = int((seconds > datetime.now(UTC).timestamp() + 366 * 86_400).sum())
    odd = f"; {early:,} before 1973" * bool(early) + f"; {late:,} more than a year from now" * bool(late)
    return f"times from {texts[0]} to {texts[1]}{odd}"


def _date(seconds: float) -> str:
    try:
        date = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{seconds:g}"
    return f"{date:%Y-%m-%d}" if date.year < _LAST_YEAR else f"the year {date.year}"
