"""Thirds of the train interactions and what each loses, on counts a reader can add up."""

import numpy as np
import pytest

from recpress_edge.core.metrics import popularity_groups
from recpress_export.popularity import recall_by_third


def test_thirds_by_hand():
    # 12 interactions, 4 a third. By count: item 3 (4), item 0 (3), item 4 (2), items 1, 2 (1), item 6 (1).
    counts = np.array([3, 1, 1, 4, 2, 0, 1])
    # Before item 3: 0 -> head. Item 0: 4 -> mid. Item 4: 7 -> mid, across the border. Then 9, 10, 11: tail.
    assert popularity_groups(counts, 3).tolist() == [1, 2, 2, 0, 1, 2, 2]


def test_equal_counts_go_by_index_and_an_item_may_be_a_whole_third():
    assert popularity_groups(np.ones(6, np.int64), 3).tolist() == [0, 0, 1, 1, 2, 2]
    assert popularity_groups(np.array([1, 98, 1]), 3).tolist() == [2, 0, 2]
    assert popularity_groups(np.zeros(3, np.int64), 3).tolist() == [2, 2, 2]


def test_recall_by_third_by_hand():
    # Items 0, 1 head; 2, 3 mid; 4, 5 tail. User 0 wants 0 and 4, user 1 wants 1, user 2 wants 5.
    relevant = [[0, 4], [1], [5]]
    before = np.array([[0, 4], [1, 0], [5, 0]])
    after = np.array([[0, 1], [1, 0], [0, 5]])  # item 4 is lost, and nothing else
    thirds = recall_by_third(before, after, relevant, np.ones(6, np.int64), seed=0)
    assert list(thirds) == ["head", "mid", "tail"]
    assert [third.items for third in thirds.values()] == [2, 2, 2]
    head, mid, tail = thirds.values()
    assert (head.users, head.before, head.after, head.delta.mean) == (2, 1, 1, 0)
    assert (mid.users, mid.before, mid.after, mid.delta) == (0, None, None, None)
    assert (tail.users, tail.before, tail.after) == (2, 1, 0.5)
    assert tail.delta.mean == pytest.approx(-0.5)
    assert tail.delta.low <= -0.5 <= tail.delta.high
