"""NeuMF: its score and loss by hand, and what is kept of it."""

import numpy as np
import pytest
import torch
from small_data import two_tastes

from recpress_edge.core.errors import ConfigError
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import create_method
from recpress_edge.models.bpr import NegativeSampler
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.neumf import NeuMF, NeuMFMethod, pointwise_loss
from recpress_edge.models.outputs import Tables
from recpress_edge.models.settings import NeuMFConfig
from recpress_edge.models.teacher import Teacher

DATA = two_tastes()
KINDS = [name for name, row in METHODS.items() if row.network == "neumf"]


def test_the_score_is_the_formula_of_the_paper():
    network = NeuMF(3, 5, 2, seed=0, init_std=0.5)
    p = {name: value.detach().numpy() for name, value in network.named_parameters()}
    user, item = 2, 4
    both = np.concatenate([p["user_mlp"][user], p["item_mlp"][item]])
    first = np.maximum(p["hidden1_weight"] @ both + p["hidden1_bias"], 0)
    second = np.maximum(p["hidden2_weight"] @ first + p["hidden2_bias"], 0)
    product = p["user_gmf"][user] * p["item_gmf"][item]
    expected = p["output_weight"] @ np.concatenate([product, second]) + p["output_bias"][0]
    assert network.pair_scores(torch.tensor([user]), torch.tensor([item])).item() == pytest.approx(
        expected, 1e-5
    )


def test_products_that_count_one_start_as_plain_factorisation():
    drawn = NeuMF(3, 5, 2, seed=0, init_std=0.5)
    plain = NeuMF(3, 5, 2, seed=0, init_std=0.5, product_weight=1.0)
    for name, value in drawn.named_parameters():
        if name != "output_weight":
            assert torch.equal(value, plain.get_parameter(name)), name
    assert torch.equal(plain.output_weight[2:], drawn.output_weight[2:])
    with torch.no_grad():
        plain.output_weight[2:] = 0.0
        every_user = plain.catalogue_scores(torch.arange(3))
        assert torch.allclose(every_user, plain.user_gmf @ plain.item_gmf.T)


@pytest.mark.parametrize("name", KINDS)
def test_the_weight_of_products_is_a_setting_of_every_neumf(name):
    teacher = Teacher(
        "t", Tables(np.ones((DATA.n_users, 3), np.float32), np.ones((DATA.n_items, 3), np.float32))
    )
    method = create_method(
        name, TrainingInput(DATA.train, 4, 0, 1, teacher=teacher), METHODS[name].config(product_weight=1.0)
    )
    assert torch.equal(method.network.output_weight[:4], torch.ones(4))


def test_scores_of_rows_and_of_pairs_agree(monkeypatch):
    method = NeuMFMethod(TrainingInput(DATA.train, 4, 0, 1), NeuMFConfig(init_std=0.5))
    rows = method.scores(np.array([3, 7]))
    pairs = method.network.pair_scores(torch.tensor([3, 7]), torch.arange(DATA.n_items).expand(2, -1))
    assert np.allclose(rows, pairs.detach().numpy(), atol=1e-5)
    monkeypatch.setattr(
        "recpress_edge.models.neumf._BLOCK_VALUES", 8 * 11
    )  # eleven items at a time, and a rest
    assert np.allclose(method.scores(np.array([3, 7])), rows, atol=1e-5)
    each = method.network.pair_scores(torch.tensor([3, 7]), torch.tensor([5, 6]))
    assert np.allclose(each.detach().numpy(), rows[[0, 1], [5, 6]], atol=1e-5)


def test_the_loss_by_hand():
    # σ(0) = 1/2: each of three pairs costs ln 2
    loss = pointwise_loss(torch.zeros(1), torch.zeros(1, 2))
    assert loss.item() == pytest.approx(3 * np.log(2))
    # a positive at ln 3 has σ = 3/4, a negative at −ln 3 likewise
    loss = pointwise_loss(torch.full((1,), float(np.log(3))), torch.full((1, 1), -float(np.log(3))))
    assert loss.item() == pytest.approx(2 * np.log(4 / 3), rel=1e-6)


def test_every_positive_has_its_negatives_and_none_was_consumed():
    users, positives, negatives = NegativeSampler(DATA.train).epoch(0, 3, 4)
    assert negatives.shape == (len(DATA.train), 4)
    consumed = set(zip(DATA.train.users().tolist(), DATA.train.indices.tolist(), strict=True))
    assert {(u, i) for u, i in zip(users.tolist(), positives.tolist(), strict=True)} == consumed
    assert not consumed & {
        (u, i) for u, row in zip(users.tolist(), negatives.tolist(), strict=True) for i in row
    }
    assert len(np.unique(negatives)) > DATA.n_items / 2


def test_of_several_candidates_the_highest_scored_is_the_negative(monkeypatch):
    config = NeuMFConfig(init_std=0.5, negatives=3, candidates=4, batch_size=len(DATA.train))
    method = NeuMFMethod(TrainingInput(DATA.train, 4, 0, 1), config)
    learned = []
    monkeypatch.setattr(method, "batch_loss", lambda *batch: learned.append(batch))
    list(method.batch_losses(0))
    ((users, _, chosen),) = learned
    drawn = torch.from_numpy(method.sampler.epoch(0, 0, 12)[2]).view(-1, 3, 4)
    scores = method.network.pair_scores(users, drawn.flatten(1)).detach().view(-1, 3, 4)
    best = method.network.pair_scores(users, chosen).detach()
    assert torch.equal(best, scores.amax(dim=2))
    assert (drawn == chosen[:, :, None]).any(dim=2).all()


def test_settings_that_make_no_sense():
    for wrong in ({"negatives": 0}, {"learning_rate": 0.0}, {"weight_decay": -1.0}):
        with pytest.raises(ConfigError, match=f"method.{next(iter(wrong))} must be"):
            NeuMFConfig(**wrong)
