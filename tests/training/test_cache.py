"""The cache of trained models: what is found, what is trained, what is refused."""

import dataclasses
import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from small_data import two_tastes

from recpress_edge.artifacts.model_folder import read_model
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.outputs import Tables
from recpress_edge.training.ensure import ensure_model, find_or_train, plan_steps
from recpress_edge.training.plan import ModelRequest, TrainOptions, in_order, is_ready, plan_model, want
from recpress_edge.training.store import load_model, locked, save_model

DATA = two_tastes()
QUICK = TrainOptions(training={"epochs": 2})


class Listener(list):
    """Collects events; ``kinds`` leaves the epochs out."""

    def __call__(self, event):
        self.append(event)

    @property
    def kinds(self):
        return [(e.kind, e.name) for e in self if e.kind != "epoch"]


def _ensure(work, name="bpr_dim4", options=QUICK, role="student", data=DATA, seed=0):
    listener = Listener()
    return ensure_model(
        ModelRequest(name=name, role=role, seed=seed, options=options), data, work, listener
    ), listener


def test_the_second_time_nothing_is_trained(tmp_path):
    first, listener = _ensure(tmp_path)
    assert listener.kinds == [("train", "bpr_dim4"), ("needs", "bpr_dim4"), ("done", "bpr_dim4")]
    again, listener = _ensure(tmp_path)
    assert listener.kinds == [("cached", "bpr_dim4")]
    assert np.array_equal(first.item_emb, again.item_emb)
    assert first.folder == again.folder


def test_a_fine_tuned_model_is_made_from_the_very_model_that_it_names(tmp_path):
    tuned, listener = _ensure(tmp_path, "bpr_dim4_qat-int8-dim")
    assert listener.kinds[2::3] == [("done", "bpr_dim4"), ("done", "bpr_dim4_qat-int8-dim")]
    start, _ = _ensure(tmp_path, options=TrainOptions())  # the usual settings: ours are for the fine-tuning
    assert tuned.metadata["quantised"]["start"] == {"name": "bpr_dim4", "seed": 0, "sha256": start.digest}
    assert tuned.metadata["history"][0]["epoch"] == 0
    assert tuned.metadata["training"]["epochs"] == 2
    names = {p.name.rpartition("-")[0] for p in (tmp_path / "models").iterdir()}
    assert names == {"bpr_dim4-s0", "bpr_dim4_qat-int8-dim-s0"}
    other = dataclasses.replace(start, metadata=start.metadata | {"sha256": "0" * 64})
    wanted = want(ModelRequest(name="bpr_dim4_qat-int8-dim", options=QUICK), DATA)
    keys = {plan_model(wanted, {wanted.start: m}, DATA, tmp_path).key for m in (start, other)}
    assert len(keys) == 2
    assert tuned.metadata["key"] in keys


def test_what_a_finished_folder_holds(tmp_path):
    model, _ = _ensure(tmp_path)
    files = sorted(path.name for path in model.folder.iterdir())
    assert files == [".lock", "items.txt", "model.json", "model.safetensors", "train_pairs.bin", "users.txt"]
    metadata = json.loads((model.folder / "model.json").read_text())
    assert metadata["schema"] == "recpress.model/1"
    assert (metadata["n_users"], metadata["n_items"], metadata["dim"]) == (60, 80, 4)
    assert set(metadata["metrics"]) == {"valid", "test"}
    assert metadata["dataset"]["digest"] == DATA.digest()
    assert metadata["chosen_epoch"] == metadata["history"][-1]["epoch"] == 2
    assert "users with >= 1 relevant item" in metadata["definitions"]["test"]


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"name": "bpr_dim5"},
        {"options": dataclasses.replace(QUICK, training={"epochs": 3})},
        {"options": dataclasses.replace(QUICK, method={"learning_rate": 0.01})},
        {"data": two_tastes(n_users=62)},
    ],
)
def test_whatever_changes_the_numbers_changes_the_folder(tmp_path, change):
    model, _ = _ensure(tmp_path)
    other, listener = _ensure(tmp_path, **change)
    assert listener.kinds[0][0] == "train"
    assert model.folder != other.folder


