import numpy as np
import pytest

from recpress_edge.core.metrics import popularity_groups


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([6, 1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1, 1]),  # half of the interactions each
        ([1, 1, 0, 1, 3], [1, 1, 1, 1, 0]),
        ([0, 0], [1, 1]),  # nothing known: all rare
        ([2, 2, 2, 2], [0, 0, 1, 1]),  # ties to the lower index
    ],
)
def test_two_halves(counts, expected):
    assert popularity_groups(np.array(counts), 2).tolist() == expected


def test_groups_hold_equally_many_interactions():
    counts = np.random.default_rng(0).geometric(0.05, size=3000)
    groups = popularity_groups(counts, 4)
    held = np.bincount(groups, weights=counts)
    assert held == pytest.approx(np.full(4, counts.sum() / 4), rel=0.01)
    assert all(counts[groups == g].min() >= counts[groups == g + 1].max() for g in range(3))
