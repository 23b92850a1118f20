"""Axes of costs: round values in the units that people read."""

import math
from collections.abc import Sequence
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from recpress_edge.report.axes import Axis

_LOG_FROM: Final = 6.0
"""Largest over smallest from which an axis is logarithmic."""


def scale_costs(axes: Axes, axis: Axis, values: Sequence[float]) -> None:
    """Limits with room for labels, a log axis for bytes and for wide ranges, and round ticks."""
    low, high = min(values), max(values)
    binary, form = axis.binary, axis.form
    log = low > 0 and (axis.key == "file_bytes" or high / low > _LOG_FROM)
    low, high = limits(low, high, log=log)
    if log:
        axes.set_xscale("log", base=2 if binary else 10)
        ticks = log_ticks(low, high, binary=binary)
    else:
        ticks = linear_ticks(low, high, binary=binary)
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: form(value).replace(".0 ", " ")))


def limits(low: float, high: float, *, log: bool) -> tuple[float, float]:
    """Ends of an axis: 20 % more on both sides, and never so narrow that noise fills it."""
    if log:
        ratio = high / low
        factor = max(ratio**0.2, 2 / ratio**0.5)
        return low / factor, high * factor
    room = max(0.2 * (high - low), 0.5 * (0.2 * max(abs(low), abs(high), 1.0) - (high - low)))
    return low - room, high + room


def linear_ticks(low: float, high: float, *, binary: bool) -> list[float]:
    """Four to eight multiples of a round step within [low, high]; of KiB or MiB when binary."""
    unit = (2.0**20 if high >= 2**20 else 2.0**10) if binary else 1.0
    step = _nice_step((high - low) / 6 / unit) * unit
    return [step * n for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _nice_step(rough: float) -> float:
    """The next of 1, 2, 5 × 10^n at or above ``rough``."""
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(power * digit for digit in (1.0, 2.0, 5.0, 10.0) if power * digit >= rough * 0.999)


def log_ticks(low: float, high: float, *, binary: bool) -> list[float]:
    """At most seven round values within [low, high]: powers of two, or 1-2-5 steps."""
    if binary:
        exponents = range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)
        ticks = [2.0**e for e in exponents]
    else:
        decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        ticks = [digit * 10.0**d for d in decades for digit in (1, 2, 5) if low <= digit * 10.0**d <= high]
    stride = math.ceil(len(ticks) / 7)
    return ticks[::stride]
