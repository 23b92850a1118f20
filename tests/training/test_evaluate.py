"""Full-ranking evaluation against hand-made rankings and the numpy definitions in core."""

import numpy as np
import pytest
import torch
from small_data import dataset, two_tastes

from recpress_edge.core.errors import DataError
from recpress_edge.core.metrics import CUTOFFS, ndcg_by_user, recall_by_user
from recpress_edge.core.topk import topk_unseen
from recpress_edge.data.holdout import (
    candidates,
    dataset_cutoff,
    history_holdout,
    holdout,
    masked_items,
    masking_rule,
    sequence_holdout,
)
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.models.ranking import product_rows
from recpress_edge.training.evaluate import (
    evaluate,
    evaluate_rows,
    recall_by_third,
    relevant_ranks,
    sampled_users,
)


def _pairs(rows: list[list[int]], n_items: int) -> Interactions:
    users = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    items = np.array([item for row in rows for item in row], int)
    return Interactions.from_pairs(users, items, len(rows), n_items)


def _scores(rows: list[list[float]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tables whose product is exactly these rows."""
    return torch.tensor(rows), torch.eye(len(rows[0]))


def test_ranks_by_hand():
    rows = product_rows(*_scores([[0.9, 0.8, 0.7, 0.6], [0.1, 0.2, 0.3, 0.4]]))
    ranks = relevant_ranks(rows, _pairs([[0], []], 4), _pairs([[2], [0, 3]], 4))
    assert ranks.tolist() == [1, 3, 0]  # user 0: item 0 is masked, item 1 is before item 2


def test_ties_go_to_the_lower_item():
    rows = product_rows(*_scores([[1.0, 1.0, 1.0, 1.0, 2.0]]))
    ranks = relevant_ranks(rows, _pairs([[1]], 5), _pairs([[0, 2, 3, 4]], 5))
    assert ranks.tolist() == [1, 2, 3, 0]


def test_recall_and_ndcg_by_hand():
    rows = [[float(-i) for i in range(60)]] * 2  # item i is at rank i
    empty = _pairs([[], []], 60)
    data = dataset(empty, empty, _pairs([[1, 15, 30, 59], []], 60))
    result = evaluate(*_scores(rows), data, "test")
    assert result.users.tolist() == [0]  # user 1 has nothing to find
    assert result.by_user["recall@10"].tolist() == [0.25]
    assert result.by_user["recall@20"].tolist() == [0.5]
    assert result.by_user["recall@50"].tolist() == [0.75]
    ideal = sum(1 / np.log2(r + 2) for r in range(4))
    assert result.by_user["ndcg@10"][0] == pytest.approx((1 / np.log2(3)) / ideal)
    assert result.candidates.tolist() == [60]
    assert result.cutoff == 10  # a quarter of 60 is 15
    assert result.means() == {name: values[0] for name, values in result.by_user.items()}


def test_a_recall_that_is_1_by_necessity_is_no_figure():
    """40 items, of which user 0 has two and user 1 has twelve: 38 and 28 are left on test."""
    rows = [[float(-i) for i in range(40)]] * 2
    train = _pairs([[0, 1], list(range(12))], 40)
    data = dataset(train, _pairs([[], []], 40), _pairs([[39], [20]], 40))
    assert candidates(data, "test").tolist() == [38, 28]
    result = evaluate(*_scores(rows), data, "test")
    assert result.cutoff == 5  # a quarter of the median, 33, is 8
    means = result.means()
    assert means["recall@50"] is None  # user 1's item is in every list of 28, user 0's in every one of 38
    assert means["recall@20"] == 0.5  # ranks 37 and 8
    assert means["recall@5"] == 0
    assert means["ndcg@50"] == pytest.approx((1 / np.log2(39) + 1 / np.log2(10)) / 2)


def test_one_k_judges_all_splits_of_a_data_set():
    """Valid leaves 12 candidates, a quarter of which is 3; test leaves 60, a quarter of which is 15."""
    train = _pairs([[], list(range(48))], 60)
    data = dataset(train, _pairs([[], [58, 59]], 60), _pairs([[29], []], 60))
    assert candidates(data, "valid").tolist() == [12]
    assert candidates(data, "test").tolist() == [60]
    assert dataset_cutoff(data) == 3


@pytest.mark.parametrize("split", ["valid", "test"])
def test_agrees_with_core_on_tied_scores(split):
    rng = np.random.default_rng(1)
    n_users, n_items = 40, 120
    train, valid, test = (
        _pairs(
            [
                sorted(rng.choice(np.arange(low, low + 40), rng.integers(0, 6), replace=False))
                for _ in range(n_users)
            ],
            n_items,
        )
        for low in (0, 40, 80)
    )
    data = dataset(train, valid, test)
    user_emb = rng.integers(-2, 3, (n_users, 3)).astype(np.float32)  # small integers: many exact ties
    item_emb = rng.integers(-2, 3, (n_items, 3)).astype(np.float32)
    got = evaluate(torch.from_numpy(user_emb), torch.from_numpy(item_emb), data, split)

    masked = masked_items(data, split)
    seen = np.zeros((n_users, n_items), bool)
    seen[masked.users(), masked.indices] = True
    relevant = [set((valid if split == "valid" else test).of(u).tolist()) for u in range(n_users)]
    for k in CUTOFFS:
        topk = topk_unseen(user_emb @ item_emb.T, seen, k)
        for name, definition in ((f"recall@{k}", recall_by_user), (f"ndcg@{k}", ndcg_by_user)):
            assert np.allclose(got.by_user[name], definition(topk, relevant)[got.users], rtol=1e-12), name
    assert len(got.users) == sum(map(bool, relevant)) < n_users


def test_blocks_change_nothing(monkeypatch):
    data = two_tastes()
    rng = np.random.default_rng(0)
    tables = [torch.from_numpy(rng.integers(-3, 4, (n, 2)).astype(np.float32)) for n in (60, 80)]
    whole = evaluate(*tables, data, "test").by_user["ndcg@50"]
    monkeypatch.setattr("recpress_edge.training.evaluate._BLOCK_BYTES", 7 * 4 * 80)  # seven users at a time
    assert np.array_equal(evaluate(*tables, data, "test").by_user["ndcg@50"], whole)


def _masked(data: Dataset, split: str) -> list[list[int]]:
    return [masked_items(data, split).of(user).tolist() for user in range(data.n_users)]


def test_leave_one_out_validation_masks_the_other_held_out_item():
    data = dataset(_pairs([[0]], 4), _pairs([[1]], 4), _pairs([[2]], 4))
    assert _masked(data, "valid") == [[0, 2]]
    assert _masked(data, "test") == [[0, 1]]
    assert masking_rule(data, "valid") == "train items and the other held-out item masked"


def test_a_bundle_gets_the_same_masks_and_hits():
    data = dataset(_pairs([[0], [3]], 4), _pairs([[1], []], 4), _pairs([[2], [0]], 4))
    rows = holdout(data, "valid")
    assert rows.users.tolist() == [0]
    assert (rows.seen(0).tolist(), rows.relevant(0).tolist()) == ([0, 2], [1])
    rows = holdout(data, "test")
    assert [rows.seen(row).tolist() for row in range(2)] == [[0, 1], [3]]
    assert [rows.relevant(row).tolist() for row in range(2)] == [[2], [0]]


@pytest.mark.parametrize("rows_of", [holdout, history_holdout, sequence_holdout])
def test_of_many_users_a_seeded_sample_is_asked(rows_of):
    held_out = [[1], [], *[[2]] * 8]
    data = dataset(_pairs([[0]] * 10, 4), _pairs(held_out, 4), _pairs([[3]] * 10, 4))
    some = rows_of(data, "valid", 5)
    users = some.users.tolist()
    assert users == sorted(set(users)) == sampled_users(data, "valid", 5).tolist()
    assert len(users) == 5
    assert [some.relevant(row).tolist() for row in range(5)] == [held_out[user] for user in users]
    everyone = [0, *range(2, 10)]
    assert rows_of(data, "valid", 9).users.tolist() == rows_of(data, "valid").users.tolist() == everyone


def test_ratio_validation_masks_train_alone():
    data = dataset(_pairs([[0]], 6), _pairs([[1, 3]], 6), _pairs([[2]], 6))
    assert _masked(data, "valid") == [[0]]
    assert _masked(data, "test") == [[0, 1, 3]]


def test_a_held_out_item_that_is_masked_is_an_error():
    data = dataset(_pairs([[0, 1]], 3), _pairs([[]], 3), _pairs([[1]], 3))
    with pytest.raises(DataError, match="item index 1 is held out"):
        evaluate(*_scores([[0.1, 0.2, 0.3]]), data, "test")


def test_diverged_tables_are_an_error():
    data = dataset(_pairs([[0]], 3), _pairs([[]], 3), _pairs([[1]], 3))
    with pytest.raises(DataError, match="not finite"):
        evaluate(torch.tensor([[float("nan"), 0.0, 0.0]]), torch.eye(3), data, "test")


def test_scores_that_are_no_numbers_are_an_error():
    data = dataset(_pairs([[0]], 3), _pairs([[]], 3), _pairs([[1]], 3))
    with pytest.raises(DataError, match="diverged"):
        evaluate_rows(lambda users: np.full((len(users), 3), np.nan, np.float32), data, "test")


def test_an_empty_split_is_an_error():
    data = dataset(_pairs([[0]], 3), _pairs([[]], 3), _pairs([[1]], 3))
    with pytest.raises(DataError, match="no valid interactions"):
        evaluate(*_scores([[0.1, 0.2, 0.3]]), data, "valid")


def test_the_definition_is_stated():
    definition = evaluate(torch.ones(60, 1), torch.ones(80, 1), two_tastes(), "test").definition
    assert definition.startswith("hits / |relevant|, full ranking")
    assert definition.endswith("train and valid items masked")


def test_recall_by_third_by_hand():
    # Train counts 3, 2, 1 of items 0, 1, 2 and none of item 3: head is item 0, mid item 1, tail the rest.
    train = _pairs([[0, 1, 2], [0, 1], [0], []], 4)
    test = _pairs([[3], [2, 3], [1], [0, 2]], 4)
    rows = [[0.0, 0, 0, 0], [0, 0, 1, 2], [0, 2, 1, 0], [1, 2, 3, 4]]
    result = evaluate(*_scores(rows), dataset(train, _pairs([[], [], [], []], 4), test), "test")
    # K is 1: item 3 comes first for users 0, 1 and 3, item 1 for user 2. User 3 wants items 0 and 2.
    assert result.cutoff == 1
    assert result.by_third == {"head": 0.0, "mid": 1.0, "tail": pytest.approx((1 + 1 / 2 + 0) / 3)}
    ranks = np.array([60, 1, 60, 60, 0, 1])  # one for each test pair, in order
    found = recall_by_third(ranks, test, train.item_counts(), 50)
    assert found == {"head": 1.0, "mid": 0.0, "tail": 0.5}  # users 0, 1 and 3 want something of the tail
    nothing = recall_by_third(ranks[:1], _pairs([[3], [], [], []], 4), train.item_counts(), 50)
    assert nothing == {"head": None, "mid": None, "tail": 0.0}
