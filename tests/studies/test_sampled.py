"""LOO-499: what is drawn, and ranks and metrics that a reader can count."""

import ir_measures
import numpy as np
import pytest
import torch
from ir_measures import RR, Success, nDCG
from small_data import dataset, two_tastes

from recpress_edge.core.errors import DataError
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.ranking import product_rows
from recpress_edge.studies.sampled import (
    Candidates,
    evaluate_sampled,
    metrics_at_ranks,
    sample_candidates,
)

DATA = two_tastes(n_users=30, n_items=120, per_user=6)


def test_negatives_are_in_none_of_the_splits():
    drawn = sample_candidates(DATA, "valid", seed=0, size=50)
    assert drawn.held_out.tolist() == [int(DATA.valid.of(user)[0]) for user in drawn.users]
    everything = DATA.train.union(DATA.valid).union(DATA.test)
    for user, row in zip(drawn.users.tolist(), drawn.negatives.tolist(), strict=True):
        assert len(set(row)) == 50
        assert not set(row) & set(everything.of(user).tolist())


def test_the_seed_and_the_split_decide_the_negatives():
    first, again = (sample_candidates(DATA, "test", seed=3, size=50).negatives for _ in range(2))
    assert (first == again).all()
    assert (first != sample_candidates(DATA, "test", seed=4, size=50).negatives).any()
    assert (first != sample_candidates(DATA, "valid", seed=3, size=50).negatives).any()


def test_a_small_catalogue_gives_fewer():
    drawn = sample_candidates(DATA, "test", seed=0)
    assert ((drawn.negatives >= 0).sum(axis=1) == 120 - 8).all()
    assert "against up to 499 items" in drawn.definition
    assert "against 50 items" in sample_candidates(DATA, "test", seed=0, size=50).definition
    assert "seed 0" in drawn.definition


def test_popular_items_are_drawn_by_their_interactions():
    train = Interactions.from_pairs(np.repeat(np.arange(400), 2), np.tile([0, 9], 400), 2000, 12)
    more = Interactions.from_pairs(np.arange(400, 800), np.full(400, 1), 2000, 12)
    rare = Interactions.from_pairs(np.arange(800, 900), np.full(100, 2), 2000, 12)
    held_out = Interactions.from_pairs(np.arange(1000, 2000), np.full(1000, 9), 2000, 12)
    data = dataset(train.union(more).union(rare), held_out, held_out)
    drawn = sample_candidates(data, "test", seed=0, size=1, drawn="popularity")
    counts = np.bincount(drawn.negatives.ravel(), minlength=12)
    assert counts.sum() == counts[:3].sum() == 1000  # 9 is held out, and nobody has the others
    assert counts[:3] == pytest.approx(1000 * np.array([400, 400, 100]) / 900, abs=60)
    many = sample_candidates(data, "test", seed=0, size=5, drawn="popularity").negatives
    assert (np.sort(many, axis=1) == [-1, -1, 0, 1, 2]).all()
    assert "by their interactions in train" in drawn.definition


def test_several_held_out_items_are_refused():
    two = Interactions.from_pairs(np.array([0, 0]), np.array([0, 1]), 2, 4)
    one = Interactions.from_pairs(np.array([0]), np.array([2]), 2, 4)
    with pytest.raises(DataError, match=r"one held-out item a user.*up to 2 in test.*--split loo"):
        sample_candidates(dataset(one, one, two), "test", 0)


def test_ranks_count_ties_by_the_lower_index():
    user_emb = np.ones((3, 1), np.float32)
    item_emb = np.array([[5.0], [3.0], [3.0], [3.0], [1.0]], np.float32)
    candidates = Candidates(
        np.arange(3),
        np.array([2, 0, 3]),
        np.array([[0, 1, 3], [1, 2, 4], [4, -1, -1]]),  # ranks 2, 0 and 0
        0,
    )
    rows = product_rows(torch.from_numpy(user_emb), torch.from_numpy(item_emb))
    got = evaluate_sampled(rows, candidates)
    assert got["hit@5"] == 1.0
    assert got["mrr@5"] == pytest.approx((1 / 3 + 1 + 1) / 3)
    assert got["ndcg@5"] == pytest.approx((1 / 2 + 1 + 1) / 3)  # log2(4) = 2


def test_metrics_against_ir_measures():
    ranks = np.random.default_rng(0).integers(0, 30, size=40)
    run, judged = [], []
    for user, rank in enumerate(ranks.tolist()):
        judged.append(ir_measures.Qrel(str(user), "held out", 1))
        names = [f"n{place}" for place in range(30)]
        names.insert(rank, "held out")
        run += [ir_measures.ScoredDoc(str(user), name, -float(p)) for p, name in enumerate(names)]
    measures = [m @ k for m in (Success, RR, nDCG) for k in (5, 10, 20)]
    theirs = ir_measures.calc_aggregate(measures, judged, run)
    ours = metrics_at_ranks(ranks)
    for measure, value in theirs.items():
        name = {"Success": "hit", "RR": "mrr", "nDCG": "ndcg"}[measure.NAME]
        assert ours[f"{name}@{measure.params['cutoff']}"] == pytest.approx(value)
