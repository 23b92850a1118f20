"""Every method, as teacher and as student, learns a board whose right answer is obvious."""

from typing import Any

import numpy as np
import pytest
import torch
from small_data import checkerboard

from recpress_edge.distill.students import METHODS, QUANTISED, create_method
from recpress_edge.models.method import ClosedForm, Factorised, Job, Method, Scorer
from recpress_edge.models.network import NetworkMethod
from recpress_edge.models.quantised import stored_tables
from recpress_edge.models.ranking import ScoreRows, product_rows, top_unobserved
from recpress_edge.models.teacher import Tables, Teacher, Trajectory
from recpress_edge.training.evaluate import StagedRows

BOARD = checkerboard(50)
EPOCHS = 40
# Enough weight decay that the board is learned and not the pairs: a negative may be the held-out item.
BPR = {"learning_rate": 0.02, "batch_size": 128, "weight_decay": 0.01, "init_std": 0.1}
SETTINGS: dict[str, dict[str, Any]] = {
    "bpr": BPR,
    "ftd": BPR,
    "htd": BPR | {"experts": 3},
    # two unobserved items are of the right parity: what a teacher says of the others is noise
    "de": BPR | {"experts": 3},
    "rrd": BPR | {"pool": 2, "interesting": 2},
    "de_rrd": BPR | {"pool": 2, "interesting": 2, "experts": 3},
    "irrrd": BPR | {"pool": 2, "interesting": 2, "item_pool": 2, "item_interesting": 2},
    "rd": BPR | {"top_items": 2, "dynamic_from": 5},
    "cd": BPR | {"pool": 2, "drawn": 2},
    "dcd": BPR | {"pool": 2, "item_pool": 2, "corrected": 2},
    "unkd": BPR | {"pool": 2, "groups": 1},
    "hetcomp": {
        "learning_rate": 0.05,
        "batch_users": 10,
        "top_items": 2,
        "long_list": 2,
        "short_list": 1,
        "check_every": 5,
    },
    # two held-out items are of the right parity
    "lightgcn": {"learning_rate": 0.05, "batch_size": 256, "l2": 0.1},
    "cml": {"learning_rate": 0.05, "batch_size": 256, "negatives": 2},
    "multvae": {"hidden": 16, "batch_users": 10, "learning_rate": 0.02, "anneal_epochs": 10},
    "iae": {"hidden": 16, "batch_items": 10, "learning_rate": 0.02},
    "ease": {"l2": 1.0},
    "soft": {"learning_rate": 0.05, "batch_users": 10, "top_items": 2},
    "neumf": BPR | {"weight_decay": 0.2, "negatives": 1},
    "rrd-neumf": BPR | {"weight_decay": 0.2, "negatives": 1, "pool": 2, "interesting": 2},
    "ftd-neumf": BPR | {"weight_decay": 0.2, "negatives": 1},
    "htd-neumf": BPR | {"weight_decay": 0.2, "negatives": 1, "experts": 3},
    "de-neumf": BPR | {"weight_decay": 0.2, "negatives": 1, "experts": 3},
    "sasrec": {"learning_rate": 0.01, "batch_users": 10, "layers": 1, "dropout": 0.1},
}
# A metric space with room for more pushes every unseen pair apart, the held-out ones too.
WIDE = {"cml": 2}
TEACHERS = sorted(name for name, entry in METHODS.items() if "teacher" in entry.roles and name != "ensemble")
LEARNED = sorted(name for name, entry in METHODS.items() if not entry.closed_form)
STUDENTS = sorted(name for name in LEARNED if METHODS[name].needs)
TABLES = sorted(name for name in LEARNED if METHODS[name].gives == "embeddings" and not METHODS[name].network)


def _learn(method: str, dim: int, teacher: Teacher | None = None, **job: Any) -> Method | ClosedForm:
    config = METHODS[method].config(**SETTINGS.get(method, {}))
    if METHODS[method].needs == "trajectories" and teacher:
        teacher, job["teachers"] = None, (teacher,)
    learner = create_method(method, Job(BOARD.train, dim, 0, EPOCHS, teacher, **job), config)
    if isinstance(learner, ClosedForm):
        learner.fit()
        return learner
    return _in_epochs(learner)


