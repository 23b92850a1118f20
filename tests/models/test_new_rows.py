"""Rows of new users and items: directions as a ridge regression gives them, lengths that fit the others."""

import numpy as np
import pytest

from recpress_edge.core.rng import stream
from recpress_edge.models.new_rows import (
    Bags,
    are_equally_long,
    folded_items,
    folded_users,
    mean_of,
    solved_rows,
)
from recpress_edge.testing.tables import random_tables

U, H = random_tables(300, 200, 8)
BAGS = Bags.of_pairs(np.array([1, 0, 0, 3]), np.array([7, 2, 5, 9]), 4)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_bags_of_pairs_in_any_order():
    assert [BAGS.of(row).tolist() for row in range(4)] == [[2, 5], [7], [], [9]]
    assert len(BAGS) == 4


def test_a_row_is_the_minimum_of_what_is_stated():
    usual = 6.0
    table = U.astype(np.float64)
    variance = float(np.square(table).mean())

    def loss(row, users):
        own = table[users]
        ridge = variance * (len(users) + usual)
        zeros = usual / len(table) * np.square(table @ row).sum()
        return np.square(1 - own @ row).sum() + zeros + ridge * row @ row

    found = solved_rows(BAGS, U, usual)
    for row, users in ((0, [2, 5]), (1, [7]), (3, [9])):
        least = loss(found[row], users)
        for step in stream(0, "steps").standard_normal((20, U.shape[1])) * 1e-3:
            assert loss(found[row] + step, users) > least
    assert not found[2].any()


def test_a_new_item_points_to_its_users_and_reaches_as_many_as_an_item_does():
    users = np.argsort(-(U @ np.ones(8)))[:20]
    bags = Bags.of_pairs(np.zeros(20, np.int64), users, 1)
    row = folded_items(bags, U, H, 10.0)
    scores = U @ row[0]
    assert scores[users].mean() > 3 * abs(scores.mean())
    least = np.partition(U @ H.T, -50, axis=1)[:, -50]
    reach = (scores > least).mean()
    assert reach == pytest.approx(50 / 200, abs=0.02)


def test_what_users_have_seen_is_in_no_list_and_others_are_not_asked():
    best = np.argsort(-(U @ H.T), axis=1)[:, :30]
    asked = np.arange(0, 300, 2)
    seen = Bags.of_pairs(np.repeat(asked, 30), best[asked].ravel(), 300)
    bags = Bags.of_pairs(np.zeros(5, np.int64), np.arange(5), 1)
    free, masked = (np.linalg.norm(folded_items(bags, U, H, 10.0, one)[0]) for one in (None, seen))
    assert masked < free  # lists that lost their heads are easier to enter


def test_no_new_item_is_longer_than_the_longest():
    far = np.zeros((300, 8), np.float32)
    far[:, 0], far[:, 1] = 1.0, 1e-3
    items = np.zeros((200, 8), np.float32)
    items[:, 0] = np.linspace(1, 2, 200)
    rows = folded_items(Bags.of_pairs(np.zeros(1, np.int64), np.array([3]), 1), far, items, 5.0)
    assert np.linalg.norm(rows[0]) <= 2.0 + 1e-5


def test_items_of_a_cosine_stay_of_their_length():
    items = unit(H).astype(np.float32)
    assert are_equally_long(items)
    assert not are_equally_long(H)
    rows = folded_items(BAGS, U, items, 10.0)
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1, 1, 0, 1], abs=1e-6)


def test_a_new_user_points_to_its_items_and_is_as_long_as_users_are():
    row = folded_users(Bags.of_pairs(np.zeros(3, np.int64), np.array([4, 5, 6]), 1), H, U, 10.0)[0]
    assert np.linalg.norm(row) == pytest.approx(float(np.median(np.linalg.norm(U, axis=1))), rel=1e-5)
    assert (H[4:7] @ row).mean() > (H @ row).mean()


def test_an_item_like_others_is_their_mean_and_as_long():
    rows = mean_of(H, [np.array([3]), np.array([3, 8])])
    assert rows[0] == pytest.approx(H[3], rel=1e-5)
    assert np.linalg.norm(rows[1]) == pytest.approx(np.linalg.norm(H[[3, 8]], axis=1).mean(), rel=1e-5)
    assert mean_of(H, []).shape == (0, 8)
    assert np.isfinite(mean_of(np.stack([H[0], -H[0]]), [np.array([0, 1])])).all()


def test_tables_of_zeros_give_zeros():
    zeros = np.zeros((20, 8), np.float32)
    assert not folded_items(BAGS, zeros, zeros, 1.0).any()
