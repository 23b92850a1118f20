"""A soft student: what validation chooses before it trains, and that it is never below its start."""

import pytest
from small_data import two_tastes

from recpress_edge.core.metrics import worth
from recpress_edge.core.progress import Note, TrainingEvent
from recpress_edge.jobs.train import warning_of_ensembles
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions

DATA = two_tastes(n_users=60, n_items=40, per_user=6)


def _student(work, method=None, **training):
    options = TrainOptions(teacher="ease", method=method or {}, training={"epochs": 6, **training})
    return ensure_model(ModelRequest(name="soft_dim4", options=options), DATA, work, lambda _: None)


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    return _student(tmp_path_factory.mktemp("chosen"))


def test_what_validation_chose_is_recorded_with_every_trial(student):
    known = student.metadata
    looks: dict[str, list[float]] = {}
    for trial in known["trials"]:
        looks.setdefault(str(trial["settings"]), []).append(worth(trial["valid"], known["cutoff"])[0])
    values = {settings: (max(start, last), last) for settings, (start, last) in looks.items()}
    assert set(known["chosen_settings"]) == {"score", "learning_rate", "teacher_weight"}
    assert [trial["epoch"] for trial in known["trials"]] == [0, 6] * len(values)
    assert len(values) >= 4
    assert values[str(known["chosen_settings"])] == max(values.values())
    assert known["config"]["teacher_weight"] is None


def test_it_is_never_below_its_start(student):
    history = student.metadata["history"]
    start, best = (
        worth(next(look["valid"] for look in history if look["epoch"] == epoch), student.metadata["cutoff"])
        for epoch in (0, student.metadata["chosen_epoch"])
    )
    assert best >= start


def test_a_setting_that_is_given_is_not_chosen(tmp_path):
    known = _student(tmp_path, {"teacher_weight": 0.5}).metadata
    assert set(known["chosen_settings"]) == {"score", "learning_rate"}
    fixed = _student(tmp_path, {"teacher_weight": 0.5, "learning_rate": 0.02, "score": "inner"}).metadata
    assert "chosen_settings" not in fixed
    assert "trials" not in fixed


def test_a_student_that_gained_nothing_says_so(tmp_path):
    model = _student(tmp_path, {"teacher_weight": 0.5, "learning_rate": 1e-9, "score": "inner"})
    assert model.metadata["chosen_epoch"] == 0
    assert model.metadata["note"] == "training added nothing over the SVD that it starts from"
    told = []
    warning_of_ensembles(told.append)(
        TrainingEvent(kind="cached", name=model.name, seed=0, folder=model.folder)
    )
    assert Note(f"note       soft_dim4: {model.metadata['note']}") in told