def _in_epochs(learner: Method) -> Method:
    for epoch in range(EPOCHS):
        for loss in learner.batch_losses(epoch):
            learner.optimizer.zero_grad()
            loss.backward()
            learner.optimizer.step()
    return learner


def _stages(*rows: ScoreRows) -> Trajectory:
    items, observed = zip(*(StagedRows(stage, BOARD.train).stage() for stage in rows), strict=True)
    return Trajectory(
        np.stack([part[:, :2] for part in items]), np.stack(observed), tuple(range(1, len(rows) + 1))
    )


def _taught(name: str, learned: Scorer) -> Teacher:
    """What a student is given of a model; one that learned in epochs was at both stages what it is."""
    trajectory = None if isinstance(learned, ClosedForm) else _stages(*[learned.scores] * 2)
    if isinstance(learned, Factorised):
        tables = Tables(*(table.numpy() for table in learned.tables()))
        return Teacher(name, tables, trajectory=trajectory)
    features = None
    if isinstance(learned, NetworkMethod) and METHODS[name].gives == "embeddings":
        parameters, named = learned.parameters(), learned.architecture()
        features = Tables(
            *(np.hstack([parameters[p].numpy() for p in named[f"{s}_rows"]]) for s in ("user", "item"))
        )
    return Teacher(name, None, top_unobserved(learned.scores, BOARD.train), trajectory, features)


def _top1(scores: np.ndarray) -> list[int]:
    seen = BOARD.train.union(BOARD.valid)
    scores[seen.users(), seen.indices] = -np.inf
    return scores.argmax(axis=1).tolist()


@pytest.fixture(scope="module")
def learned() -> dict[str, Scorer]:
    torch.set_num_threads(1)
    return {method: _learn(method, WIDE.get(method, 16)) for method in TEACHERS}


@pytest.fixture(scope="module")
def teachers(learned) -> dict[str, Teacher]:
    return {name: _taught(name, learned[name]) for name in TEACHERS}


PERSONAL = [name for name in TEACHERS if name != "pop"]  # popularity answers every user alike


@pytest.mark.parametrize("method", PERSONAL)
def test_teachers_find_the_held_out_diagonal(learned, method):
    assert _top1(learned[method].scores(np.arange(50))) == list(range(50))


@pytest.mark.parametrize("method", TEACHERS)
def test_scores_are_rows_of_the_caller_s_own(learned, method):
    whole = learned[method].scores(np.arange(50))
    assert (whole.shape, whole.dtype) == ((50, 50), np.float32)
    assert np.isfinite(whole).all()
    some = learned[method].scores(np.array([7, 3]))
    assert np.allclose(some, whole[[7, 3]], rtol=1e-5, atol=1e-5)
    some[:] = 0  # an evaluation masks in place
    assert np.array_equal(learned[method].scores(np.arange(50)), whole)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_the_registry_says_what_a_method_gives(learned, method):
    if method in learned:
        entry = METHODS[method]
        assert isinstance(learned[method], NetworkMethod) == (entry.network is not None)
        assert isinstance(learned[method], Factorised) == (
            entry.gives == "embeddings" and entry.network is None
        )
        assert isinstance(learned[method], ClosedForm) == METHODS[method].closed_form


@pytest.mark.parametrize("teacher", ["bpr", "ease", "soft"])  # products, rankings alone, cosines
@pytest.mark.parametrize("method", STUDENTS)
def test_students_find_the_held_out_diagonal(teachers, method, teacher):
    if not teachers[teacher].has(METHODS[method].needs):
        pytest.skip(f"{teacher} has no {METHODS[method].needs}, which {method} learns from")
    student = _learn(method, 4, teachers[teacher])
    assert _top1(student.scores(np.arange(50))) == list(range(50))


