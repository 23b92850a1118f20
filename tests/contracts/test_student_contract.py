"""Every method of the table, as teacher and as student, keeps the contract of recpress_edge.testing."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import QUANTISED, create_method
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import Tables
from recpress_edge.models.qat import stored_tables
from recpress_edge.models.ranking import product_rows
from recpress_edge.models.teacher import Teacher
from recpress_edge.testing import MethodCase, MethodContract, StudentContract
from recpress_edge.testing.student import BOARD, BPR, EPOCHS, first_unseen, in_epochs, stages, taught

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
    "ecae": {"batch_users": 10, "learning_rate": 0.01},
    "ae": {"batch_users": 10, "learning_rate": 0.01},
    "ease": {"l2": 1.0},
    "soft": {"learning_rate": 0.25, "batch_users": 10, "top_items": 2},
    "neumf": BPR | {"weight_decay": 0.2, "negatives": 1},
    "rrd-neumf": BPR | {"weight_decay": 0.2, "negatives": 1, "pool": 2, "interesting": 2},
    "ftd-neumf": BPR | {"weight_decay": 0.2, "negatives": 1},
    "htd-neumf": BPR | {"weight_decay": 0.2, "negatives": 1, "experts": 3},
    "de-neumf": BPR | {"weight_decay": 0.2, "negatives": 1, "experts": 3},
    "sasrec": {"learning_rate": 0.01, "batch_users": 10, "layers": 1, "dropout": 0.1},
    "bert4rec": {"learning_rate": 0.02, "batch_places": 200, "layers": 1, "dropout": 0.1},
    "lrh": {"learning_rate": 0.05, "batch_places": 200},
    "adarec": {"learning_rate": 0.02, "batch_places": 200, "cell": "conv3+skip+attention", "cells": 1},
}
# As its usual settings have it of a teacher.
ALONE = {"soft": {"score": "cosine", "start": "noise"}}
# A metric space with room for more pushes every unseen pair apart, the held-out ones too.
WIDE = {"cml": 2}
TEACHERS = sorted(
    name
    for name, entry in METHODS.items()
    if "teacher" in entry.roles and entry.gives != "clicks" and name != "ensemble"
)
TAUGHT = {
    name: entry
    for name, entry in METHODS.items()
    if entry.needs not in (None, "clicks") and not entry.stages  # two stages: tests/training/two_stages
}
STUDENTS = sorted(name for name, entry in TAUGHT.items() if not entry.closed_form)


@cache
def alone(method):
    """Popularity answers every user alike."""
    return MethodCase(
        method=method,
        settings=SETTINGS.get(method, {}) | ALONE.get(method, {}),
        dim=WIDE.get(method, 16),
        personal=method != "pop",
    )


@cache
def student(method, teacher=None):
    teacher = teacher or ("sasrec" if METHODS[method].needs == "sequences" else "bpr")
    return MethodCase(method=method, settings=SETTINGS.get(method, {}), teacher=alone(teacher))


class TestTeachers(MethodContract):
    @pytest.fixture(params=TEACHERS)
    def case(self, request):
        return alone(request.param)


class TestStudents(StudentContract):
    @pytest.fixture(params=STUDENTS)
    def case(self, request):
        return student(request.param)


@pytest.mark.parametrize("teacher", ["ease", "soft"])  # rankings alone, cosines; products are above
@pytest.mark.parametrize("method", STUDENTS)
def test_students_of_unlike_teachers_find_the_held_out_diagonal(method, teacher):
    if not taught(alone(teacher)).has(METHODS[method].needs):
        pytest.skip(f"{teacher} has no {METHODS[method].needs}, which {method} learns from")
    scores = student(method, teacher).until_found().scores(np.arange(50))
    assert first_unseen(scores) == list(range(50))


@pytest.mark.parametrize("recipe", QUANTISED)
@pytest.mark.parametrize("method", ["bpr", "ftd", "htd", "soft"])
def test_fine_tuning_for_a_recipe_learns_through_its_rounding(method, recipe):
    """From tables that know nothing: only if gradients pass the rounding can the stored tables rank."""
    rng = np.random.default_rng(1)
    start = Tables(*(0.1 * rng.standard_normal((50, 4), np.float32) for _ in range(2)))
    teacher = alone("bpr") if METHODS[method].needs else None
    case = MethodCase(method=method, settings=SETTINGS[method], teacher=teacher, start=start, recipe=recipe)
    given = taught(teacher) if teacher else None
    job = TrainingInput(BOARD.train, 4, 0, EPOCHS, given, start=start, recipe=recipe)
    first = create_method(method, job, METHODS[method].config(**SETTINGS[method]))
    assert np.allclose(_cosines(first.tables()[0].numpy()), _cosines(start.user_emb), atol=1e-5)
    stored = stored_tables(recipe, *case.learned().tables())
    found = np.array(first_unseen((stored[0] @ stored[1].T).numpy()))
    assert (found % 2 == np.arange(50) % 2).all()  # the right parity
    assert (found == np.arange(50)).all()  # and, of it, the only item left


def _cosines(table):
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    return unit @ unit.T


def test_hetcomp_goes_to_the_end_of_every_trajectory():
    """Also where one has fewer stages than another: neither teacher knows the board before its last."""
    parity = np.eye(2, dtype=np.float32)[np.arange(50) % 2]
    right, wrong = (product_rows(*map(torch.from_numpy, (sign * parity, parity))) for sign in (1, -1))
    teachers = tuple(Teacher("late", trajectory=stages(*[wrong] * earlier, right)) for earlier in (1, 3))
    config = METHODS["hetcomp"].config(**SETTINGS["hetcomp"] | {"check_every": 1})
    student = in_epochs(
        create_method("hetcomp", TrainingInput(BOARD.train, 4, 0, EPOCHS, None, teachers=teachers), config)
    )
    assert student.memory()["selected"].tolist() == [[1, 3]] * 50
    assert first_unseen(student.scores(np.arange(50))) == list(range(50))
    start = Tables(*(table.numpy() for table in student.tables()))
    job = TrainingInput(BOARD.train, 4, 0, EPOCHS, None, start, "int8-dim", teachers=teachers)
    assert create_method("hetcomp", job, config).memory()["selected"].tolist() == [[1, 3]] * 50
