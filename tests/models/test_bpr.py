"""BPR: the loss by hand, and negatives that are never positives."""

import math

import numpy as np
import pytest
import torch
from small_data import two_tastes

from recpress_edge.core.errors import DataError
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.bpr import BPR, MF, NegativeSampler, batch_size, bpr_loss, hardest
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.settings import BPRConfig


def _pairs(rows: list[list[int]], n_items: int) -> Interactions:
    users = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    return Interactions.from_pairs(
        users, np.concatenate([np.array(r, int) for r in rows]), len(rows), n_items
    )


def test_loss_is_a_sum_of_log_sigmoids():
    user = torch.tensor([[1.0, 0.0], [2.0, 1.0]])
    positive = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    negative = torch.tensor([[0.0, 1.0], [0.0, 1.0]])  # margins 1 and 0
    expected = math.log(1 + math.exp(-1.0)) + math.log(2.0)
    assert float(bpr_loss(user, positive, negative)) == pytest.approx(expected, rel=1e-6)


def test_loss_stays_finite_for_a_hopeless_pair():
    one = torch.tensor([[1000.0]])
    assert float(bpr_loss(one, -one, torch.zeros(1, 1))) == pytest.approx(1e6)


def test_an_epoch_visits_every_positive_once():
    train = two_tastes().train
    users, positives, _ = NegativeSampler(train).epoch(seed=0, epoch=3, each=1)
    assert sorted(zip(users, positives, strict=True)) == list(zip(train.users(), train.indices, strict=True))


def test_negatives_are_never_positives():
    train = two_tastes().train
    sampler = NegativeSampler(train)
    observed = set(zip(train.users().tolist(), train.indices.tolist(), strict=True))
    for epoch in range(20):
        users, _, negatives = sampler.epoch(0, epoch, 1)
        assert not observed & set(zip(users.tolist(), negatives[:, 0].tolist(), strict=True))


def test_negatives_are_uniform_over_what_is_left():
    train = _pairs([[0, 2, 4, 6]] * 500, n_items=8)  # left: 1, 3, 5, 7
    _, _, negatives = NegativeSampler(train).epoch(0, 0, 1)
    counts = np.bincount(negatives[:, 0], minlength=8)
    assert counts[[0, 2, 4, 6]].tolist() == [0, 0, 0, 0]
    # 2000 draws, 500 expected each, standard deviation 19
    assert np.abs(counts[[1, 3, 5, 7]] - 500).max() < 80


def test_a_user_with_one_item_left_gets_it():
    train = _pairs([[0, 1, 2, 4]], n_items=5)
    _, _, negatives = NegativeSampler(train).epoch(0, 0, 1)
    assert negatives[:, 0].tolist() == [3, 3, 3, 3]


def test_epochs_differ_and_repeat():
    sampler = NegativeSampler(two_tastes().train)
    first, again, other = (sampler.epoch(0, epoch, 1) for epoch in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[2], other[2])


def test_batches_are_the_epoch_in_pieces():
    sampler = NegativeSampler(two_tastes().train)  # 480 pairs
    pieces = list(sampler.batches(0, 2, 3, 200, "cpu"))
    assert [len(users) for users, _, _ in pieces] == [200, 200, 80]
    for whole, parts in zip(sampler.epoch(0, 2, 3), zip(*pieces, strict=True), strict=True):
        assert np.array_equal(whole, torch.cat(parts).numpy())


def test_the_hardest_of_each_set_is_taken():
    user_rows = torch.tensor([[1.0, 0.0], [0.0, -1.0]])
    item_emb = torch.tensor([[0.0, 3.0], [2.0, 1.0], [1.0, 0.0], [-1.0, -5.0]])
    candidates = torch.tensor([[[0, 2], [1, 2]], [[0, 1], [3, 2]]])
    assert hardest(user_rows, candidates, item_emb).tolist() == [[2, 1], [1, 3]]


