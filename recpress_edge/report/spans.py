"""A figure with the interval it may lie in."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from recpress_edge.core.stats import F64, percentile

_Z95: Final = 1.96
# Two runs of one file in processes minutes apart differ by this much, however many samples each has.
TIME_RESOLUTION: Final = 0.03


@dataclass(frozen=True, slots=True)
class Span:
    """A mean with the interval it may lie in."""

    mean: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """True when the interval is more than a point."""
        return self.high > self.low

    def widened(self, by: float) -> "Span":
        """At least ``by`` either way."""
        return Span(self.mean, min(self.low, self.mean - by), max(self.high, self.mean + by))

    def below(self, other: "Span") -> bool:
        """Lower beyond both intervals."""
        return self.high < other.low


def exact(value: float) -> Span:
    """A value that has no interval."""
    return Span(value, value, value)


def pooled(spans: Sequence[Span]) -> Span:
    """The mean of means, and the interval around all of them."""
    means, lows, highs = zip(*((span.mean, span.low, span.high) for span in spans), strict=True)
    return Span(float(np.mean(means)), min(lows), max(highs))


def timed(samples: Sequence[int], q: float) -> Span:
    """The q-th percentile of one run's samples, with the interval that a further run may show."""
    values = np.asarray(samples, np.float64)
    middle = percentile(values, q)
    return Span(middle, *percentile_interval(values, q)).widened(TIME_RESOLUTION * middle)


def percentile_interval(samples: F64, q: float) -> tuple[float, float]:
    """95 % interval of a percentile from the order of the samples alone (normal approximation of ranks)."""
    ordered, p = np.sort(samples), q / 100
    middle, half = ordered.size * p, _Z95 * math.sqrt(ordered.size * p * (1 - p))
    low = max(math.floor(middle - half), 1)
    high = min(math.ceil(middle + half) + 1, ordered.size)
    return float(ordered[low - 1]), float(ordered[high - 1])
