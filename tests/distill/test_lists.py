"""Draws from ranking lists: their frequencies, what they never return, and lists that are too short."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from small_data import two_tastes

from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill import lists
from recpress_edge.distill.lists import (
    EMPTY,
    Unlisted,
    distinct_draw,
    geometric_draw,
    listed_pairs,
    listed_products,
    places_in,
    ranked_draw,
    weighted_draw,
)
from recpress_edge.models.outputs import ranking_length


def test_ranked_draw_keeps_the_order_and_repeats_nothing():
    lists = np.stack([np.random.default_rng(row).permutation(50) for row in range(20)]).astype(np.int32)
    drawn = ranked_draw(lists, 8, 10.0, stream(0, "test"))
    for row, line in zip(lists.tolist(), drawn.tolist(), strict=True):
        places = [row.index(item) for item in line]
        assert places == sorted(set(places))


def test_ranked_draw_has_the_probabilities_of_sequential_drawing():
    """Two of three without replacement, p ∝ e^{−rank / 2}: P(set) summed over both orders."""
    p = np.exp(-np.arange(3) / 2)
    p /= p.sum()
    lists = np.tile(np.array([[7, 8, 9]], np.int32), (40_000, 1))
    found = Counter(map(tuple, ranked_draw(lists, 2, 2.0, stream(0, "test")).tolist()))
    for i, j in itertools.combinations(range(3), 2):
        expected = p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])
        assert found[(7 + i, 7 + j)] / 40_000 == pytest.approx(expected, abs=0.012)  # five standard errors


def test_ranked_draw_of_short_lists():
    lists = np.array([[3, 1, EMPTY, EMPTY], [EMPTY] * 4, [5, 6, 7, 8]], np.int32)
    drawn = ranked_draw(lists, 3, 10.0, stream(0, "test"))
    assert drawn[0].tolist() == [3, 1, EMPTY]
    assert drawn[1].tolist() == [EMPTY] * 3
    assert ranked_draw(lists, 9, 10.0, stream(0, "test"))[2].tolist() == [5, 6, 7, 8]


def test_distinct_draw_is_a_uniform_subset():
    drawn = distinct_draw(np.full(30_000, 5), 3, stream(0, "test"))
    assert all(len(set(row)) == 3 for row in drawn.tolist())
    found = Counter(frozenset(row) for row in drawn.tolist())
    assert len(found) == 10  # of five choose three
    for count in found.values():
        assert count / 30_000 == pytest.approx(0.1, abs=0.009)


def test_distinct_draw_of_fewer_than_asked_takes_all():
    drawn = distinct_draw(np.array([0, 1, 3, 4]), 4, stream(0, "test"))
    assert [sorted(row) for row in drawn.tolist()] == [
        [EMPTY] * 4,
        [EMPTY] * 3 + [0],
        [EMPTY, 0, 1, 2],
        [0, 1, 2, 3],
    ]


def test_unlisted_counts_past_what_is_listed():
    listed = Interactions.from_pairs(np.array([0, 0, 2, 2, 2]), np.array([0, 3, 0, 1, 4]), 3, 5)
    unlisted = Unlisted(listed)
    assert unlisted.counts.tolist() == [3, 5, 2]
    places = np.array([[0, 1, 2], [0, 4, EMPTY], [0, 1, EMPTY]])
    assert unlisted.at(places).tolist() == [[1, 2, 4], [0, 4, EMPTY], [2, 3, EMPTY]]


def test_unlisted_draws_are_everything_but_the_listed():
    train = two_tastes().train
    drawn = Unlisted(train).draw(80, stream(0, "test"))
    for user in range(train.n_users):
        assert sorted(set(drawn[user]) - {EMPTY}) == sorted(set(range(80)) - set(train.of(user).tolist()))
        assert (drawn[user] == EMPTY).sum() == len(train.of(user))


def test_pairs_from_lists_and_from_the_other_side():
    pairs = listed_pairs(np.array([[2, 0, EMPTY], [EMPTY] * 3], np.int32), 4)
    assert (pairs.n_users, pairs.n_items, pairs.of(0).tolist(), pairs.of(1).tolist()) == (2, 4, [0, 2], [])
    other = pairs.transposed()
    assert [other.of(item).tolist() for item in range(4)] == [[0], [], [0], []]


def test_a_weight_of_zero_is_never_drawn():
    lists = np.array([[4, 5, 6, 7]], np.int32)
    weights = np.array([[-np.inf, 0.0, -np.inf, 3.0]], np.float32)
    assert sorted(weighted_draw(lists, weights, 3, stream(0, "test"))[0].tolist()) == [EMPTY, 5, 7]


def test_geometric_draw_has_its_probabilities():
    counts = np.array([0, 1, 3])
    drawn = geometric_draw(counts, 30_000, 2.0, stream(0, "test"))
    assert set(drawn[0].tolist()) == {EMPTY}
    assert set(drawn[1].tolist()) == {0}
    p = np.exp(-np.arange(3) / 2)
    assert np.bincount(drawn[2], minlength=3) / 30_000 == pytest.approx(p / p.sum(), abs=0.012)


def test_places_in_lists():
    lists = np.array([[5, 2, EMPTY], [0, 1, 3]], np.int32)
    columns = np.array([[2, 5, 0, EMPTY], [3, EMPTY, 0, 5]])
    assert places_in(lists, columns, 6).tolist() == [[1, 0, 3, 3], [2, 3, 0, 3]]
    # Many rows: what one block of them listed is forgotten before the next.
    many = [np.tile(part, (700, 1)) for part in (lists, columns)]
    many[0][600:] = EMPTY
    places = places_in(*many, 6)
    assert places[:600].tolist() == [[1, 0, 3, 3], [2, 3, 0, 3]] * 300
    assert (places[600:] == 3).all()


# Products with listed rows only, against the look-up that autograd knows.


@pytest.mark.parametrize("block", [lists._BLOCK_VALUES, 3 * 4 * 5])
def test_value_and_gradient_are_those_of_the_look_up(monkeypatch, block):
    monkeypatch.setattr(lists, "_BLOCK_VALUES", block)  # all at once, or three rows at a time
    generator = torch.Generator().manual_seed(0)
    columns = torch.randint(0, 9, (8, 4), generator=generator)
    columns[2] = 5  # one row listed four times
    weights = torch.randn(8, 4, generator=generator)
    results = []
    for products in (
        listed_products,
        lambda rows, table, columns: (rows[:, None] * table[columns]).sum(dim=2),
    ):
        made = torch.Generator().manual_seed(1)
        rows, table = (torch.randn(n, 5, generator=made).requires_grad_() for n in (8, 9))
        value = products(rows, table, columns)
        (value * weights).sum().backward()
        results.append((value.detach(), rows.grad, table.grad))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_nothing_listed():
    rows, table = torch.ones(2, 3, requires_grad=True), torch.ones(4, 3, requires_grad=True)
    value = listed_products(rows, table, torch.zeros(2, 0, dtype=torch.int64))
    assert value.shape == (2, 0)
    value.sum().backward()
    assert table.grad.abs().sum() == 0


def test_unlisted_of_train_and_lists_are_those_of_both_together_whatever_the_block(monkeypatch):
    train = two_tastes().train
    rng = np.random.default_rng(0)
    ranked = np.full((train.n_users, 6), EMPTY, np.int32)
    for user in range(train.n_users):
        free = np.setdiff1d(np.arange(80), train.of(user))
        ranked[user, : user % 7] = rng.permutation(free)[: user % 7]
    both = Unlisted(train.union(listed_pairs(ranked, 80)))
    apart = Unlisted(train, ranked)
    assert apart.counts.tolist() == both.counts.tolist()
    whole = both.draw(60, stream(0, "test"))
    monkeypatch.setattr(lists, "_BLOCK_ROWS", 7)
    assert np.array_equal(apart.draw(60, stream(0, "test")), whole)
    assert np.array_equal(both.draw(60, stream(0, "test")), whole)


def test_a_draw_in_blocks_is_the_draw_of_all_at_once(monkeypatch):
    ranked = np.tile(np.arange(30, dtype=np.int32), (50, 1))
    whole = ranked_draw(ranked, 8, 5.0, stream(0, "test"))
    monkeypatch.setattr(lists, "_BLOCK_ROWS", 3)
    assert np.array_equal(ranked_draw(ranked, 8, 5.0, stream(0, "test")), whole)


def test_lists_of_many_users_are_shorter():
    assert [ranking_length(n, 10**6) for n in (0, 10**5, 2**18, 10**7)] == [1000, 1000, 512, 100]
    assert ranking_length(10, 30) == 30
