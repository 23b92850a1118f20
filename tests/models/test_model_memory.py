"""Models that need much memory say how much, and are not begun without it."""

import dataclasses
import tracemalloc

import numpy as np
import pytest
from small_data import two_tastes

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.core import memory
from recpress_edge.core.errors import DataError
from recpress_edge.data.interactions import Interactions
from recpress_edge.distill.memory import require_memory_of
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import create_method
from recpress_edge.models.clicks.rows import ClickRows
from recpress_edge.models.closed.itemknn import ItemKNN
from recpress_edge.models.iae import IAE
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.multvae import MultVAE
from recpress_edge.models.outputs import Rankings, Tables, Trajectory
from recpress_edge.models.settings import IAEConfig, ItemKNNConfig, MultVAEConfig
from recpress_edge.models.teacher import Teacher
from recpress_edge.testing.student import untrained

SAID: list[int] = []
JOB = TrainingInput(two_tastes().train, 4, 0, 1, on_need=SAID.append)  # 60 users, 80 items

CASES = {
    # weights, gradients and two moments of 80 · (6 + 4), twice 80 · 5, 10 rows of 80 scores: 4,800 numbers
    "Mult-VAE of 80 items": (lambda: MultVAE(JOB, MultVAEConfig(hidden=6, batch_users=10)), 19_200),
    # the same of 60 · (6 + 4), twice 60 · 5, and 20 rows of 60
    "I-AE of 60 users": (lambda: IAE(JOB, IAEConfig(hidden=6, batch_items=20)), 16_800),
    # twice five of each item, an index and a weight, and four blocks of 80 · 512
    "Item-kNN compares 80 items": (
        lambda: ItemKNN(JOB, ItemKNNConfig(neighbours=5)).fit(),
        2 * 80 * 5 * 12 + 4 * 80 * 512 * 4,
    ),
}


@pytest.mark.parametrize(("what", "case"), CASES.items(), ids=CASES)
def test_what_does_not_fit_is_refused_and_what_just_fits_is_begun(what, case, monkeypatch):
    begin, needed = case
    monkeypatch.setattr(memory, "available_bytes", lambda: needed - 1)
    with pytest.raises(DataError, match=rf"{what}.* needs .* is available\. (Set|Drop)"):
        begin()
    monkeypatch.setattr(memory, "available_bytes", lambda: needed)
    SAID.clear()
    begin()
    assert [needed] == SAID


def _taught(method: str) -> tuple[TrainingInput, object]:
    entry = METHODS[method]
    rows = Tables(np.ones((60, 4), np.float32), np.ones((80, 4), np.float32))
    stages = np.zeros((1, 60, 80), np.int32)
    trajectory = Trajectory(stages, np.zeros((1, len(JOB.train)), np.int32), (1,))
    sequence = untrained(JOB.train) if entry.needs == "sequences" else None
    teacher = Teacher("t", rows, trajectory=trajectory, sequence=sequence) if entry.needs else None
    several = (teacher,) if entry.needs == "trajectories" and teacher else ()
    rankings = Teacher("r", None, Rankings(np.zeros((60, 80), np.int32), np.zeros((60, 80), np.float32)))
    one = FeatureField("user", "user", "categorical", ("a", "b"))
    clicks = ClickRows((one,), np.full((9, 1), 2, np.int32), np.ones(9, np.uint8))
    job = dataclasses.replace(
        JOB,
        clicks=clicks if entry.gives == "clicks" else None,
        dim=entry.has_dim * 4,
        teacher=None if several else teacher,
        teachers=(rankings,) if method == "ensemble" else several,
    )
    return job, entry.config()


@pytest.mark.parametrize("method", [name for name, row in METHODS.items() if not row.stages])
def test_every_method_says_its_need_before_it_takes_it_and_is_refused_without(method, monkeypatch):
    job, config = _taught(method)

    def begin():
        made = create_method(method, job, config)
        if METHODS[method].closed_form:
            made.fit()

    SAID.clear()
    begin()
    (needed,) = SAID  # said once
    monkeypatch.setattr(memory, "available_bytes", lambda: needed - 1)
    with pytest.raises(DataError, match=r"needs .* is available\. (Set|Drop|Take|Leave) "):
        begin()
    assert [needed] == SAID


def test_the_lists_of_a_teacher_count_what_they_take():
    def need(method, users, items, **settings):
        pairs = np.arange(users)
        train = Interactions.from_pairs(pairs, pairs % items, users, items)
        said = []
        rows = Tables(np.ones((users, 4), np.float32), np.ones((items, 4), np.float32))
        job = TrainingInput(train, 4, 0, 1, Teacher("t", rows), on_need=said.append)
        require_memory_of(method, job, METHODS[method].config(**settings))
        return said[0]

    base = need("bpr", 1000, 2000)
    # 5 copies of 3,000 rows of 4 floats, 1,536 rows of scores, 90 bytes a pair
    assert base == 5 * 3000 * 4 * 4 + 1536 * 2000 * 4 + 90 * 1000
    for method in ("rrd", "de_rrd"):  # 500 places of 12 bytes a user: 8 were seen, and the items drawn
        assert need(method, 1000, 2000) == base + 1000 * 500 * 12
    assert need("irrrd", 1000, 2000) == base + (1000 * 500 + 2000 * 100) * 12
    assert need("rrd", 1000, 2000, pool=100) == base + 1000 * 100 * 12
    assert need("rrd", 1000, 300) == need("bpr", 1000, 300) + 1000 * 300 * 12  # no longer than the catalogue


def test_a_need_is_a_lower_bound_of_what_is_taken():
    users, items = 3000, 2000
    rng = np.random.default_rng(0)
    train = Interactions.from_pairs(
        *np.divmod(np.unique(rng.integers(0, users * items, 40_000)), items), users, items
    )
    rows = Tables(*(rng.normal(size=(n, 4)).astype(np.float32) for n in (users, items)))
    for method in ("rrd", "irrrd", "cd", "dcd", "unkd"):
        said: list[int] = []
        config = METHODS[method].config()
        tracemalloc.start()
        learner = create_method(
            method, TrainingInput(train, 4, 0, 1, Teacher("t", rows), on_need=said.append), config
        )
        next(learner.batch_losses(0))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        blocks = 1536 * items * 4  # of scores are torch's, which tracemalloc does not see
        assert 0.5 * peak < said[0] < 1.5 * peak + blocks, method
