"""Truncated SVDs beside numpy's, and alternating least squares beside its own definition."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_data import two_tastes

from recpress_edge.core.errors import ConfigError
from recpress_edge.models.closed.als import ALS
from recpress_edge.models.closed.svd import SVD, PureSVD
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import Rankings, Tables
from recpress_edge.models.ranking import top_unobserved
from recpress_edge.models.settings import ALSConfig, PureSVDConfig, SVDConfig
from recpress_edge.models.teacher import Teacher

TRAIN = two_tastes().train


def _noise(*shape):
    return np.random.default_rng(7).normal(size=shape).astype(np.float32)


WEIGHTED = replace(TRAIN, weights=np.random.default_rng(3).integers(1, 40, len(TRAIN)).astype(np.float64))


def _dense(values=1.0):
    matrix = np.zeros((TRAIN.n_users, TRAIN.n_items))
    matrix[TRAIN.users(), TRAIN.indices] = values
    return matrix


def _product(model):
    model.fit()
    user_emb, item_emb = model.tables()
    assert user_emb.dtype == item_emb.dtype == torch.float32
    assert torch.allclose(user_emb.norm(dim=0), item_emb.norm(dim=0), rtol=1e-4)  # both sides round alike
    return (user_emb @ item_emb.T).numpy()


def _best(matrix, dim):
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return (left[:, :dim] * values[:dim]) @ right[:dim]


def _nearly_best(product, matrix, dim):
    """A randomised SVD is as near as numpy's, by a ten thousandth."""
    found, best = (np.linalg.norm(matrix - made) for made in (product, _best(matrix, dim)))
    assert found < 1.0001 * best


def _unit(matrix):
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def test_svd_of_tables_is_the_best_approximation_of_their_scores():
    teacher = Teacher("wide", Tables(_noise(TRAIN.n_users, 16), _noise(TRAIN.n_items, 16)))
    scores = teacher.tables.user_emb @ teacher.tables.item_emb.T
    model = SVD(TrainingInput(TRAIN, 5, 0, 1, teacher=teacher), SVDConfig())
    assert np.allclose(_product(model), _best(_unit(scores.astype(np.float64)), 5), atol=1e-5)


@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize("rank", [3, 16], ids=["narrow", "full"])
def test_svd_of_tables_takes_users_block_by_block(block, rank, monkeypatch):
    monkeypatch.setattr("recpress_edge.models.closed.low_rank.BLOCK_USERS", block)
    users, items = _noise(TRAIN.n_users, rank), _noise(TRAIN.n_items, rank)
    users[4] = 0.0
    wide = [np.pad(table, ((0, 0), (0, 16 - rank))) for table in (users, items)]
    model = SVD(TrainingInput(TRAIN, 5, 0, 1, teacher=Teacher("wide", Tables(*wide))), SVDConfig())
    scores = (users @ items.T).astype(np.float64)
    scores[np.arange(len(scores)) != 4] = _unit(np.delete(scores, 4, axis=0))
    assert np.allclose(_product(model), _best(scores, 5), atol=1e-5)


def test_svd_of_rankings_is_that_of_what_their_places_are_worth():
    rankings = top_unobserved(lambda users: _noise(TRAIN.n_users, TRAIN.n_items)[users], TRAIN, 30)
    rankings = Rankings(rankings.items, rankings.scores)
    rankings.items[3, 20:] = -1  # a list that ends early
    expected = _dense() / 20.0
    for user, items in enumerate(rankings.items):
        for place, item in enumerate(items[items >= 0]):
            expected[user, item] = 1 / (20 + place)
    model = SVD(TrainingInput(TRAIN, 5, 0, 1, teacher=Teacher("lists", rankings=rankings)), SVDConfig())
    _nearly_best(_product(model), _unit(expected), 5)


def test_svd_of_a_teacher_that_keeps_tables_near_to_its_scores_is_theirs():
    rankings = top_unobserved(lambda users: _noise(TRAIN.n_users, TRAIN.n_items)[users], TRAIN, 30)
    near = Tables(_noise(TRAIN.n_users, 16), _noise(TRAIN.n_items, 16))
    tables, both = Teacher("wide", near), Teacher("ensemble", rankings=rankings, near=near)
    lists = Teacher("lists", rankings=rankings)
    of_tables, of_both, of_lists, wider, of_more = (
        _product(SVD(TrainingInput(TRAIN, dim, 0, 1, teacher=teacher), SVDConfig()))
        for teacher, dim in ((tables, 5), (both, 5), (lists, 5), (both, 17), (lists, 17))
    )
    assert np.array_equal(of_both, of_tables)
    assert not np.allclose(of_both, of_lists, atol=0.01)
    assert np.array_equal(wider, of_more)  # than they are


