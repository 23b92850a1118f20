"""Lists of large tables: the same as by whole rows of scores, whatever type the rough product has."""

import numpy as np
import pytest
import torch

from recpress_edge.data.interactions import Interactions
from recpress_edge.models import large_lists, outputs
from recpress_edge.models.large_lists import best_within
from recpress_edge.models.outputs import Tables
from recpress_edge.models.ranking import top_of_tables, top_unobserved


def _case(n_users=40, n_items=900, dim=16):
    rng = np.random.default_rng(3)
    user_emb, item_emb = (rng.normal(size=(rows, dim)).astype(np.float32) for rows in (n_users, n_items))
    item_emb *= rng.lognormal(0, 0.5, size=(n_items, 1)).astype(np.float32)
    item_emb[100:140] = item_emb[700]  # ties, on the lists of some
    user_emb[5] = 0.0  # all items tie
    users, items = rng.integers(n_users, size=1000), rng.integers(n_items, size=1000)
    full = np.full(n_items - 4, 7), np.arange(n_items - 4)  # one who has nearly all: a list that ends early
    train = Interactions.from_pairs(
        np.concatenate([users, full[0]]), np.concatenate([items, full[1]]), n_users, n_items
    )
    return Tables(user_emb, item_emb), train


def _rows(tables):
    """Scores as they are defined: sums in float64 of the products of two rows."""
    wide = tables.item_emb.astype(np.float64)
    return lambda users: (tables.user_emb[users][:, None, :] * wide).sum(axis=2)


@pytest.mark.parametrize("rough", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("shift", [0.0, -3.0])  # with −3 the scores of many users are all below zero
def test_lists_are_those_by_whole_rows(monkeypatch, rough, shift):
    for name, value in (("USERS", 17), ("_COLUMNS", 50), ("_FIRST", 60)):
        monkeypatch.setattr(large_lists, name, value)
    monkeypatch.setattr(large_lists, "_rough_type", lambda: rough)
    tables, train = _case()
    tables = Tables(tables.user_emb + np.float32(shift) * (tables.user_emb != 0), tables.item_emb - shift)
    found, expected = best_within(tables, train, 25), top_unobserved(_rows(tables), train, 25)
    np.testing.assert_array_equal(found.items, expected.items)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert (found.items[7] == -1).sum() == 21


def test_a_large_teacher_has_the_lists_of_a_small_one(monkeypatch):
    tables, train = _case()
    whole = top_of_tables(tables, train, 25)
    monkeypatch.setattr(outputs, "LARGE_SCORES", 1)
    large = top_of_tables(tables, train, 25)
    np.testing.assert_allclose(large.scores, whole.scores, rtol=1e-4, atol=1e-6)
    assert (large.items != whole.items).mean() < 0.01  # only what float32 cannot tell apart