def test_a_missing_teacher_is_trained_first_and_shared(tmp_path):
    options = dataclasses.replace(QUICK, teacher="bpr_dim6", method={"batch_size": 64})
    model, listener = _ensure(tmp_path, "ftd_dim4", options)
    assert listener.kinds == [
        ("train", "bpr_dim6"), ("needs", "bpr_dim6"), ("done", "bpr_dim6"),
        ("train", "ftd_dim4"), ("needs", "ftd_dim4"), ("done", "ftd_dim4"),
    ]  # fmt: skip
    assert {event.teacher_of for event in listener if event.name == "bpr_dim6"} == {"ftd_dim4"}
    assert model.metadata["teacher"]["name"] == "bpr_dim6"
    _, listener = _ensure(tmp_path, "ftd_dim4", options, seed=1)
    assert listener.kinds[0] == ("cached", "bpr_dim6")


def test_a_teacher_can_be_a_folder(tmp_path):
    teacher, _ = _ensure(tmp_path, "bpr_dim6", role="teacher")
    options = dataclasses.replace(QUICK, teacher=str(teacher.folder))
    model, listener = _ensure(tmp_path, "soft_dim4", options)
    assert listener.kinds[0] == ("train", "soft_dim4")
    assert model.metadata["teacher"]["sha256"] == teacher.digest


def test_an_ensemble_trains_its_members_first_and_teaches_by_rankings(tmp_path):
    ensemble = "ensemble:bpr_dim6+ease"
    member, _ = _ensure(tmp_path, "bpr_dim6", role="teacher")
    options = TrainOptions(members=(str(member.folder),))
    model, listener = _ensure(tmp_path, ensemble, options, "teacher", seed=3)
    assert listener.kinds == [
        ("train", "ease"), ("needs", "ease"), ("done", "ease"),
        ("train", ensemble), ("needs", ensemble), ("done", ensemble),
    ]  # fmt: skip
    assert model.tables is None
    assert model.rankings.items.shape == (60, 80)
    assert (model.rankings.items[:, -8:] == -1).all()  # 8 train items a user are not ranked
    assert [m["name"] for m in model.metadata["members"]] == ["bpr_dim6", "ease"]
    assert model.metadata["members"][0]["sha256"] == member.digest
    again = load_model(model.folder)
    assert np.array_equal(again.rankings.items, model.rankings.items)
    assert again.teacher.near.user_emb.shape == (60, 60)
    assert np.array_equal(again.teacher.near.item_emb, model.near.item_emb)
    student, _ = _ensure(tmp_path, "soft_dim4", dataclasses.replace(QUICK, teacher=str(model.folder)))
    assert student.metadata["teacher"]["name"] == ensemble
    with pytest.raises(ConfigError, match="htd_dim4 learns from a teacher's embeddings"):
        _ensure(tmp_path, "htd_dim4", dataclasses.replace(QUICK, teacher=str(model.folder)))
    with pytest.raises(ConfigError, match="holds bpr_dim6, which is no member of"):
        _ensure(tmp_path, "ensemble:bpr_dim5+ease", options, "teacher")


def test_an_ensembles_folder_suits_every_file_system(tmp_path):
    made, _ = _ensure(tmp_path, "ensemble:pop+ease", TrainOptions(), "teacher")
    assert made.folder.name.startswith("ensemble-pop-ease-s0-")


def test_a_closed_form_has_no_epochs_and_no_seed(tmp_path):
    model, _ = _ensure(tmp_path, "pop", TrainOptions(), "teacher", seed=5)
    assert model.metadata["seed"] == 0
    assert model.metadata["chosen_epoch"] == 1
    assert model.item_emb[:, 0].tolist() == DATA.train.item_counts().tolist()
    with pytest.raises(ConfigError, match="computed at once and has no epochs: leave out --epochs"):
        _ensure(tmp_path, "pop", QUICK, "teacher")


def test_a_teacher_of_other_data_is_refused(tmp_path):
    teacher, _ = _ensure(tmp_path, "bpr_dim6", role="teacher", data=two_tastes(n_users=62))
    with pytest.raises(ConfigError, match="a split that differs"):
        _ensure(tmp_path, "soft_dim4", dataclasses.replace(QUICK, teacher=str(teacher.folder)))


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no trained model there"):
        _ensure(tmp_path, "soft_dim4", dataclasses.replace(QUICK, teacher=f"{tmp_path}/nothing"))


