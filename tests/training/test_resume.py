"""A run killed with SIGKILL at any moment goes on and ends with the same bytes."""

import multiprocessing
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from small_data import two_tastes

from recpress_edge.core.files import sha256_file

# Each run is a process of its own, forked from a server that has imported torch but never computed.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["recpress_edge.training.run"])
EPOCHS = 60
NO_TRIALS = {"score": "inner", "teacher_weight": 0.5}


def _run(name: str, work: Path, teacher: str | None, events: Connection) -> None:
    from recpress_edge.training.ensure import ensure_model
    from recpress_edge.training.plan import ModelRequest, TrainOptions

    options = TrainOptions(
        teacher=teacher,
        training={"epochs": EPOCHS, "evaluate_every": 2, "patience": 0},
        method={"learning_rate": 0.01, **(NO_TRIALS if name == "soft_dim4" else {})},
        # After every epoch, so that a kill can land in the writing of one.
        checkpoint_every_s=0.0,
    )
    data = two_tastes(n_users=200, n_items=300)

    def tell(event):
        # What a fine-tuned model starts from is made before it; its memory is said before anything is.
        if event.name == name and event.kind != "needs":
            events.send(event.kind)

    model = ensure_model(ModelRequest(name=name, role="student", seed=0, options=options), data, work, tell)
    events.send(str(model.folder))


def _start(name: str, work: Path, teacher: str | None) -> tuple[multiprocessing.Process, Connection]:
    ours, theirs = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=_run, args=(name, work, teacher, theirs))
    process.start()
    theirs.close()
    return process, ours


def _finish(name: str, work: Path, teacher: str | None) -> tuple[Path, list[str]]:
    process, events = _start(name, work, teacher)
    kinds = []
    while not kinds or kinds[-1] in ("train", "resume", "epoch", "done"):
        assert events.poll(60), "the run is stuck"
        kinds.append(events.recv())
    process.join(30)
    assert process.exitcode == 0
    return Path(kinds.pop()), kinds


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> str:
    return str(_finish("bpr_dim16", tmp_path_factory.mktemp("teacher"), None)[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bpr_dim4", "htd_dim4", "soft_dim4", "soft_dim4_qat-int4-item"])
def test_killed_and_resumed_it_ends_with_the_same_bytes(tmp_path, teacher, name):
    teacher = None if name == "bpr_dim4" else teacher
    whole, kinds = _finish(name, tmp_path / "whole", teacher)
    assert kinds == ["train", *["epoch"] * EPOCHS, "done"]

    cut = tmp_path / "cut"
    # After so many events, and so long after the last of them: in an epoch, or in a checkpoint's writing.
    for n_events, delay_s in ((3, 0.0), (2, 0.003), (2, 0.006), (3, 0.01), (2, 0.015)):
        process, events = _start(name, cut, teacher)
        for _ in range(n_events):
            assert events.poll(60)
            events.recv()
        time.sleep(delay_s)
        process.kill()
        process.join(30)
        assert process.exitcode == -signal.SIGKILL
    resumed, kinds = _finish(name, cut, teacher)
    assert kinds[0] == "resume"
    assert kinds.count("epoch") < EPOCHS  # it did not start over
    assert sha256_file(resumed / "model.safetensors") == sha256_file(whole / "model.safetensors")
    files = sorted(path.name for path in resumed.iterdir())
    assert files == [".lock", "items.txt", "model.json", "model.safetensors", "train_pairs.bin", "users.txt"]
