import numpy as np
import pytest

from recpress_edge.core.stats import paired_bootstrap, pareto_front, percentile, percentile_upper


@pytest.mark.parametrize(("q", "expected"), [(50, 3), (20, 1), (21, 2), (100, 5), (1, 1), (0, 1)])
def test_nearest_rank_percentile(q, expected):
    assert percentile([5, 3, 1, 4, 2], q) == expected


def test_no_samples_is_an_error():
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)


def test_upper_bound_needs_enough_samples():
    # .9^n <= .00135 first holds at n = 63, .99^n at n = 658
    assert percentile_upper(range(62), 90) is None
    assert percentile_upper(range(63), 90) == 62
    assert percentile_upper(range(657), 99) is None
    assert percentile_upper(range(658), 99) == 657


def test_upper_bound_covers_the_true_percentile():
    rng = np.random.default_rng(0)
    misses = sum(percentile_upper(rng.random(500), 90, confidence=0.95) < 0.9 for _ in range(400))
    assert misses / 400 < 0.08


def test_paired_bootstrap_covers_a_known_shift():
    rng = np.random.default_rng(1)
    before = rng.integers(0, 2, 2000).astype(float)
    after = np.where(rng.random(2000) < 0.1, 1.0, before)
    interval = paired_bootstrap(before, after, np.random.default_rng(2))
    assert interval.low < (after - before).mean() == interval.mean < interval.high
    assert interval.high - interval.low < 0.03


def test_paired_bootstrap_of_equal_values_is_a_point():
    same = np.array([0.0, 1.0, np.nan])
    assert paired_bootstrap(same, same, np.random.default_rng(0)).high == 0


def test_pareto_front_keeps_ties_together():
    costs = np.array([[1.0, 5.0], [1.0, 5.0], [2.0, 4.0], [2.0, 6.0], [0.5, 9.0]])
    assert pareto_front(costs).tolist() == [True, True, True, False, True]


@pytest.mark.parametrize(("level", "deviations"), [(None, 1.96), (0.9, 1.645)])
def test_the_bootstrap_interval_has_its_level(level, deviations):
    """Half of 10,000 users gain 1: the mean's deviation is sqrt(.5 · .5 / 10,000) = .005."""
    gained = np.repeat([0.0, 1.0], 5000)
    asked = {} if level is None else {"level": level}
    interval = paired_bootstrap(np.zeros(10_000), gained, np.random.default_rng(0), draws=20_000, **asked)
    assert interval.low == pytest.approx(0.5 - deviations * 0.005, abs=0.0003)
    assert interval.high == pytest.approx(0.5 + deviations * 0.005, abs=0.0003)


def test_the_bootstrap_interval_is_of_95_percent():
    """Of many intervals, each from its own sample, about 1 in 20 misses the truth. At 90 % it is 1 in 10."""
    truth, misses, studies = 0.1, 0, 600
    for seed in range(studies):
        delta = np.random.default_rng(seed).normal(truth, 1.0, 200)
        interval = paired_bootstrap(np.zeros(200), delta, np.random.default_rng(seed + 1), draws=600)
        misses += not interval.low <= truth <= interval.high
    assert 0.03 < misses / studies < 0.075


def test_the_bootstrap_interval_is_as_wide_as_theory_says():
    delta = np.random.default_rng(0).normal(0.0, 1.0, 900)
    interval = paired_bootstrap(np.zeros(900), delta, np.random.default_rng(1), draws=20_000)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * delta.std() / 30, rel=0.03)