def test_a_users_own_folder_is_not_said_to_be_deleted(tmp_path):
    teacher, _ = _ensure(tmp_path, "bpr_dim6", role="teacher")
    own = teacher.folder.rename(tmp_path / "mine")
    (own / "model.safetensors").write_bytes(b"changed")
    with pytest.raises(ArtifactError, match="It was not touched") as error:
        _ensure(tmp_path, "soft_dim4", dataclasses.replace(QUICK, teacher=str(own)))
    assert "Delete" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            TrainOptions(method={"lerning_rate": 1.0}),
            "unknown key in method 'lerning_rate'. Did you mean 'learning_rate'",
        ),
        (TrainOptions(training={"epoch": 1}), "unknown key in training 'epoch'. Did you mean 'epochs'"),
        (TrainOptions(training={"keep": "first"}), "training.keep must be one of 'best', 'last'"),
        (TrainOptions(device="tpu"), "--device must be cpu or cuda"),
        (TrainOptions(device="cuda"), "no usable GPU"),
    ],
)
def test_wrong_options_are_refused(tmp_path, options, message, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match=message):
        _ensure(tmp_path, options=options)


def test_choosing_needs_a_validation_split(tmp_path):
    nothing = Interactions.from_pairs(np.array([], int), np.array([], int), 60, 80)
    data = dataclasses.replace(DATA, valid=nothing)
    with pytest.raises(ConfigError, match='keep = "last"'):
        _ensure(tmp_path, data=data)
    model, _ = _ensure(tmp_path, data=data, options=TrainOptions(training={"epochs": 2, "keep": "last"}))
    assert list(model.metadata["metrics"]) == ["test"]


@pytest.mark.parametrize("damage", ["flip", "truncate", "delete", "json"])
def test_a_damaged_model_is_named_and_restart_replaces_it(tmp_path, damage):
    model, _ = _ensure(tmp_path)
    tensors = model.folder / "model.safetensors"
    data = tensors.read_bytes()
    if damage == "flip":
        tensors.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage == "truncate":
        tensors.write_bytes(data[:100])
    elif damage == "delete":
        tensors.unlink()
    else:
        (model.folder / "model.json").write_text("{")
    with pytest.raises(ArtifactError, match=str(model.folder)):
        _ensure(tmp_path)
    again, _ = _ensure(tmp_path, options=dataclasses.replace(QUICK, restart=True))
    assert (again.folder / "model.safetensors").read_bytes() == data  # the same seed, the same bytes


def test_tables_that_are_not_finite_are_refused(tmp_path):
    bad = np.full((2, 3), np.nan, np.float32)
    facts = {"name": "x_dim3", "seed": 0, "dataset": {}, "metrics": {}, "teacher": None, "dim": 3}
    save_model(tmp_path, facts, Tables(bad, bad))
    with pytest.raises(ArtifactError, match="rows with NaN or infinity"):
        load_model(tmp_path)


def test_a_dry_run_says_what_would_happen_and_writes_nothing(tmp_path):
    options = dataclasses.replace(QUICK, teacher="bpr_dim6")

    def steps():
        return [
            (s.name, s.action)
            for s in plan_steps(
                ModelRequest(name="ftd_dim4", role="student", seed=0, options=options), DATA, tmp_path
            )
        ]

    assert steps() == [("bpr_dim6", "train"), ("ftd_dim4", "train")]
    assert not list(tmp_path.iterdir())
    ensure_model(
        ModelRequest(name="bpr_dim6", role="teacher", seed=0, options=TrainOptions()),
        DATA,
        tmp_path,
        lambda event: None,
    )
    assert steps() == [("bpr_dim6", "cached"), ("ftd_dim4", "train")]
    _ensure(tmp_path, "ftd_dim4", options)
    assert steps() == [("bpr_dim6", "cached"), ("ftd_dim4", "cached")]


