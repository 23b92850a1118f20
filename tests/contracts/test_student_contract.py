"""Every method, as teacher and as student, learns a board whose right answer is obvious."""

import numpy as np
import pytest
import torch
from small_data import checkerboard

from recpress_edge.distill.config import FTDConfig, HTDConfig, SoftConfig
from recpress_edge.distill.students import METHODS, QUANTISED, create_method
from recpress_edge.models.config import BPRConfig
from recpress_edge.models.method import Job, Tables
from recpress_edge.models.stored import stored_tables

BOARD = checkerboard(50)
EPOCHS = 40
# Enough weight decay that the board is learned and not the pairs: a negative may be the held-out item.
BPR = {"learning_rate": 0.02, "batch_size": 128, "weight_decay": 0.01, "init_std": 0.1}
CONFIGS = {
    "bpr": BPRConfig(**BPR),
    "ftd": FTDConfig(**BPR),
    "htd": HTDConfig(**BPR, experts=3),
    "soft": SoftConfig(
        learning_rate=0.05, batch_users=10, top_items=2
    ),  # two held-out items are of the right parity
}


def _learn(method: str, dim: int, teacher: Tables | None = None) -> Tables:
    learner = create_method(method, Job(BOARD.train, dim, 0, EPOCHS, teacher), CONFIGS[method])
    for epoch in range(EPOCHS):
        for loss in learner.batch_losses(epoch):
            learner.optimizer.zero_grad()
            loss.backward()
            learner.optimizer.step()
    return Tables(*(table.numpy() for table in learner.tables()))


def _top1(tables: Tables) -> list[int]:
    scores = tables.user_emb @ tables.item_emb.T
    seen = BOARD.train.union(BOARD.valid)
    scores[seen.users(), seen.indices] = -np.inf
    return scores.argmax(axis=1).tolist()


@pytest.fixture(scope="module")
def teachers() -> dict[str, Tables]:
    torch.set_num_threads(1)
    return {method: _learn(method, dim=16) for method in ("bpr", "soft")}


@pytest.mark.parametrize("method", ["bpr", "soft"])
def test_teachers_find_the_held_out_diagonal(teachers, method):
    assert _top1(teachers[method]) == list(range(50))


@pytest.mark.parametrize("teacher", ["bpr", "soft"])
@pytest.mark.parametrize("method", sorted(set(METHODS) - {"bpr"}))
def test_students_find_the_held_out_diagonal(teachers, method, teacher):
    assert _top1(_learn(method, 4, teachers[teacher])) == list(range(50))


@pytest.mark.parametrize("method", sorted(METHODS))
def test_tables_are_what_a_product_promises(teachers, method):
    tables = _learn(method, 4, None if method == "bpr" else teachers["bpr"])
    for table in (tables.user_emb, tables.item_emb):
        assert table.shape == (50, 4)
        assert table.dtype == np.float32
        assert np.isfinite(table).all()


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_seed_decides_everything(teachers, method):
    teacher = None if method == "bpr" else teachers["bpr"]
    first, again = (_learn(method, 4, teacher) for _ in range(2))
    assert first.user_emb.tobytes() == again.user_emb.tobytes()
    assert first.item_emb.tobytes() == again.item_emb.tobytes()


@pytest.mark.parametrize("recipe", QUANTISED)
@pytest.mark.parametrize("method", sorted(METHODS))
def test_fine_tuning_for_a_recipe_learns_through_its_rounding(teachers, method, recipe):
    """From tables that know nothing: only if gradients pass the rounding can the stored tables rank."""
    teacher = None if method == "bpr" else teachers["bpr"]
    rng = np.random.default_rng(1)
    start = Tables(*(0.1 * rng.standard_normal((50, 4), np.float32) for _ in range(2)))
    job = Job(BOARD.train, 4, 0, EPOCHS, teacher, start, recipe)
    learner = create_method(method, job, CONFIGS[method])
    assert np.allclose(_cosines(learner.tables()[0].numpy()), _cosines(start.user_emb), atol=1e-5)
    for epoch in range(EPOCHS):
        for loss in learner.batch_losses(epoch):
            learner.optimizer.zero_grad()
            loss.backward()
            learner.optimizer.step()
    stored = stored_tables(recipe, *learner.tables())
    found = np.array(_top1(Tables(*(table.numpy() for table in stored))))
    assert (found % 2 == np.arange(50) % 2).all()  # the right parity
    assert (found == np.arange(50)).all()  # and, of it, the only item left


def _cosines(table: np.ndarray) -> np.ndarray:
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    return unit @ unit.T


def test_distillation_moves_the_student():
    plain = _learn("bpr", 4)
    rng = np.random.default_rng(0)
    noise = Tables(*(rng.standard_normal((50, 16), np.float32) for _ in range(2)))
    for method in ("ftd", "htd"):
        assert not np.allclose(_learn(method, 4, noise).user_emb, plain.user_emb, atol=1e-3)
