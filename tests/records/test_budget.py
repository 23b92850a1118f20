"""Budgets: limits are inclusive, and what is not known does not fit."""

from recpress_edge.records.budget import Budget, Cost, checks, fits, misses

COST = Cost(file_bytes=1000, p95_ns=5_000_000, peak_bytes=64 * 2**20)


def test_limits_are_inclusive():
    assert fits(COST, Budget(max_file_bytes=1000, max_p95_ns=5_000_000, max_peak_bytes=64 * 2**20))


def test_every_broken_limit_is_named_with_its_margin():
    found = misses(COST, Budget(max_file_bytes=999, max_p95_ns=4_000_000, max_peak_bytes=65 * 2**20))
    assert [(c.constraint, c.margin) for c in found] == [("file_bytes", -1), ("p95_ns", -1_000_000)]


def test_checks_cover_only_the_limits_that_are_set():
    (only,) = checks(COST, Budget(max_p95_ns=6_000_000))
    assert only.holds
    assert str(only) == "p95 5.0 ms ≤ 6.0 ms (1.0 ms left)"
    assert str(misses(COST, Budget(max_file_bytes=400))[0]) == "file 1000 B > 400 B (600 B over)"


def test_an_unknown_cost_does_not_fit():
    (missed,) = misses(Cost(file_bytes=1, p95_ns=1, peak_bytes=None), Budget(max_peak_bytes=2**40))
    assert missed.margin is None
    assert "not known" in str(missed)


def test_a_limit_of_zero_is_a_limit():
    assert not fits(COST, Budget(max_file_bytes=0))
    assert Budget(max_file_bytes=0).limited
    assert not Budget().limited
    assert str(Budget()) == "none"