def test_puresvd_is_the_best_approximation_of_the_interactions():
    _nearly_best(_product(PureSVD(TrainingInput(TRAIN, 6, 0, 1), PureSVDConfig())), _dense(), 6)


def test_more_dimensions_than_a_teacher_has_are_an_error():
    teacher = Teacher("narrow", Tables(_noise(TRAIN.n_users, 4), _noise(TRAIN.n_items, 4)))
    with pytest.raises(ConfigError, match="its teacher has at most 4 dimensions, and 5 were asked for"):
        SVD(TrainingInput(TRAIN, 5, 0, 1, teacher=teacher), SVDConfig()).fit()
    with pytest.raises(ConfigError, match="60 × 80 has at most 60 dimensions, and 61"):
        PureSVD(TrainingInput(TRAIN, 61, 0, 1), PureSVDConfig()).fit()


def _loss(users, items, unobserved, l2, added=1.0):
    """The definition of :class:`ALS`, over the whole matrix. ``added``: what each pair adds."""
    x, scores = torch.from_numpy(_dense(added)), users @ items.T
    loss = (x * (1 - scores) ** 2).sum() + unobserved * (scores**2).sum()
    for table, counts, others in ((users, x.sum(1), len(items)), (items, x.sum(0), len(users))):
        loss = loss + l2 * ((counts + unobserved * others) * table.square().sum(1)).sum()
    return loss


@pytest.mark.parametrize("power", [None, 0.5, 1.0])
@pytest.mark.parametrize("dim", [4, 40])  # rows longer than half the dimensions, and shorter ones
def test_als_falls_and_ends_where_its_loss_is_flat(monkeypatch, dim, power):
    monkeypatch.setattr(
        "recpress_edge.models.closed.als.BLOCK_BYTES", 4000
    )  # several blocks, long rows in parts
    settings = ALSConfig(unobserved=0.2, l2=0.01, weight_power=power, iterations=60)
    model = ALS(TrainingInput(WEIGHTED if power else TRAIN, dim, 0, 1), settings)
    added = WEIGHTED.weights**power / (WEIGHTED.weights**power).mean() if power else 1.0
    losses = []
    for _ in model.stages():
        users, items = (table.double().requires_grad_() for table in model.tables())
        losses.append(_loss(users, items, 0.2, 0.01, added))
    assert all(after <= before + 1e-4 for before, after in itertools.pairwise(losses))
    losses[-1].backward()
    assert items.grad.abs().max() < 1e-4  # solved last, exactly
    assert users.grad.abs().max() < 0.02
    assert losses[-1] < 0.9 * losses[0]


def _items_of(model):
    model.fit()
    return model.tables()[1]


def test_als_leaves_weights_out_with_power_0_and_offers_powers_where_there_are_weights():
    plain, without = (
        ALS(TrainingInput(train, 4, 0, 1), ALSConfig(unobserved=0.2, l2=0.01, weight_power=0.0, iterations=2))
        for train in (TRAIN, WEIGHTED)
    )
    assert (_items_of(plain) == _items_of(without)).all()
    assert "weight_power" not in ALS(TrainingInput(TRAIN, 4, 0, 1), ALSConfig()).candidates()
    offered = ALS(TrainingInput(WEIGHTED, 4, 0, 1), ALSConfig()).candidates()["weight_power"]
    assert (offered[0], offered[-1]) == (0.0, 1.0)


def test_als_of_weights_of_any_unit_is_the_same():
    products = [
        _items_of(
            ALS(
                TrainingInput(replace(TRAIN, weights=WEIGHTED.weights * unit), 4, 0, 1),
                ALSConfig(unobserved=0.2, l2=0.01, weight_power=1.0, iterations=2),
            )
        )
        for unit in (1.0, 2.0**200)
    ]
    assert (products[0] == products[1]).all()