def test_the_tree_can_be_scheduled_by_anyone_who_waits_for_the_parts(tmp_path):
    options = TrainOptions(teacher="ensemble:pop+bpr_dim4", training={"epochs": 2})
    request = ModelRequest(name="soft_dim3_qat-int8-dim", options=options)
    wanted = want(request, DATA)
    nodes = in_order(wanted)
    assert [str(node.name) for node in nodes] == [
        "pop", "bpr_dim4", "ensemble:pop+bpr_dim4", "soft_dim3", "soft_dim3_qat-int8-dim"
    ]  # fmt: skip
    assert [node.made_for for node in nodes[:3]] == ["ensemble:pop+bpr_dim4"] * 2 + ["soft_dim3_qat-int8-dim"]
    made, waiting = {}, nodes[::-1]  # a scheduler that knows no order
    while waiting:
        ready = [node for node in waiting if is_ready(node, made)]
        for node in ready:
            made[node] = find_or_train(plan_model(node, made, DATA, tmp_path), DATA, lambda event: None)
            waiting.remove(node)
    found, listener = _ensure(tmp_path, request.name, options)
    assert {kind for kind, _ in listener.kinds} == {"cached"}
    assert found.digest == made[wanted].digest


def test_two_at_once_train_one_model(tmp_path):
    results = []
    threads = [threading.Thread(target=lambda: results.append(_ensure(tmp_path))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kinds = [tuple(kind for kind, _ in listener.kinds) for _, listener in results]
    assert kinds.count(("train", "needs", "done")) == 1
    assert any(seen[-1] == "cached" for seen in kinds)
    assert np.array_equal(results[0][0].user_emb, results[1][0].user_emb)


def test_waiting_for_the_lock_is_told(tmp_path):
    waited = threading.Event()
    with locked(tmp_path, lambda: None):
        thread = threading.Thread(target=lambda: _enter(tmp_path, waited))
        thread.start()
        assert waited.wait(5)
    thread.join(5)
    assert not thread.is_alive()


def _enter(folder, waited):
    with locked(folder, waited.set):
        pass


def test_finding_a_model_needs_no_torch(tmp_path):
    _ensure(tmp_path)
    code = (
        "import sys; from pathlib import Path; from small_data import two_tastes\n"
        "from recpress_edge.training.ensure import ensure_model\n"
        "from recpress_edge.training.plan import ModelRequest, TrainOptions\n"
        "options = TrainOptions(training={'epochs': 2})\n"
        f"work = Path({str(tmp_path)!r})\n"
        "request = ModelRequest(name='bpr_dim4', options=options)\n"
        "ensure_model(request, two_tastes(), work, lambda event: None)\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


def test_a_role_has_settings_of_its_own_and_options_win(tmp_path):
    quick = dataclasses.replace(QUICK, teacher="none")
    teacher, _ = _ensure(tmp_path, "soft_dim4", role="teacher")
    student, _ = _ensure(tmp_path, "soft_dim4", quick)
    assert teacher.metadata["config"]["learning_rate"] == 0.1
    assert student.metadata["config"]["learning_rate"] is None
    other, _ = _ensure(
        tmp_path, "soft_dim4", dataclasses.replace(QUICK, method={"learning_rate": 0.5}), "teacher"
    )
    assert other.metadata["config"]["learning_rate"] == 0.5


def test_a_model_of_another_key_in_the_folder_is_refused(tmp_path):
    """The folder's name holds 8 letters of the key; the key itself decides."""
    model, _ = _ensure(tmp_path)
    path = model.folder / "model.json"
    metadata = json.loads(path.read_text())
    path.write_text(json.dumps(metadata | {"key": metadata["key"][:8] + "0" * 56}))
    with pytest.raises(ArtifactError, match="holds another model than its name says"):
        _ensure(tmp_path)
    again, listener = _ensure(tmp_path, options=dataclasses.replace(QUICK, restart=True))
    assert listener.kinds == [("train", "bpr_dim4"), ("needs", "bpr_dim4"), ("done", "bpr_dim4")]
    assert again.metadata["key"] == metadata["key"]


@pytest.mark.parametrize("field", ["name", "seed", "dataset", "metrics", "teacher"])
@pytest.mark.parametrize("value", ["absent", "wrong"])
def test_model_json_without_what_every_command_reads_is_refused_by_the_fields_name(tmp_path, field, value):
    model, _ = _ensure(tmp_path)
    where = model.folder / "model.json"
    facts = json.loads(where.read_text())
    facts[field] = 1.5
    if value == "absent":
        del facts[field]
    where.write_text(json.dumps(facts))
    with pytest.raises(ArtifactError, match=rf"model\.json: field '{field}' is missing or not"):
        load_model(model.folder)
    with pytest.raises(ArtifactError, match=rf"model\.json: field '{field}' is missing or n"):
        read_model(model.folder)
