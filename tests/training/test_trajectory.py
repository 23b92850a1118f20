"""Trajectories: which epochs are kept, what a stage holds, and that a run stopped half-way keeps them."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from small_data import two_tastes

from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.training import trajectory
from recpress_edge.training.ensure import ensure_model, plan_steps
from recpress_edge.training.evaluate import StagedRows, evaluate_rows
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.store import load_model

DATA = two_tastes()


@pytest.mark.parametrize(
    ("recorded", "chosen", "kept"),
    [
        (range(5, 101, 5), 100, [25, 50, 75, 100]),
        (range(5, 101, 5), 60, [15, 30, 45, 60]),  # nothing after the chosen epoch
        ([10, 20], 20, [10, 20]),
        ([], 7, [7]),
        ([1, 2, 90], 100, [1, 2, 90, 100]),  # each once
    ],
)
def test_stages_are_spread_over_the_epochs_before_the_chosen_one(recorded, chosen, kept):
    assert trajectory.spread(list(recorded), chosen) == kept


@pytest.mark.parametrize(
    ("every", "chosen", "kept"),
    [
        (10, 10, [2, 5, 8, 10]),
        (10, 20, [5, 10, 15, 20]),
        (10, 30, [8, 15, 20, 30]),
        (10, 40, [10, 20, 30, 40]),
        (5, 5, [1, 2, 4, 5]),
        (1, 4, [1, 2, 3, 4]),
    ],
)
def test_a_model_that_is_best_early_has_four_stages_too(every, chosen, kept):
    recorded = [epoch for epoch in range(1, 61) if trajectory.is_recorded(epoch, every)]
    assert trajectory.spread(recorded, chosen) == kept


def test_a_stage_by_counting():
    scores = np.random.default_rng(0).integers(0, 9, size=(60, 80)).astype(np.float32)  # with ties
    rows = StagedRows(lambda users: scores[users].copy(), DATA.train)
    # Some were asked for by someone else, who then masks them; the rest is still to be done.
    rows(np.array([3, 1, 40]))[:] = -np.inf
    items, observed = rows.stage()
    for user in range(60):
        own = DATA.train.of(user).tolist()
        best = sorted(own, key=lambda item: (-scores[user, item], item))
        part = slice(DATA.train.indptr[user], DATA.train.indptr[user + 1])
        assert observed[part].tolist() == [best.index(item) for item in own]
        free = [item for item in range(80) if item not in own]
        ranked = sorted(free, key=lambda item: (-scores[user, item], item))
        assert [item for item in items[user].tolist() if item >= 0] == ranked


def test_evaluation_leaves_nothing_to_rank_for_the_stage():
    asked = []
    scores = np.random.default_rng(0).normal(size=(60, 80)).astype(np.float32)

    def rows(users):
        asked.extend(users.tolist())
        return scores[users].copy()

    staged = StagedRows(rows, DATA.train)
    shared = evaluate_rows(staged, DATA, "valid").means()
    staged.stage()
    assert sorted(asked) == list(range(60))
    assert shared == evaluate_rows(rows, DATA, "valid").means()


def _train(tmp_path, name, on_event=lambda event: None, **options):
    chosen = TrainOptions(training={"epochs": 20}, **options)
    return ensure_model(
        ModelRequest(name=name, role="teacher", seed=0, options=chosen), DATA, tmp_path, on_event
    )


def test_a_model_is_trained_again_only_for_a_trajectory_that_it_lacks(tmp_path):
    told = []
    plain = _train(tmp_path, "bpr_dim4")
    with_it = _train(tmp_path, "bpr_dim4", lambda event: told.append(event.kind), trajectory=True)
    assert "train" in told
    assert with_it.digest == plain.digest
    told.clear()
    _train(tmp_path, "bpr_dim4", lambda event: told.append(event.kind), trajectory=True)
    assert told == ["cached"]
    stages = trajectory.load_trajectory(with_it.folder)
    assert stages.epochs[-1] == with_it.metadata["chosen_epoch"]
    assert stages.items.shape[1:] == (60, 80)
    assert not list(with_it.folder.glob("trajectory-*"))


def test_a_run_that_was_stopped_keeps_its_stages(tmp_path):
    def stop(event):
        if event.kind == "epoch" and event.epoch == 11:
            raise KeyboardInterrupt

    whole = _train(tmp_path / "whole", "bpr_dim4", trajectory=True)
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path / "cut", "bpr_dim4", stop, trajectory=True, checkpoint_every_s=0.0)
    resumed = _train(tmp_path / "cut", "bpr_dim4", trajectory=True)
    files = [(model.folder / trajectory.FILE).read_bytes() for model in (whole, resumed)]
    assert files[0] == files[1]


def test_a_damaged_trajectory_is_named(tmp_path):
    model = _train(tmp_path, "bpr_dim4", trajectory=True)
    file = model.folder / trajectory.FILE
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(ArtifactError, match=r"trajectory\.safetensors cannot be used.*--restart"):
        trajectory.load_trajectory(model.folder)


def test_hetcomp_from_one_teacher_with_its_trajectory(tmp_path):
    options = TrainOptions(teacher="bpr_dim4", training={"epochs": 20, "evaluate_every": 5})
    steps = plan_steps(
        ModelRequest(name="hetcomp_dim3", role="student", seed=0, options=options), DATA, tmp_path
    )
    assert [(step.name, step.action) for step in steps] == [("bpr_dim4", "train"), ("hetcomp_dim3", "train")]
    student = ensure_model(
        ModelRequest(name="hetcomp_dim3", role="student", seed=0, options=options),
        DATA,
        tmp_path,
        lambda event: None,
    )
    assert [member["name"] for member in student.metadata["members"]] == ["bpr_dim4"]
    steps = plan_steps(
        ModelRequest(name="hetcomp_dim3", role="student", seed=0, options=options), DATA, tmp_path
    )
    assert [step.action for step in steps] == ["cached", "cached"]


def test_hetcomp_fine_tuned_for_a_recipe_has_the_same_teachers(tmp_path):
    options = TrainOptions(teacher="ensemble:bpr_dim4+soft_dim4", training={"epochs": 2, "evaluate_every": 1})
    tuned = ensure_model(
        ModelRequest(name="hetcomp_dim3_qat-int8-dim", role="student", seed=0, options=options),
        DATA,
        tmp_path,
        lambda event: None,
    )
    first = load_model(next(tmp_path.glob("models/hetcomp_dim3-s0-*")))
    names = [[member["name"] for member in model.metadata["members"]] for model in (first, tuned)]
    assert names == [["bpr_dim4", "soft_dim4"]] * 2
    steps = plan_steps(
        ModelRequest(name="hetcomp_dim3_qat-int8-dim", role="student", seed=0, options=options),
        DATA,
        tmp_path,
    )
    assert [step.action for step in steps] == ["cached"] * 4


def test_a_student_of_other_stages_is_another(tmp_path):
    """The teacher is the same model; what its trajectory holds decides the student's numbers too."""
    options = TrainOptions(teacher="bpr_dim4", training={"epochs": 4, "evaluate_every": 2})

    def student():
        return ensure_model(
            ModelRequest(name="hetcomp_dim3", role="student", seed=0, options=options),
            DATA,
            tmp_path,
            lambda event: None,
        )

    first = student()
    file = next(tmp_path.glob("models/bpr_dim4-*/trajectory.safetensors"))
    stages = load_file(file)
    save_file({name: np.ascontiguousarray(array[-2:]) for name, array in stages.items()}, file)
    assert student().metadata["members"] == first.metadata["members"]
    assert student().folder != first.folder


def test_hetcomp_finds_its_teachers_by_name(tmp_path):
    folder = str(_train(tmp_path, "bpr_dim4").folder)
    with pytest.raises(ConfigError, match="by name and not by folder"):
        ensure_model(
            ModelRequest(name="hetcomp_dim3", role="student", seed=0, options=TrainOptions(teacher=folder)),
            DATA,
            tmp_path,
            print,
        )
