"""A map from features to vectors: a row left out is what the others say of it, and noise says nothing."""

import numpy as np
import pytest

from recpress_edge.core.rng import stream
from recpress_edge.models.closed.feature_rows import FeatureRows, learned_map, stretched

N_ITEMS, WIDTH, DIM = 40, 7, 3


def sparse(table):
    rows, columns = np.nonzero(table)
    indptr = np.searchsorted(rows, np.arange(len(table) + 1)).astype(np.int64)
    return FeatureRows(indptr, columns.astype(np.int64), table[rows, columns], table.shape[1])


@pytest.fixture
def drawn():
    rng = stream(0, "features")
    table = rng.standard_normal((N_ITEMS, WIDTH)) * (rng.random((N_ITEMS, WIDTH)) < 0.5)
    wanted = table @ rng.standard_normal((WIDTH, DIM)) + 2 + 0.3 * rng.standard_normal((N_ITEMS, DIM))
    return table, wanted.astype(np.float32)


def ridge(table, wanted, penalty):
    """Centred ridge regression by its definition: weights, and both means."""
    x, y = table - table.mean(0), wanted - wanted.mean(0)
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y), table.mean(0), wanted.mean(0)


def test_rows_come_back_as_they_are(drawn):
    table, _ = drawn
    assert np.array_equal(sparse(table).dense(3, 9), table[3:9])


def test_the_weights_are_those_of_the_regression(drawn):
    table, wanted = drawn
    learned = learned_map(sparse(table), wanted)
    weights, x_mean, y_mean = ridge(table, wanted.astype(np.float64), learned.ridge)
    assert learned.weights == pytest.approx(weights)
    assert learned.rows(sparse(table[:5] + 1)) == pytest.approx(
        (table[:5] + 1 - x_mean) @ weights + y_mean, rel=1e-4
    )


def test_each_left_out_row_is_what_the_others_say(drawn):
    table, wanted = drawn
    learned = learned_map(sparse(table), wanted)
    for item in (0, 7, N_ITEMS - 1):
        others = np.arange(N_ITEMS) != item
        weights, x_mean, y_mean = ridge(table[others], wanted[others].astype(np.float64), learned.ridge)
        assert learned.left_out[item] == pytest.approx((table[item] - x_mean) @ weights + y_mean, rel=1e-4)
    assert learned.is_better
    assert 0.8 < learned.explained < 1


def test_noise_is_no_better_than_the_mean(drawn):
    table, wanted = drawn
    shuffled = wanted[stream(1, "shuffled").permutation(N_ITEMS)]
    learned = learned_map(sparse(table), shuffled)
    assert not learned.is_better
    assert learned.explained < 0.1


def test_stretched_rows_lie_as_far_from_the_mean_as_known_ones(drawn):
    table, wanted = drawn
    learned = learned_map(sparse(table), wanted)
    moved = stretched(learned, learned.left_out) - wanted.mean(0)
    off = np.sqrt(((wanted - wanted.mean(0)) ** 2).sum(1).mean())
    assert np.linalg.norm(moved, axis=1) == pytest.approx(np.full(N_ITEMS, off), rel=1e-4)


def test_two_items_teach_nothing(drawn):
    table, wanted = drawn
    with pytest.raises(ValueError, match="3 of each are needed"):
        learned_map(sparse(table[:2]), wanted[:2])
