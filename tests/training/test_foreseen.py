"""What a dry run says of memory, and that it refuses what does not fit."""

import dataclasses
from pathlib import Path

import pytest
from small_data import two_tastes

from recpress_edge.core import memory
from recpress_edge.core.errors import DataError
from recpress_edge.distill.methods import METHODS
from recpress_edge.training.ensure import ensure_model, plan_steps
from recpress_edge.training.plan import ModelRequest, TrainOptions

DATA = two_tastes()
MEASURED = Path(__file__).parents[2] / "benchmarks" / "results" / "epoch-costs.json"


def _steps(name, work, teacher=None, **training):
    options = TrainOptions(teacher=teacher, training=training)
    return plan_steps(ModelRequest(name=name, options=options), DATA, work)


@pytest.mark.parametrize("name", ["bpr_dim4", "als_dim4", "ease", "iae_dim4"])
def test_a_dry_run_says_the_need_that_the_run_states(name, tmp_path):
    role = "teacher" if name == "ease" else "student"
    stated = []
    request = ModelRequest(name=name, role=role, options=TrainOptions(training={"epochs": 1}))
    if METHODS[name.partition("_")[0]].closed_form:
        request = dataclasses.replace(request, options=TrainOptions())
    (step,) = plan_steps(request, DATA, tmp_path)
    ensure_model(request, DATA, tmp_path, lambda e: stated.append(getattr(e, "memory_bytes", None)))
    assert step.memory_bytes == next(n_bytes for n_bytes in stated if n_bytes)
    assert plan_steps(request, DATA, tmp_path)[0].memory_bytes is None  # it is there


def test_a_student_whose_teacher_is_missing_is_foreseen_too(tmp_path):
    teacher, student = _steps("soft_dim4", tmp_path, "bpr_dim6", epochs=3)
    assert teacher.memory_bytes is not None
    assert student.memory_bytes is not None
    lists = 40 * 60 * 80  # bytes a place; lists as long as the catalogue
    assert student.memory_bytes > lists
    assert _steps("svd_dim4", tmp_path, "bpr_dim6")[1].memory_bytes is None


def test_what_does_not_fit_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1000)
    with pytest.raises(DataError, match=r"bpr of 60 users, 80 items .* needs .* 1000 B is available"):
        _steps("bpr_dim4", tmp_path)
