"""The losses and the evaluation against second definitions, written another way or by other people."""

import math

import ir_measures
import numpy as np
import pytest
import torch
from ir_measures import R, nDCG
from small_data import two_tastes

from recpress_edge.distill.settings import SoftConfig
from recpress_edge.distill.soft import Soft
from recpress_edge.models.bpr import BPR
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import Tables
from recpress_edge.models.settings import BPRConfig
from recpress_edge.models.teacher import Teacher
from recpress_edge.training.evaluate import evaluate


def test_bpr_batch_in_plain_python():
    data = two_tastes(n_users=8, n_items=16, per_user=4)
    method = BPR(TrainingInput(data.train, 3, 0, 1), BPRConfig(batch_size=10, init_std=0.5))
    users, positives, negatives = method.sampler.epoch(0, 0, 1)
    drawn = users, positives, negatives[:, 0]
    user_emb, item_emb = (table.double().numpy() for table in method.tables())
    for at, loss in enumerate(method.batch_losses(0)):
        batch = zip(*(column[10 * at : 10 * at + 10].tolist() for column in drawn), strict=True)
        expected = 0.0
        for user, positive, negative in batch:
            margin = sum(
                user_emb[user][d] * (item_emb[positive][d] - item_emb[negative][d]) for d in range(3)
            )
            expected -= math.log(1.0 / (1.0 + math.exp(-margin)))
        assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)


def test_soft_gradient_matches_autograd_on_dense_targets():
    data = two_tastes(n_users=9, n_items=30, per_user=5)
    rng = np.random.default_rng(0)
    teacher = Teacher("noise", Tables(*(rng.standard_normal((n, 4), np.float32) for n in (9, 30))))
    method = Soft(
        TrainingInput(data.train, 3, 0, 1, teacher), SoftConfig(batch_users=9, top_items=7, score="cosine")
    )
    (loss,) = method.batch_losses(0)
    loss.backward()

    users = torch.tensor(method.mf.user_emb.detach().double().numpy(), requires_grad=True)
    items = torch.tensor(method.mf.item_emb.detach().double().numpy(), requires_grad=True)
    targets = torch.zeros(9, 30, dtype=torch.float64)
    for user in range(9):
        _, columns, weights = method.targets.rows(np.array([user]))
        for column, weight in zip(columns, weights, strict=True):
            targets[user, column] += float(weight)
    assert torch.allclose(targets.sum(dim=1), torch.ones(9, dtype=torch.float64))
    cosine = torch.nn.functional.cosine_similarity(users[:, None], items[None], dim=2)
    torch.nn.functional.cross_entropy(cosine / method.config.temperature, targets).backward()
    assert torch.allclose(method.mf.user_emb.grad.double(), users.grad, atol=1e-6)
    assert torch.allclose(method.mf.item_emb.grad.double(), items.grad, atol=1e-6)


def test_evaluation_against_ir_measures():
    data = two_tastes(n_users=30, n_items=120, per_user=6)
    data = type(data)(
        data.name, data.train, data.valid, data.test.union(_more(data)), data.user_ids, data.item_ids, "", ""
    )
    rng = np.random.default_rng(3)
    user_emb, item_emb = (rng.standard_normal((n, 5), np.float32) for n in (30, 120))
    got = evaluate(torch.from_numpy(user_emb), torch.from_numpy(item_emb), data, "test")

    scores = torch.from_numpy(user_emb) @ torch.from_numpy(item_emb).T
    run, judged = [], []
    for user in range(30):
        seen = {*data.train.of(user).tolist(), *data.valid.of(user).tolist()}
        ranked = sorted(set(range(120)) - seen)
        run += [ir_measures.ScoredDoc(str(user), str(item), float(scores[user, item])) for item in ranked]
        judged += [ir_measures.Qrel(str(user), str(item), 1) for item in data.test.of(user).tolist()]
    theirs = ir_measures.calc_aggregate(
        [R @ 10, R @ 20, R @ 50, nDCG @ 10, nDCG @ 20, nDCG @ 50], judged, run
    )
    ours = got.means()
    for measure, value in theirs.items():
        name = {"R": "recall", "nDCG": "ndcg"}[measure.NAME] + f"@{measure.params['cutoff']}"
        assert ours[name] == pytest.approx(value, abs=1e-9), name


def _more(data):
    """A few more test items for some users, so that users differ in how many are relevant."""
    from recpress_edge.data.interactions import Interactions

    rng = np.random.default_rng(5)
    users, items = [], []
    for user in range(0, data.n_users, 2):
        taken = {*data.train.of(user).tolist(), *data.valid.of(user).tolist(), *data.test.of(user).tolist()}
        free = sorted(set(range(data.n_items)) - taken)
        for item in rng.choice(free, size=1 + user % 7, replace=False):
            users.append(user)
            items.append(int(item))
    return Interactions.from_pairs(np.array(users), np.array(items), data.n_users, data.n_items)