@pytest.mark.parametrize("method", TABLES)
def test_tables_are_what_a_product_promises(teachers, method):
    learned = _learn(method, 4, _teacher_of(method, teachers))
    user_emb, item_emb = (table.numpy() for table in learned.tables())
    assert user_emb.shape == item_emb.shape
    for table in (user_emb, item_emb):
        assert len(table) == 50
        assert table.dtype == np.float32
        assert np.isfinite(table).all()


def _teacher_of(method: str, teachers: dict[str, Teacher]) -> Teacher | None:
    return teachers["bpr"] if METHODS[method].needs else None


@pytest.mark.parametrize("method", LEARNED)
def test_the_seed_decides_everything(teachers, method):
    first, again = (_learn(method, 4, _teacher_of(method, teachers)) for _ in range(2))
    assert first.scores(np.arange(50)).tobytes() == again.scores(np.arange(50)).tobytes()


@pytest.mark.parametrize("recipe", QUANTISED)
@pytest.mark.parametrize("method", ["bpr", "ftd", "htd", "soft"])
def test_fine_tuning_for_a_recipe_learns_through_its_rounding(teachers, method, recipe):
    """From tables that know nothing: only if gradients pass the rounding can the stored tables rank."""
    rng = np.random.default_rng(1)
    start = Tables(*(0.1 * rng.standard_normal((50, 4), np.float32) for _ in range(2)))
    job = {"start": start, "recipe": recipe}
    config = METHODS[method].config(**SETTINGS[method])
    first = create_method(
        method, Job(BOARD.train, 4, 0, EPOCHS, _teacher_of(method, teachers), **job), config
    )
    assert np.allclose(_cosines(first.tables()[0].numpy()), _cosines(start.user_emb), atol=1e-5)
    learner = _learn(method, 4, _teacher_of(method, teachers), **job)
    stored = stored_tables(recipe, *learner.tables())
    found = np.array(_top1((stored[0] @ stored[1].T).numpy()))
    assert (found % 2 == np.arange(50) % 2).all()  # the right parity
    assert (found == np.arange(50)).all()  # and, of it, the only item left


def _cosines(table: np.ndarray) -> np.ndarray:
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    return unit @ unit.T


@pytest.mark.parametrize("method", STUDENTS)
def test_distillation_moves_the_student(method):
    """Away from the model of the same seed that another teacher makes."""
    rng = np.random.default_rng(0)
    noise = []
    for _ in range(2):
        tables = Tables(*(rng.standard_normal((50, 16), np.float32) for _ in range(2)))
        rows = product_rows(*map(torch.from_numpy, (tables.user_emb, tables.item_emb)))
        noise.append(Teacher("noise", tables, trajectory=_stages(rows, rows)))
    first, second = (_learn(method, 4, teacher).scores(np.arange(50)) for teacher in noise)
    assert not np.allclose(first, second, atol=1e-3)


def test_hetcomp_goes_to_the_end_of_every_trajectory():
    """Also where one has fewer stages than another: neither teacher knows the board before its last."""
    parity = np.eye(2, dtype=np.float32)[np.arange(50) % 2]
    right, wrong = (product_rows(*map(torch.from_numpy, (sign * parity, parity))) for sign in (1, -1))
    teachers = tuple(Teacher("late", trajectory=_stages(*[wrong] * earlier, right)) for earlier in (1, 3))
    config = METHODS["hetcomp"].config(**SETTINGS["hetcomp"] | {"check_every": 1})
    student = _in_epochs(
        create_method("hetcomp", Job(BOARD.train, 4, 0, EPOCHS, None, teachers=teachers), config)
    )
    assert student.memory()["selected"].tolist() == [[1, 3]] * 50
    assert _top1(student.scores(np.arange(50))) == list(range(50))
    start = Tables(*(table.numpy() for table in student.tables()))
    job = Job(BOARD.train, 4, 0, EPOCHS, None, start, "int8-dim", teachers=teachers)
    assert create_method("hetcomp", job, config).memory()["selected"].tolist() == [[1, 3]] * 50
