"""Trained again on train and validation: for as many epochs as validation chose, and kept apart."""

import json

import numpy as np
import pytest
from small_data import checkerboard

from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.refit import joined, refit
from recpress_edge.training.store import model_in

DATA = checkerboard(30)
SHORT = TrainOptions(method={"learning_rate": 0.05}, training={"epochs": 4, "evaluate_every": 1})


def _pairs(part) -> set[tuple[int, int]]:
    return set(zip(part.users().tolist(), part.indices.tolist(), strict=True))


def _both(name: str, work, options: TrainOptions = SHORT):
    chosen = ensure_model(
        ModelRequest(name=name, role="teacher", seed=0, options=options), DATA, work, lambda _: None
    )
    return chosen, refit(chosen, DATA, work, options, lambda _: None)


def test_joined_data_has_every_pair_and_nothing_to_choose_on():
    both = joined(DATA)
    assert _pairs(both.train) == _pairs(DATA.train) | _pairs(DATA.valid)
    assert len(both.valid) == 0
    assert both.test is DATA.test
    assert both.order_digest() is not None
    assert both.digest() != DATA.digest()
    assert both.protocol.endswith("; train and validation joined")


def test_it_trains_for_the_chosen_epochs_and_says_what_it_is(tmp_path):
    chosen, again = _both("bpr_dim4", tmp_path)
    epoch = chosen.metadata["chosen_epoch"]
    assert again.metadata["training"] == {**chosen.metadata["training"], "epochs": epoch, "keep": "last"}
    assert again.metadata["config"] == chosen.metadata["config"]
    assert again.metadata["refit_of"]["sha256"] == chosen.digest
    assert set(again.metadata["metrics"]) == {"test"}
    assert "refit_of" not in chosen.metadata
    assert not np.array_equal(again.user_emb, chosen.user_emb)
    told = []
    refit(chosen, DATA, tmp_path, SHORT, told.append)
    assert [event.kind for event in told] == ["cached"]


def test_a_closed_form_is_computed_again_with_its_settings(tmp_path):
    options = TrainOptions(method={"l2": 7.0})
    chosen, again = _both("ease", tmp_path, options)
    assert again.metadata["config"]["l2"] == 7.0
    assert not np.array_equal(again.rankings.items, chosen.rankings.items)


def test_it_is_no_teacher(tmp_path):
    _, again = _both("bpr_dim4", tmp_path)
    with pytest.raises(ConfigError, match=r"was trained on validation too \(--refit\)"):
        model_in(again.folder, DATA)


def test_an_ensemble_and_data_without_validation_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("recpress_edge.data.resolve.load_dataset", lambda *_: DATA)
    command = ["train", "--refit", "--work", str(tmp_path), "--teacher"]
    assert main([*command, "ensemble:pop+ease"]) == 2
    assert "ensemble:pop+ease is made of several" in capsys.readouterr().err
    monkeypatch.setattr("recpress_edge.data.resolve.load_dataset", lambda *_: joined(DATA))
    assert main([*command, "ease"]) == 2
    assert "has no validation split" in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_the_flag_prints_and_records_both(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("recpress_edge.data.resolve.load_dataset", lambda *_: DATA)
    command = [
        "train",
        "--teacher",
        "bpr_dim4",
        "--epochs",
        "2",
        "--refit",
        "--work",
        str(tmp_path),
        "--json",
    ]
    assert main([*command, "--dry-run"]) == 0
    assert "then again" in capsys.readouterr().err
    assert main(command) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer["models"][0]["metrics"]) == {"valid", "test"}
    assert set(answer["refitted"][0]["metrics"]) == {"test"}
    assert answer["models"][0]["folder"] != answer["refitted"][0]["folder"]
