"""Answers that a reader can check by hand."""

import numpy as np
import pytest

from recpress_edge.core.metrics import (
    is_certain,
    judging_cutoff,
    ndcg_at_k,
    ndcg_by_user,
    overlap_by_user,
    recall_at_k,
    reported_cutoffs,
    stated_cutoff,
    telling_cutoff,
    without_certain,
    worth,
)
from recpress_edge.core.topk import topk_unseen


@pytest.mark.parametrize(
    ("topk", "relevant", "capped", "expected"),
    [
        ([[1, 2]], [{1, 2}], False, 1.0),
        ([[1, 2]], [{1, 3, 4, 5}], False, 0.25),  # 1 hit of 4 held out
        ([[1, 2]], [{1, 3, 4, 5}], True, 0.5),  # 1 hit of the 2 that fit
        ([[1, 2], [1, 2]], [{1}, set()], False, 1.0),  # a user with nothing held out is skipped
        ([[1, 2], [1, 2]], [{1}, {3}], False, 0.5),
    ],
)
def test_recall_at_k(topk, relevant, capped, expected):
    got = recall_at_k(np.array(topk, np.int32), [frozenset(r) for r in relevant], capped=capped)
    assert got == expected


@pytest.mark.parametrize(
    ("topk", "relevant", "expected"),
    [
        ([[7, 8]], [{7}], 1.0),
        ([[7, 8]], [{8}], 1 / np.log2(3)),  # a hit at rank 2
        ([[7, 8]], [{7, 8, 9}], 1.0),  # all that fit are hits
        ([[7, 8]], [{9}], 0.0),
    ],
)
def test_ndcg_at_k(topk, relevant, expected):
    assert ndcg_at_k(np.array(topk), relevant) == pytest.approx(expected)


def test_many_users_at_once_are_as_one_by_one():
    rng = np.random.default_rng(0)
    topk = np.stack([rng.permutation(30)[:10] for _ in range(50)])
    topk[3, 5:] = -1  # a short list
    relevant = [frozenset(rng.integers(0, 30, rng.integers(0, 6)).tolist()) for _ in range(50)]
    hits = [len(r & set(row)) / len(r) for row, r in zip(topk.tolist(), relevant, strict=True) if r]
    assert recall_at_k(topk, relevant) == pytest.approx(np.mean(hits))


def test_a_user_without_relevant_items_is_not_a_zero():
    assert np.isnan(ndcg_by_user(np.array([[0]]), [set()])).all()


def test_topk_breaks_ties_by_lower_index_and_leaves_out_seen():
    scores = np.array([[5, 7, 7, 5, 9]], np.int32)
    seen = np.array([[False, False, False, False, True]])
    assert topk_unseen(scores, seen, 4).tolist() == [[1, 2, 0, 3]]


def test_topk_never_ranks_a_seen_item_before_an_unseen_one():
    scores = np.array([[np.iinfo(np.int32).min, 0]], np.int32)
    assert topk_unseen(scores, np.array([[False, True]]), 2).tolist() == [[0, 1]]


def test_overlap_ignores_order():
    left, right = np.array([[1, 2, 3, 4]]), np.array([[4, 3, 9, 8]])
    assert overlap_by_user(left, right).tolist() == [0.5]


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([25_000, 24_000], 50),
        ([200] * 3, 50),
        ([199] * 3, 20),
        ([40] * 3, 10),
        ([39], 5),
        ([8], 2),
        ([3], 1),
        ([], 1),
    ],
)
def test_the_judging_cutoff_is_at_most_a_quarter_of_the_candidates(candidates, expected):
    assert judging_cutoff(np.array(candidates, np.int64)) == expected


def test_recall_is_certain_only_where_nobody_has_more_candidates_than_k():
    assert is_certain(50, np.array([40, 50]))
    assert not is_certain(50, np.array([40, 51]))


@pytest.mark.parametrize("metric", [recall_at_k, ndcg_at_k])
def test_padding_hits_nothing_of_its_own_user_or_of_a_neighbour(metric):
    every = frozenset(range(4))
    assert metric(np.full((3, 2), -1), [every] * 3) == 0.0
    assert metric(np.array([[3, -1], [-1, -1], [-1, 0]]), [{0, 3}, {0, 3}, {2}]) > 0  # user 0's item 3 alone
    assert recall_at_k(np.array([[3, -1], [-1, -1], [-1, 0]]), [{0, 3}, {0, 3}, {2}]) == 1 / 6


def test_a_stated_k_judges_unless_it_tells_nothing():
    many, few = np.array([400, 300]), np.array([20, 12])
    assert telling_cutoff({"cutoff": 10}, many) == 10
    assert telling_cutoff({}, many) == 50
    assert telling_cutoff({"cutoff": 20}, few) == 3  # nobody has more than 20; a quarter of 16 is 4
    for strange in (True, "20", 7, 0, -1, 10**9, None, [20]):
        assert stated_cutoff({"cutoff": strange}) == 50
    assert reported_cutoffs(50) == reported_cutoffs(20) == (10, 20, 50)
    assert reported_cutoffs(3) == (3, 10, 20, 50)


def test_a_certain_recall_is_left_out_and_ndcg_is_not():
    means = {"recall@10": 0.5, "recall@20": 1.0, "ndcg@20": 0.25}
    assert without_certain(means, np.array([20, 12])) == means | {"recall@20": None}
    assert without_certain(means, np.array([21, 12])) == means


def test_worth_reads_the_whole_list_and_its_head():
    both = {f"{kind}@{k}": 0.1 for kind in ("recall", "ndcg") for k in (10, 20, 50)}
    head, whole = both | {"ndcg@10": 0.2}, both | {"recall@50": 0.2}
    assert worth(head, 50)[0] == worth(whole, 50)[0] > worth(both, 50)[0]
    assert worth(head, 50, "recall") == worth(both, 50, "recall") < worth(whole, 50, "recall")
    assert worth(whole, 50, "ndcg@10") == worth(both, 50, "ndcg@10") < worth(head, 50, "ndcg@10")


def test_a_recall_that_is_certain_leaves_the_choice_to_ndcg():
    certain = {"recall@5": None, "ndcg@5": 0.3, "recall@10": None, "ndcg@10": 0.3}
    for by in ("balanced", "recall", "recall@10"):
        assert worth(certain, 5, by)[0] == 0.3
