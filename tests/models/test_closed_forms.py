"""Models that are computed at once, each beside a second way to compute it."""

import numpy as np
import pytest
import torch
from small_data import two_tastes

from recpress_edge.core import memory
from recpress_edge.core.errors import ConfigError, DataError, RecPressError
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.closed.ease import EASE
from recpress_edge.models.closed.ensemble import Ensemble
from recpress_edge.models.closed.itemknn import ItemKNN
from recpress_edge.models.closed.pop import Pop
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import Rankings
from recpress_edge.models.settings import EASEConfig, EnsembleConfig, ItemKNNConfig, PopConfig
from recpress_edge.models.teacher import Teacher

TRAIN = two_tastes().train
EVERYONE = np.arange(TRAIN.n_users)


def _dense(pairs: Interactions) -> np.ndarray:
    matrix = np.zeros((pairs.n_users, pairs.n_items))
    matrix[pairs.users(), pairs.indices] = 1.0
    return matrix


def _fitted(model):
    model.fit()
    return model


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("invert", ["items", "users", "smaller"])
def test_ease_is_its_formula_whichever_matrix_is_inverted(invert, precision):
    ease = _fitted(
        EASE(TrainingInput(TRAIN, 0, 0, 1), EASEConfig(l2=3.0, invert=invert, precision=precision))
    )
    x = _dense(TRAIN)
    inverse = np.linalg.inv(x.T @ x + 3.0 * np.eye(TRAIN.n_items))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    assert ease.inverse.shape[0] == {"items": 80, "users": 60, "smaller": 60}[invert]
    assert np.allclose(ease.scores(EVERYONE), x @ weights, atol=1e-4 if precision == "float32" else 1e-7)


def test_ease_says_what_memory_it_needs_and_is_not_begun_without(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 20_000)
    ease = EASE(TrainingInput(TRAIN, 0, 0, 1), EASEConfig())
    with pytest.raises(DataError, match=r"60 × 60 users and needs .* and 19.5 KiB is available. Drop rare"):
        ease.fit()


def test_ease_of_a_matrix_that_cannot_be_inverted_is_an_error():
    ease = EASE(
        TrainingInput(TRAIN, 0, 0, 1), EASEConfig(l2=1e-12, invert="items")
    )  # 60 users cannot span 80 items
    with pytest.raises(RecPressError, match=r"raise method.l2 \(it is 1e-12\)"):
        ease.fit()


@pytest.mark.parametrize("shrink", [0.0, 2.0])
def test_itemknn_is_its_loop(shrink):
    knn = _fitted(ItemKNN(TrainingInput(TRAIN, 0, 0, 1), ItemKNNConfig(neighbours=5, shrink=shrink)))
    x = _dense(TRAIN)
    counts = x.sum(axis=0)
    expected = np.zeros_like(x)
    for item in range(TRAIN.n_items):
        similar = np.zeros(TRAIN.n_items)
        for other in range(TRAIN.n_items):
            both = float(x[:, item] @ x[:, other])
            if other != item and both:
                similar[other] = both / (np.sqrt(counts[item] * counts[other]) + shrink)
        # Of neighbours that tie for the last place any may be kept: the sum over a user's items shows which.
        kept = np.sort(similar)[-5]
        similar[similar < kept - 1e-6] = 0.0
        expected[:, item] = x @ similar if (similar > 0).sum() <= 5 else np.nan
    decided = ~np.isnan(expected)
    assert decided.mean() > 0.3
    assert np.allclose(knn.scores(EVERYONE)[decided], expected[decided], atol=1e-5)


def test_itemknn_offers_its_shrink_unless_it_is_set():
    given = TrainingInput(TRAIN, 0, 0, 1)
    offers = ItemKNN(given, ItemKNNConfig())
    assert dict(offers.candidates()) == {"shrink": (1.0, 10.0, 100.0)}
    assert offers.shrink == 10.0
    none = ItemKNN(given, ItemKNNConfig(shrink=0.0))
    assert none.candidates() == {}
    assert none.shrink == 0.0


def test_an_item_that_nobody_consumed_is_like_no_other():
    pairs = Interactions.from_pairs(np.array([0, 1]), np.array([0, 0]), 2, 3)
    scores = _fitted(ItemKNN(TrainingInput(pairs, 0, 0, 1), ItemKNNConfig())).scores(np.arange(2))
    assert scores.tolist() == [[0.0] * 3] * 2


def test_popularity_counts():
    pop = _fitted(Pop(TrainingInput(TRAIN, 0, 0, 1), PopConfig()))
    assert np.array_equal(pop.scores(np.array([4, 9])), [TRAIN.item_counts()] * 2)


def _teacher(*lists: list[int]) -> Teacher:
    items = np.array(lists, np.int32)
    return Teacher(
        "made", rankings=Rankings(items, -np.arange(items.size, dtype=np.float32).reshape(items.shape))
    )


def test_reciprocal_rank_fusion_by_hand():
    pairs = Interactions.from_pairs(np.array([0]), np.array([4]), 1, 5)
    members = (_teacher([0, 1, 2]), _teacher([2, 3, -1]))  # the second list ends early
    fused = _fitted(Ensemble(TrainingInput(pairs, 0, 0, 1, teachers=members), EnsembleConfig()))
    expected = [1 / 20, 1 / 21, 1 / 22 + 1 / 20, 1 / 21, 0.0]
    assert fused.scores(np.array([0]))[0].tolist() == pytest.approx(expected)


def test_summed_importance_by_hand():
    pairs = Interactions.from_pairs(np.array([0]), np.array([4]), 1, 5)
    config = EnsembleConfig(fusion="importance", scale=2.0)
    fused = _fitted(
        Ensemble(TrainingInput(pairs, 0, 0, 1, teachers=(_teacher([3, 1]), _teacher([1, 3]))), config)
    )
    both = 1 + np.exp(-0.5)
    assert fused.scores(np.array([0]))[0].tolist() == pytest.approx([0, both, 0, both, 0])


def test_members_with_tables_are_ranked_first():
    from recpress_edge.models.outputs import Tables

    pairs = Interactions.from_pairs(np.array([0]), np.array([0]), 1, 3)
    tables = Tables(np.ones((1, 1), np.float32), np.array([[9.0], [1.0], [2.0]], np.float32))
    job = TrainingInput(pairs, 0, 0, 1, teachers=(Teacher("tables", tables), _teacher([2, 1])))
    scores = _fitted(Ensemble(job, EnsembleConfig())).scores(np.array([0]))
    assert scores[0].tolist() == pytest.approx([0.0, 2 / 21, 2 / 20])  # item 0 is a train item


@pytest.mark.parametrize(
    ("config", "settings"),
    [(EASEConfig, {"l2": 0.0}), (ItemKNNConfig, {"neighbours": 0}), (EnsembleConfig, {"scale": 0.0})],
)
def test_settings_are_checked(config, settings):
    with pytest.raises(ConfigError, match="must be above 0"):
        config(**settings)


def test_scores_of_float64_are_float32():
    ease = _fitted(EASE(TrainingInput(TRAIN, 0, 0, 1), EASEConfig(precision="float64")))
    assert ease.inverse.dtype == torch.float64
    assert ease.scores(np.array([1])).dtype == np.float32
