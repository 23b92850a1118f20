"""The fold-in: what it starts from, what it learns, when it is learned again."""

import numpy as np
import pytest
import torch
from small_data import two_tastes

from recpress_edge.artifacts.fold_in import FACTS, TENSORS, FoldIn
from recpress_edge.artifacts.model_folder import Student
from recpress_edge.core.errors import RecPressError
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.settings import FoldInConfig
from recpress_edge.training.fold_in import ensure_fold_in, learn_fold_in, users_after

DATA = two_tastes()
TASTES = np.eye(2, dtype=np.float32)[np.arange(60) % 2]  # (60, 2): the vectors of the users
# Item vectors that say nothing: whatever the fold-in knows of tastes, it learned from the users.
BLANK = np.ones((80, 2), np.float32)
QUICK = FoldInConfig(learning_rate=0.2, epochs=30, batch_users=20)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def directions(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_users_are_the_prior_and_the_sum_of_their_items():
    fold_in = FoldIn(np.array([[1, 0], [0, 10], [5, 5]], np.float32), np.array([0.5, 0.25], np.float32))
    histories = Interactions.from_pairs(np.array([0, 0, 2]), np.array([0, 1, 2]), 3, 3)
    assert users_after(fold_in, histories).tolist() == [[1.5, 10.25], [0.5, 0.25], [5.5, 5.25]]


def test_it_learns_where_the_users_point():
    learned = learn_fold_in(TASTES, BLANK, DATA.train, 0, QUICK)
    cosines = (directions(users_after(learned, DATA.train)) * TASTES).sum(axis=1)
    assert cosines.min() > 0.99


def test_new_users_with_a_short_history_are_placed_too():
    """Two items of a taste, in a combination that no user has."""
    learned = learn_fold_in(TASTES, BLANK, DATA.train, 0, QUICK)
    popular = np.flatnonzero(DATA.train.item_counts() >= 4)
    low, high = popular[popular < 40][:2], popular[popular >= 40][:2]
    histories = Interactions.from_pairs(np.array([0, 0, 1, 1]), np.concatenate([low, high]), 2, 80)
    placed = directions(users_after(learned, histories))
    assert (placed.argmax(axis=1) == [0, 1]).all()
    assert placed.max(axis=1).min() > 0.9


def test_nobody_is_between_all():
    learned = learn_fold_in(TASTES, BLANK, DATA.train, 0, QUICK)
    nobody = directions(
        users_after(learned, Interactions.from_pairs(np.empty(0, int), np.empty(0, int), 1, 80))
    )
    np.testing.assert_allclose(nobody, [[0.5**0.5, 0.5**0.5]], atol=0.1)


def test_the_seed_decides_everything():
    first, again, other = (learn_fold_in(TASTES, BLANK, DATA.train, seed, QUICK) for seed in (0, 0, 1))
    assert first.history_emb.tobytes() == again.history_emb.tobytes()
    assert first.prior.tobytes() == again.prior.tobytes()
    assert first.history_emb.tobytes() != other.history_emb.tobytes()


def test_the_tables_it_is_given_stay_as_they_are():
    before = BLANK.copy()
    learn_fold_in(TASTES, BLANK, DATA.train, 0, FoldInConfig(epochs=1))
    assert (before == BLANK).all()


def test_users_without_items_teach_nothing():
    train = DATA.train
    more = Interactions(62, 80, np.concatenate([train.indptr, [train.indptr[-1]] * 2]), train.indices)
    lost = np.concatenate([TASTES, np.full((2, 2), -1, np.float32)])
    few = FoldInConfig(epochs=3)
    assert np.isfinite(learn_fold_in(lost, BLANK, more, 0, few).history_emb).all()


def test_divergence_is_an_error():
    with pytest.raises(RecPressError, match="diverged"):
        learn_fold_in(TASTES * np.float32(np.nan), BLANK, DATA.train, 0, FoldInConfig(epochs=1))


def test_it_is_learned_once_and_again_for_another_model(tmp_path):
    def ensure(digest: str) -> bool:
        student = Student(TASTES, BLANK, "bpr_dim2", 0, digest, {})
        return ensure_fold_in(tmp_path, student, DATA.train, DATA.digest())

    assert ensure("a" * 64)
    written = (tmp_path / TENSORS).read_bytes(), (tmp_path / FACTS).read_bytes()
    assert not ensure("a" * 64)
    assert ((tmp_path / TENSORS).read_bytes(), (tmp_path / FACTS).read_bytes()) == written
    assert ensure("b" * 64)
    assert (tmp_path / FACTS).read_bytes() != written[1]
