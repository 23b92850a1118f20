"""Ranks counted in tiles against ranks counted on whole rows, with many exact ties."""

import numpy as np
import pytest
import torch
from small_data import dataset, two_tastes

from recpress_edge.core.errors import DataError
from recpress_edge.data.interactions import Interactions
from recpress_edge.models import large_lists, large_ranks, outputs
from recpress_edge.models.large_ranks import ranks_within
from recpress_edge.models.outputs import Tables
from recpress_edge.models.ranking import product_rows
from recpress_edge.training.evaluate import evaluate, relevant_ranks, sampled_users


def _case(seed: int, low: int = -2, high: int = 3) -> tuple[Tables, Interactions, Interactions]:
    rng = np.random.default_rng(seed)
    keys = rng.permutation(50 * 200)[:900]
    pairs = [
        Interactions.from_pairs(*np.divmod(np.sort(part), 200), 50, 200) for part in (keys[:700], keys[700:])
    ]
    tables = Tables(*(rng.integers(low, high, (n, 3)).astype(np.float32) for n in (50, 200)))
    return tables, *pairs


@pytest.mark.parametrize("depth", [1, 7, 50, 200])
@pytest.mark.parametrize("seed", [0, 1])
def test_ranks_are_those_of_whole_rows_down_to_the_depth(seed, depth, monkeypatch):
    for name, value in (("_FIRST", 16), ("_COLUMNS", 5)):
        monkeypatch.setattr(large_lists, name, value)
    monkeypatch.setattr(large_ranks, "USERS", 9)
    tables, seen, relevant = _case(seed)
    rows = product_rows(torch.from_numpy(tables.user_emb), torch.from_numpy(tables.item_emb))
    whole = relevant_ranks(rows, seen, relevant)
    found = ranks_within(tables, seen, relevant, depth)
    assert (whole < depth).any() or depth == 1
    assert found.tolist() == np.where(whole < depth, whole, 200).tolist()


def test_scores_nearer_than_a_float32_product_tells_are_told_apart():
    """The second item is ahead by 2⁻³⁰ of the score: in float32 all three products are equal."""
    tables = Tables(
        np.array([[1.0, 2.0**-30]], np.float32), np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 0.0]], np.float32)
    )
    nothing = Interactions.from_pairs(np.array([], int), np.array([], int), 1, 3)
    everything = Interactions.from_pairs(np.zeros(3, int), np.arange(3), 1, 3)
    assert ranks_within(tables, nothing, everything, 3).tolist() == [1, 0, 2]


def test_a_held_out_item_that_is_masked_is_an_error():
    tables, seen, _ = _case(0)
    with pytest.raises(DataError, match="is held out for a user who has it"):
        ranks_within(tables, seen, seen, 50)


def test_a_large_data_set_has_the_metrics_of_whole_rows(monkeypatch):
    data = two_tastes()
    rng = np.random.default_rng(0)
    tables = [torch.from_numpy(rng.integers(-3, 4, (n, 2)).astype(np.float32)) for n in (60, 80)]
    whole = evaluate(*tables, data, "test")
    monkeypatch.setattr(outputs, "LARGE_SCORES", 1)
    tiled = evaluate(*tables, data, "test")
    assert tiled.means() == whole.means()
    assert tiled.by_third == whole.by_third


def test_a_sample_of_users_is_asked_and_is_the_same_each_time():
    data = two_tastes()
    users = sampled_users(data, "valid", 7)
    assert users is not None
    assert users.tolist() == sampled_users(data, "valid", 7).tolist()
    assert sampled_users(data, "valid", 0) is None
    assert sampled_users(data, "valid", data.n_users) is None
    tables = torch.randn(60, 4), torch.randn(80, 4)
    some, everyone = (evaluate(*tables, data, "valid", asked) for asked in (users, None))
    assert some.users.tolist() == users.tolist()
    assert some.cutoff == everyone.cutoff
    at = np.isin(everyone.users, users)
    for name, values in everyone.by_user.items():
        assert some.by_user[name].tolist() == values[at].tolist()
    assert some.candidates.tolist() == everyone.candidates[at].tolist()


def test_the_pairs_of_some_users_alone():
    pairs = Interactions.from_pairs(np.array([0, 0, 1, 2]), np.array([1, 3, 0, 2]), 3, 4)
    some = pairs.only(np.array([0, 2]))
    assert [some.of(user).tolist() for user in range(3)] == [[1, 3], [], [2]]
    assert len(dataset(pairs, some, some).valid) == 3
