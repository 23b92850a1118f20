"""Checkpoints: whole or not at all, and what is said when one is damaged."""

import json

import pytest
import torch
from small_data import two_tastes

from recpress_edge.core.errors import ArtifactError
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import create_method
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import Tables
from recpress_edge.models.settings import BPRConfig
from recpress_edge.models.teacher import Teacher
from recpress_edge.training.checkpoint import Checkpoint, CheckpointStore, restore


def _checkpoint(value: float) -> Checkpoint:
    return Checkpoint({"a": torch.full((2, 3), value), "step": torch.tensor(7.0)}, {"epoch": 4, "loss": 0.1})


def test_round_trip(tmp_path):
    store = CheckpointStore(tmp_path, "key")
    assert store.load() is None
    store.save(4, _checkpoint(1.5))
    found = store.load()
    assert found.state == {"epoch": 4, "loss": 0.1}
    assert torch.equal(found.tensors["a"], torch.full((2, 3), 1.5))
    assert found.tensors["step"].shape == ()


def test_only_the_newest_generation_stays(tmp_path):
    store = CheckpointStore(tmp_path, "key")
    for epoch in (1, 2, 3):
        store.save(epoch, _checkpoint(epoch))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-000003.safetensors", "checkpoint.json"]


def test_a_kill_before_the_pointer_switch_leaves_the_older_one(tmp_path, monkeypatch):
    store = CheckpointStore(tmp_path, "key")
    store.save(1, _checkpoint(1.0))

    def killed(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr("recpress_edge.training.checkpoint.write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        store.save(2, _checkpoint(2.0))
    assert float(store.load().tensors["a"][0, 0]) == 1.0
    monkeypatch.undo()
    store.save(3, _checkpoint(3.0))
    assert len(list(tmp_path.glob("checkpoint-*"))) == 1  # the stray file is gone too


@pytest.mark.parametrize("damage", ["truncate", "flip", "delete", "pointer", "empty pointer", "fields"])
def test_damage_is_named_with_the_way_out(tmp_path, damage):
    store = CheckpointStore(tmp_path, "key")
    store.save(1, _checkpoint(1.0))
    tensors = tmp_path / "checkpoint-000001.safetensors"
    data = tensors.read_bytes()
    if damage == "truncate":
        tensors.write_bytes(data[: len(data) // 2])
    elif damage == "flip":
        tensors.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage == "delete":
        tensors.unlink()
    elif damage == "pointer":
        store.pointer.write_text('{"schema": "recpress.ch')
    elif damage == "empty pointer":
        store.pointer.write_text("{}")
    else:
        record = json.loads(store.pointer.read_text())
        del record["sha256"]
        store.pointer.write_text(json.dumps(record))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ArtifactError, match="checkpoint") as caught:
        store.load()
    assert str(tmp_path) in str(caught.value)
    assert "--restart" in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_another_runs_checkpoint_is_refused(tmp_path):
    CheckpointStore(tmp_path, "key").save(1, _checkpoint(1.0))
    with pytest.raises(ArtifactError, match="another run"):
        CheckpointStore(tmp_path, "other").load()


def test_clear_leaves_other_files(tmp_path):
    store = CheckpointStore(tmp_path, "key")
    (tmp_path / "model.json").write_text("{}")
    store.save(1, _checkpoint(1.0))
    store.clear()
    assert [p.name for p in tmp_path.iterdir()] == ["model.json"]


def test_a_restored_method_takes_the_same_next_step():
    data = two_tastes()
    teacher = Tables(
        *(t.numpy() for t in create_method("bpr", TrainingInput(data.train, 6, 0, 1), BPRConfig()).tables())
    )
    job = TrainingInput(data.train, 4, 0, 4, Teacher("bpr_dim6", teacher))
    config = METHODS["htd"].config(batch_size=100, experts=3)
    first = create_method("htd", job, config)
    _epoch(first, 0)
    tensors = {name: value.detach().clone() for name, value in first.optimizer.state().items()}
    second = create_method("htd", job, config)
    restore(second.optimizer.state(), tensors)
    for method in (first, second):
        _epoch(method, 1)
    ours, theirs = first.optimizer.state(), second.optimizer.state()
    assert ours.keys() == theirs.keys()
    assert len(ours) == 4 * (2 + 2 * 3)  # value, two moments, step count; two tables, two sides of experts
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_checkpoint_of_another_shape_is_refused():
    data = two_tastes()
    small, large = (create_method("bpr", TrainingInput(data.train, dim, 0, 1), BPRConfig()) for dim in (3, 4))
    with pytest.raises(ArtifactError, match="shape"):
        restore(large.optimizer.state(), small.optimizer.state())


def _epoch(method, epoch):
    for loss in method.batch_losses(epoch):
        method.optimizer.zero_grad()
        loss.backward()
        method.optimizer.step()
