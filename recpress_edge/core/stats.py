"""Percentiles, intervals and the Pareto front: small, exact, and stated."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from recpress_edge.core.arrays import F64, Bool

_Z95: Final = 1.96


def percentile(samples: ArrayLike, q: float) -> float:
    """Nearest-rank percentile: the smallest sample with at least q % of all samples at or below it."""
    ordered = np.sort(np.asarray(samples, np.float64).ravel())
    if not ordered.size:
        raise ValueError("no samples")
    return float(ordered[max(math.ceil(q / 100 * ordered.size), 1) - 1])


def percentile_upper(samples: ArrayLike, q: float, confidence: float = 0.99865) -> float | None:
    """Upper bound of the q-th percentile, free of any distribution; None when samples are too few.

    The r-th smallest sample bounds it when P(Binomial(n, q) >= r) <= 1 - confidence. The default is
    three sigma, one side: p90 needs 63 samples, p99 needs 658.
    """
    ordered = np.sort(np.asarray(samples, np.float64).ravel())
    n, p = ordered.size, q / 100
    if not n:
        return None
    j = np.arange(n + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    log_pmf = (
        log_factorial[n]
        - log_factorial[j]
        - log_factorial[n - j]
        + j * math.log(p)
        + (n - j) * math.log1p(-p)
    )
    tail = np.cumsum(np.exp(log_pmf)[::-1])[::-1]  # P(X >= j)
    allowed = np.flatnonzero(tail[1:] <= 1 - confidence) + 1
    return float(ordered[allowed[0] - 1]) if allowed.size else None


def percentile_interval(samples: ArrayLike, q: float) -> tuple[float, float]:
    """95 % interval of a percentile from the order of the samples alone (normal approximation of ranks)."""
    ordered, p = np.sort(np.asarray(samples, np.float64).ravel()), q / 100
    middle, half = ordered.size * p, _Z95 * math.sqrt(ordered.size * p * (1 - p))
    low = max(math.floor(middle - half), 1)
    high = min(math.ceil(middle + half) + 1, ordered.size)
    return float(ordered[low - 1]), float(ordered[high - 1])


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the interval that it may lie in."""

    mean: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """True when the interval is more than a point."""
        return self.high > self.low

    def widened(self, by: float) -> "Interval":
        """At least ``by`` either way."""
        return Interval(self.mean, min(self.low, self.mean - by), max(self.high, self.mean + by))

    def below(self, other: "Interval") -> bool:
        """Lower beyond both intervals."""
        return self.high < other.low


def paired_bootstrap(
    before: F64, after: F64, rng: np.random.Generator, *, draws: int = 2000, level: float = 0.95
) -> Interval:
    """Interval of mean(after - before), resampling users. before (B,), after (B,); NaN pairs are dropped."""
    delta = after - before
    delta = delta[~np.isnan(delta)]
    if not delta.size:
        raise ValueError("no users to compare")
    # Few differences are distinct, so resampling users is one multinomial draw over them.
    values, counts = np.unique(delta, return_counts=True)
    means = rng.multinomial(delta.size, counts / delta.size, size=draws) @ values / delta.size
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Interval(float(delta.mean()), float(low), float(high))


@dataclass(frozen=True, slots=True)
class TestedDifference:
    """A difference of two means with its interval and how surprising it would be were there none."""

    interval: Interval
    """Of second - first."""
    p: float
    """Two-sided."""


def compare_by_user(
    first: F64, second: F64, rng: np.random.Generator, *, over_seeds: bool, draws: int = 10_000
) -> list[TestedDifference]:
    """Paired bootstrap of mean(second) - mean(first), for each of M metrics.

    first (S, B, M), second (T, B, M): S and T seeds of two models on the same B users. Users are drawn with
    replacement, the same for both; ``over_seeds``, so are the seeds of each. The interval is that of
    percentiles, 95 %. p is the share of draws that lie at least as far from the observed difference as that
    lies from 0, the observed one counted (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993,
    sections 13.3 and 16.4; for rankings Sakai, SIGIR 2006). Few seeds, drawn from, vary by (S - 1) / S too
    little: their deviations are stretched by as much.
    """
    if first.shape[1:] != second.shape[1:] or not first.shape[1]:
        raise ValueError(f"no pairs of users to compare: {first.shape} and {second.shape}")
    users = first.shape[1]
    sides = [first, second]
    if not over_seeds:
        sides = [side.mean(axis=0, keepdims=True) for side in sides]
    observed = second.mean(axis=(0, 1)) - first.mean(axis=(0, 1))  # (M,)
    drawn = np.empty((draws, observed.size))
    for draw in range(draws):
        times = np.bincount(rng.integers(0, users, users), minlength=users) / users  # (B,)
        means = [_seed_mean(np.tensordot(side, times, (1, 0)), rng) for side in sides]
        drawn[draw] = means[1] - means[0]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    # a sum in another order is off by a rounding: what is equal to the observed one counts
    far = np.abs(drawn - observed) >= np.abs(observed) - 1e-12
    p = (1 + far.sum(axis=0)) / (1 + draws)
    figures = zip(observed, low, high, p, strict=True)
    return [
        TestedDifference(Interval(float(d), float(lo), float(hi)), float(at)) for d, lo, hi, at in figures
    ]


def _seed_mean(by_seed: F64, rng: np.random.Generator) -> F64:
    """Mean over seeds that are drawn with replacement; of one seed, its own. by_seed (S, M) -> (M,)."""
    seeds = len(by_seed)
    mean: F64 = by_seed.mean(axis=0)
    if seeds == 1:
        return mean
    drawn: F64 = by_seed[rng.integers(0, seeds, seeds)].mean(axis=0)
    return mean + (drawn - mean) * math.sqrt(seeds / (seeds - 1))


def bootstrap_percentile(
    samples: ArrayLike, q: float, rng: np.random.Generator, *, block: int = 500, draws: int = 1000
) -> F64:
    """The q-th percentile of ``draws`` resamples, (draws,). Blocks of neighbours are drawn, not samples.

    Samples that follow each other share whatever disturbed them; drawn one by one they would promise more
    than they know. With few samples blocks are shorter, so that there are twenty to draw from, or one sample
    each.
    """
    values = np.asarray(samples, np.float64).ravel()
    size = max(min(block, values.size // 20), 1)
    count = -(-values.size // size)
    order = np.argsort(values, kind="stable")
    block_of = np.arange(values.size)[order] // size  # (N,) of the sorted samples
    ordered, found = values[order], np.empty(draws)
    for draw in range(draws):
        times = np.bincount(rng.integers(0, count, count), minlength=count)
        reached = np.cumsum(times[block_of])
        rank = max(math.ceil(q / 100 * reached[-1]), 1)
        found[draw] = ordered[np.searchsorted(reached, rank)]
    return found


def pareto_front(costs: F64) -> Bool:
    """Which rows no other row dominates, all columns to be minimised. costs (N, M) -> (N,).

    A row dominates another when it is nowhere worse and somewhere better; equal rows stay together.
    """
    no_worse = (costs[:, None, :] <= costs[None, :, :]).all(axis=2)
    better = (costs[:, None, :] < costs[None, :, :]).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0))
