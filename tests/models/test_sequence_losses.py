"""Losses of sequences against their definitions in float64, and a transformer that learns by each."""

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_data import checkerboard

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.sequences.losses import bce_loss, gbce_loss, sampled_ce_loss
from recpress_edge.models.sequences.sasrec import NO_TARGET, SASRecMethod
from recpress_edge.models.sequences.settings import SASRecConfig
from recpress_edge.models.sequences.softmax import mixed_loss
from recpress_edge.testing import MethodCase
from recpress_edge.testing.student import SIZE, first_unseen

BOARD = checkerboard(20)
SMALL = SASRecConfig(history_length=6, init_std=0.3, dropout=0.0)
N_ITEMS = 40


def scores(places: int = 30, drawn: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    positives, negatives = (
        3 * torch.randn(shape, dtype=torch.float64, generator=generator)
        for shape in ((places,), (places, drawn))
    )
    return positives.requires_grad_(), negatives.requires_grad_()


def gradients(loss, parts):
    return [part.numpy() for part in torch.autograd.grad(loss, parts)]


def by_gamma(positives, negatives, n_items, calibration):
    """As its paper computes it: γ(s⁺) in float64, then the plain binary cross-entropy."""
    drawn = negatives.shape[1]
    alpha = drawn / (n_items - 1)
    beta = alpha * (calibration * (1 - 1 / alpha) + 1 / alpha)
    gamma = -torch.log(torch.sigmoid(positives) ** -beta - 1)
    logits = torch.cat([gamma[:, None], negatives], dim=1)
    labels = torch.zeros_like(logits)
    labels[:, 0] = 1
    return F.binary_cross_entropy_with_logits(logits, labels)


@pytest.mark.parametrize("calibration", [0.0, 0.3, 0.75, 1.0])
def test_gbce_and_its_gradient_are_the_paper_s(calibration):
    parts = scores()
    found = gbce_loss(*parts, N_ITEMS, calibration)
    wanted = by_gamma(*parts, N_ITEMS, calibration)
    assert float((found - wanted).detach()) == pytest.approx(0, abs=1e-12)
    for one, other in zip(gradients(found, parts), gradients(wanted, parts), strict=True):
        assert np.allclose(one, other, atol=1e-12)


def test_gbce_in_float32_is_that_of_float64_where_gamma_is_not():
    """At a score of 20, σ(s)^(−β) − 1 has no digits left in float32."""
    positives, negatives = torch.full((4,), 20.0), torch.full((4, 3), -20.0)
    wanted = by_gamma(positives.double(), negatives.double(), N_ITEMS, 0.75)
    assert float(gbce_loss(positives, negatives, N_ITEMS, 0.75)) == pytest.approx(float(wanted), rel=1e-5)


def test_gbce_without_calibration_is_bce():
    positives, negatives = scores()
    found = gbce_loss(positives, negatives, N_ITEMS, 0.0) * (negatives.shape[1] + 1)
    assert float(found.detach()) == pytest.approx(float(bce_loss(positives, negatives).detach()), abs=1e-6)


def test_gbce_that_draws_everything_is_bce_whatever_the_calibration():
    positives, negatives = scores(drawn=N_ITEMS - 1)
    found = [float(gbce_loss(positives, negatives, N_ITEMS, t).detach()) for t in (0.0, 1.0)]
    assert found[0] == pytest.approx(found[1], abs=1e-12)


def test_bce_is_two_logarithms():
    positives, negatives = scores(drawn=1)
    sigma, other = (1 / (1 + np.exp(-part.detach().numpy())) for part in (positives, negatives[:, 0]))
    wanted = -(np.log(sigma) + np.log(1 - other)).mean()
    assert float(bce_loss(positives, negatives).detach()) == pytest.approx(wanted, abs=1e-12)


def test_sampled_ce_over_all_others_is_the_full_one():
    generator = torch.Generator().manual_seed(1)
    states, items = (torch.randn(n, 4, dtype=torch.float64, generator=generator) for n in (9, 12))
    wanted = torch.arange(9)
    others = torch.tensor([[item for item in range(12) if item != place] for place in range(9)])
    logits = states @ items.T
    found = sampled_ce_loss(logits[torch.arange(9), wanted], logits.gather(1, others))
    assert float(found) == pytest.approx(float(mixed_loss(states, items, wanted)), abs=1e-12)


def of(loss: str, **more) -> SASRecMethod:
    config = dataclasses.replace(SMALL, loss=loss, **more)
    return SASRecMethod(TrainingInput(BOARD.train, 8, 0, 1), config)


@pytest.mark.parametrize("loss", ["sampled-ce", "bce", "gbce"])
def test_every_place_is_scored_against_what_its_user_has_not(loss):
    method = of(loss, **({} if loss == "bce" else {"sampled_items": 5}))
    indptr, items = BOARD.train.indptr, BOARD.train.in_order().astype(np.int64)
    users = np.array([3, 8, 11])
    tokens, targets = method._windows(users, indptr, items)
    drawn = method._drawn(method._sampler, users, targets, np.random.default_rng(0))
    assert drawn.shape == (3, targets.shape[1] if loss == "bce" else 5)
    assert not any(set(BOARD.train.of(u)) & set(row) for u, row in zip(users, drawn.tolist(), strict=True))
    states, table = method.network.hidden(torch.from_numpy(tokens)), method.network.item_emb
    positives, negatives = [], []
    for row, place in zip(*np.nonzero(targets != NO_TARGET), strict=True):
        others = drawn[row, place : place + 1] if loss == "bce" else drawn[row]
        positives.append(states[row, place] @ table[targets[row, place]])
        negatives.append(table[others] @ states[row, place])
    parts = torch.stack(positives), torch.stack(negatives)
    wanted = {
        "bce": lambda: bce_loss(*parts),
        "sampled-ce": lambda: sampled_ce_loss(*parts),
        "gbce": lambda: gbce_loss(*parts, BOARD.n_items, 0.75),
    }[loss]()
    found = method._batch_loss(tokens, targets, torch.Generator(), drawn)
    assert float(found.detach()) == pytest.approx(float(wanted.detach()), rel=1e-5)


def test_whoever_has_every_item_teaches_nothing_by_negatives():
    pairs = np.array([0, 0, 0, 1]), np.array([0, 1, 2, 1])
    train = Interactions.from_pairs(*pairs, 2, 3, np.array([0, 1, 2, 0]))
    for loss, users in (("ce", [0, 1]), ("bce", [1])):
        method = SASRecMethod(TrainingInput(train, 8, 0, 1), dataclasses.replace(SMALL, loss=loss))
        batches = list(method._batches(np.random.default_rng(0)))
        assert sorted(np.concatenate(batches).tolist()) == users
        assert np.isfinite([float(value.detach()) for value in method.batch_losses(0)]).all()


@pytest.mark.parametrize(
    "settings",
    [{"loss": "sampled-ce", "sampled_items": 10}, {"loss": "bce"}, {"loss": "gbce", "sampled_items": 10}],
    ids=lambda settings: settings["loss"],
)
def test_a_transformer_learns_by_each_loss(settings):
    quick = {"learning_rate": 0.02, "batch_users": 10, "layers": 1, "dropout": 0.1}
    case = MethodCase(method="sasrec", settings=quick | settings, dim=16)
    found = first_unseen(case.learned().scores(np.arange(SIZE)))
    assert np.mean(np.array(found) == np.arange(SIZE)) >= 0.9


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sampled_items": 5}, "sampled_items changes nothing with method.loss ce"),
        ({"loss": "bce", "sampled_items": 5}, "it belongs to sampled-ce and gbce"),
        (
            {"loss": "sampled-ce", "calibration": 0.5},
            "calibration changes nothing with method.loss sampled-ce",
        ),
        ({"loss": "gbce", "calibration": 1.5}, "calibration must be between 0 and 1"),
    ],
)
def test_settings_of_another_loss_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        SASRecConfig(**values)