def test_bpr_learns_from_the_hardest_candidate_and_from_any_when_there_is_one():
    train = two_tastes().train
    job = TrainingInput(train, dim=3, seed=0, epochs=1)
    method = BPR(job, BPRConfig(init_std=1.0, candidates=5, batch_size=len(train)))
    (loss,) = method.batch_losses(0)
    users, positives, candidates = method.sampler.epoch(0, 0, 5)
    scores = (method.mf.user_emb @ method.mf.item_emb.T).detach().double().numpy()
    gaps = scores[users, positives] - scores[users[:, None], candidates].max(axis=1)
    assert float(loss.detach()) == pytest.approx(np.logaddexp(0.0, -gaps).sum(), rel=1e-5)
    plain = BPR(job, BPRConfig(init_std=1.0, batch_size=len(train)))
    (loss,) = plain.batch_losses(0)
    gaps = scores[users, positives] - scores[users, plain.sampler.epoch(0, 0, 1)[2][:, 0]]
    assert float(loss.detach()) == pytest.approx(np.logaddexp(0.0, -gaps).sum(), rel=1e-5)


def test_a_user_who_consumed_everything_gives_no_pairs_and_the_others_train():
    sampler = NegativeSampler(_pairs([[0], [0, 1, 2], [1, 2]], n_items=3))
    users, positives, negatives = sampler.epoch(0, 0, 2)
    assert sorted(zip(users.tolist(), positives.tolist(), strict=True)) == [(0, 0), (2, 1), (2, 2)]
    assert set(negatives[users == 0].ravel().tolist()) <= {1, 2}
    assert set(negatives[users == 2].ravel().tolist()) == {0}
    with pytest.raises(DataError, match="every user has all 2 items"):
        NegativeSampler(_pairs([[0, 1], [0, 1]], n_items=2))


def test_no_interactions_is_an_error():
    nothing = Interactions.from_pairs(np.array([], int), np.array([], int), 2, 3)
    with pytest.raises(DataError, match="no training interactions"):
        NegativeSampler(nothing)


def test_weight_decay_reaches_rows_outside_the_batch():
    train = _pairs([[0]], n_items=4)
    method = BPR(TrainingInput(train, dim=2, seed=0, epochs=1), BPRConfig(weight_decay=0.1, init_std=1.0))
    before = method.mf.item_emb.detach().clone()
    (loss,) = method.batch_losses(0)
    loss.backward()
    method.optimizer.step()
    moved = (method.mf.item_emb.detach().abs() < before.abs()).all(dim=1)
    negative = NegativeSampler(train).epoch(0, 0, 1)[2][0]
    untouched = [item for item in (1, 2, 3) if item != negative]
    assert moved[untouched].all()  # the first Adam step is the learning rate, towards zero
    assert torch.allclose(
        (before - method.mf.item_emb.detach())[untouched].abs(), torch.tensor(1e-3), rtol=1e-3
    )


def test_shapes_and_scale():
    mf = MF(n_users=400, n_items=300, dim=8, seed=0, init_std=0.01)
    assert mf.user_emb.shape == (400, 8)
    assert mf.item_emb.shape == (300, 8)
    assert mf.user_emb.dtype == torch.float32
    assert abs(float(mf.user_emb.detach().std()) - 0.01) < 0.001
    assert abs(float(mf.item_emb.detach().mean())) < 0.001


def test_the_seed_decides_the_numbers():
    first, again, other = (MF(5, 4, 3, seed, 1.0) for seed in (0, 0, 1))
    assert torch.equal(first.user_emb, again.user_emb)
    assert torch.equal(first.item_emb, again.item_emb)
    assert not torch.equal(first.user_emb, other.user_emb)


def test_a_batch_grows_with_the_data_and_without_being_asked_never_below_its_size():
    assert [batch_size(BPRConfig(), n) for n in (1, 999_999, 1_999_999, 2_000_000, 16_300_000)] == [
        1024,
        1024,
        1024,
        2048,
        16 * 1024,
    ]
    assert batch_size(BPRConfig(batch_growth="none"), 16_000_000) == 1024
