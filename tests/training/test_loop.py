"""The loop: which epoch is kept, when it stops, and that a resumed run ends with the same numbers."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from small_data import two_tastes

from recpress_edge.core.errors import ConfigError, RecPressError
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.settings import SoftConfig
from recpress_edge.distill.students import create_method
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import Tables
from recpress_edge.models.settings import BPRConfig
from recpress_edge.models.teacher import Teacher
from recpress_edge.training.checkpoint import CheckpointStore
from recpress_edge.training.loop import Validation, train, train_epoch
from recpress_edge.training.settings import TrainingConfig

DATA = two_tastes()


def _method(epochs: int):
    return create_method("bpr", TrainingInput(DATA.train, 4, 0, epochs), BPRConfig(batch_size=100))


def _scripted(values):
    """A validation metric that follows a script."""
    left = iter(values)
    return lambda *_: {"recall@50": next(left), "ndcg@10": 0.1, "ndcg@50": 0.1}


def _train(tmp_path, config, evaluate, on_epoch=lambda progress: None):
    store = CheckpointStore(tmp_path, "key", every_s=0.0)
    return train(_method(config.epochs), config, Validation(evaluate), store, on_epoch)


def test_best_epoch_is_kept_the_first_of_equals(tmp_path):
    seen = {}

    def evaluate(method, epoch):
        seen[len(seen) + 1] = method.tables()[0].clone()
        return {"recall@50": [0.1, 0.3, 0.3, 0.2][len(seen) - 1], "ndcg@10": 0.1, "ndcg@50": 0.1}

    state = _train(tmp_path, TrainingConfig(epochs=4, evaluate_every=1), evaluate)
    assert state.best_epoch == 2
    assert torch.equal(state.best["user_emb"], seen[2])


def _pair(recall, ndcg):
    """Metrics of a catalogue of 40 items: Recall@50 is 1 whatever the order."""
    return {"recall@50": None, "ndcg@50": 0.5, "recall@5": recall, "ndcg@5": ndcg}


def test_equal_recall_is_settled_by_ndcg_of_the_k_that_judges(tmp_path):
    script = iter([_pair(0.1, 0.4), _pair(0.3, 0.1), _pair(0.3, 0.2), _pair(0.3, 0.2)])
    state = train(
        _method(4),
        TrainingConfig(epochs=4, evaluate_every=1),
        Validation(lambda *_: next(script), cutoff=5),
        CheckpointStore(tmp_path, "key"),
        lambda progress: None,
    )
    assert state.best_epoch == 3


def test_patience_counts_by_the_k_that_judges(tmp_path):
    script = iter([_pair(0.1, 0.1), _pair(0.2, 0.1), _pair(0.2, 0.2), _pair(0.2, 0.2), _pair(0.2, 0.2)])
    state = train(
        _method(9),
        TrainingConfig(epochs=9, evaluate_every=1, patience=2),
        Validation(lambda *_: next(script), cutoff=5),
        CheckpointStore(tmp_path, "key"),
        lambda progress: None,
    )
    assert (state.best_epoch, state.epoch) == (3, 5)


@pytest.mark.parametrize(
    ("choose_by", "epoch"), [("balanced", 2), ("recall", 3), ("ndcg", 4), ("ndcg@10", 1), ("recall@10", 4)]
)
def test_choose_by_decides_which_epoch_is_kept(tmp_path, choose_by, epoch):
    figures = [
        (0.20, 0.30, 0.20, 0.1),
        (0.25, 0.29, 0.21, 0.1),
        (0.30, 0.10, 0.22, 0.1),
        (0.21, 0.2, 0.4, 0.2),
    ]
    names = ("recall@50", "ndcg@10", "ndcg@50", "recall@10")
    script = iter([dict(zip(names, line, strict=True)) for line in figures])
    config = TrainingConfig(epochs=4, evaluate_every=1, choose_by=choose_by)
    state = _train(tmp_path, config, lambda *_: next(script))
    assert state.best_epoch == epoch


def test_what_to_choose_by_is_checked():
    with pytest.raises(ConfigError, match=r"unknown training\.choose_by 'recal'\. Did you mean 'recall'"):
        TrainingConfig(epochs=1, choose_by="recal")


def test_the_last_epoch_is_never_stopped_before(tmp_path):
    config = TrainingConfig(epochs=6, evaluate_every=1, patience=1, keep="last")
    assert _train(tmp_path, config, _scripted([0.3, 0.2, 0.1, 0.1, 0.1, 0.1])).epoch == 6


def test_the_tables_it_begins_with_count_as_epoch_0(tmp_path):
    method = _method(2)
    first = [table.clone() for table in method.tables()]
    state = train(
        method,
        TrainingConfig(epochs=2, evaluate_every=1),
        Validation(_scripted([0.3, 0.2, 0.3]), from_start=True),
        CheckpointStore(tmp_path, "key"),
        lambda p: None,
    )
    assert [entry["epoch"] for entry in state.history] == [0, 1, 2]
    assert state.best_epoch == 0
    assert torch.equal(state.best["user_emb"], first[0])
    assert torch.equal(state.best["item_emb"], first[1])
    assert not torch.equal(method.tables()[1], first[1])


def test_last_keeps_the_last(tmp_path):
    config = TrainingConfig(epochs=3, evaluate_every=1, keep="last")
    method = _method(3)
    state = train(
        method,
        config,
        Validation(_scripted([0.3, 0.2, 0.1])),
        CheckpointStore(tmp_path, "key"),
        lambda p: None,
    )
    assert torch.equal(state.best["item_emb"], method.tables()[1])


def test_patience_stops_after_evaluations_without_a_new_best(tmp_path):
    config = TrainingConfig(epochs=20, evaluate_every=2, patience=2)
    state = _train(tmp_path, config, _scripted([0.1, 0.3, 0.2, 0.3, 0.9]))
    assert state.epoch == 8
    assert state.best_epoch == 4


def test_evaluations_are_where_they_should_be(tmp_path):
    reports = []
    _train(tmp_path, TrainingConfig(epochs=5, evaluate_every=2), _scripted([0.1] * 3), reports.append)
    assert [report.epoch for report in reports] == [1, 2, 3, 4, 5]
    assert [report.epoch for report in reports if report.metrics] == [2, 4, 5]
    assert all(a.seconds <= b.seconds for a, b in pairwise(reports))


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4])
def test_stopped_anywhere_it_ends_the_same(tmp_path, stop_after):
    config = TrainingConfig(epochs=5, evaluate_every=2)
    script = {2: 0.2, 4: 0.5, 5: 0.4}
    whole = _train(tmp_path / "whole", config, _scripted(script.values()))

    def stop(progress):
        if progress.epoch == stop_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path / "cut", config, _scripted(script.values()), stop)
    rest = [value for epoch, value in script.items() if epoch > stop_after]
    resumed = _train(tmp_path / "cut", config, _scripted(rest))
    assert resumed.history == whole.history
    assert all(torch.equal(resumed.best[name], whole.best[name]) for name in ("user_emb", "item_emb"))


def test_what_a_method_remembers_is_in_the_checkpoint(tmp_path):
    """DCD looks at the student's rankings in epochs 0 and 3; stopped after 2, it goes on with the first."""
    rng = np.random.default_rng(0)
    teacher = Teacher("bpr_dim5", Tables(*(rng.standard_normal((n, 5), np.float32) for n in (60, 80))))
    config = METHODS["dcd"].config(pool=20, item_pool=10, corrected=5, refresh_every=3, list_weight=0.1)
    schedule = TrainingConfig(epochs=5, evaluate_every=5, keep="last")

    def stop(progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    def run(folder, on_epoch=lambda progress: None):
        method = create_method("dcd", TrainingInput(DATA.train, 4, 0, 5, teacher), config)
        return train(method, schedule, None, CheckpointStore(folder, "k", every_s=0.0), on_epoch)

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", stop)
    resumed = run(tmp_path / "cut")
    assert all(torch.equal(resumed.best[name], whole.best[name]) for name in ("user_emb", "item_emb"))


def test_divergence_is_reported(tmp_path):
    method = create_method("soft", TrainingInput(DATA.train, 4, 0, 2), SoftConfig())
    with torch.no_grad():
        method.mf.item_emb[3] = float("nan")
    with pytest.raises(RecPressError, match="diverged: the loss of epoch 1"):
        train(method, TrainingConfig(epochs=2), None, CheckpointStore(tmp_path, "k"), lambda p: None)


@pytest.mark.parametrize(("setting", "value"), [("epochs", 0), ("evaluate_every", 0), ("patience", -1)])
def test_settings_are_checked(setting, value):
    with pytest.raises(ConfigError, match=f"training.{setting}"):
        TrainingConfig(**{"epochs": 1, setting: value})


def test_a_long_epoch_is_forecast_once_from_its_first_batches(monkeypatch):
    method = create_method(
        "bpr", TrainingInput(two_tastes().train, 4, 0, 5), METHODS["bpr"].config(batch_size=40)
    )
    clock = iter(range(1000))
    monkeypatch.setattr("recpress_edge.training.loop.time.perf_counter", lambda: float(next(clock)))
    said: list[float] = []
    train_epoch(method, 0, said.append)
    assert method.steps() == 12  # 480 pairs
    # The clock ticks where it is read: at the start (0), after three steps (1), after seven (2, and 3 for the
    # pace). Four steps took 2 s, so the five that are left take 2.5 s beside the 3 s so far.
    assert said == [5.5]
    train_epoch(method, 1)
    assert said == [5.5]
