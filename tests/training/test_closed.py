"""Closed forms whose settings and passes validation chooses."""

import json

import numpy as np
import pytest
import torch
from small_data import two_tastes

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.progress import silent
from recpress_edge.data.interactions import Dataset
from recpress_edge.models.closed.ease import l2_candidates
from recpress_edge.training.closed import climb
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.evaluate import evaluate
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.refit import joined, refit
from recpress_edge.training.store import load_model

DATA = two_tastes()


def _made(name, tmp_path, data: Dataset = DATA, role="teacher", **options):
    request = ModelRequest(name=name, role=role, options=TrainOptions(**options))
    return ensure_model(request, data, tmp_path, silent)


def test_climbing_ends_at_the_top_and_tries_each_place_once():
    tried = []

    def worth(settings):
        tried.append((settings["a"], settings["b"]))
        return (-((settings["a"] - 4) ** 2) - (settings["b"] - 10) ** 2, 0.0)

    found = climb({"a": [1, 2, 3, 4, 5], "b": [10, 20, 30]}, worth)
    assert found == {"a": 4, "b": 10}
    assert tried[0] == (3, 20)  # the middle of both
    assert len(tried) == len(set(tried)) < 15


def test_a_flat_axis_stays_in_its_middle():
    assert climb({"a": [1, 2, 3]}, lambda settings: (1.0, 1.0)) == {"a": 2}


@pytest.mark.parametrize(("near", "first"), [(0.9, 1.0), (0.0, 0.0), (30.0, 8.0), (0.4, 0.5)])
def test_climbing_begins_nearest_to_what_was_best_before(near, first):
    met = []

    def worth(settings):
        met.append(settings["a"])
        return (-abs(settings["a"] - 1.0), 0.0)

    assert climb({"a": [0.0, 0.5, 1.0, 2.0, 8.0]}, worth, {"a": near, "b": 3.0}) == {"a": 1.0}
    assert met[0] == first


def test_the_l2_of_ease_follows_the_data_and_is_chosen_on_validation(tmp_path):
    model = _made("ease", tmp_path)
    values = l2_candidates(DATA.train)  # 480 interactions of 80 items
    assert values[3] == pytest.approx(50 * np.sqrt(6), rel=0.05)
    tried = {entry["settings"]["l2"]: entry["valid"] for entry in model.metadata["history"]}
    assert 2 <= len(tried) <= len(values)
    assert set(tried) <= set(values)
    best = max(tried.values(), key=lambda found: found["recall@10"] * found["ndcg@10"])
    chosen = model.metadata["chosen_settings"]["l2"]
    assert tried[chosen]["ndcg@10"] == pytest.approx(best["ndcg@10"])
    assert model.metadata["metrics"]["valid"] == pytest.approx(tried[chosen])


def test_what_is_set_is_not_chosen(tmp_path):
    model = _made("ease", tmp_path, method={"l2": 7.0})
    assert "chosen_settings" not in model.metadata
    assert model.metadata["history"] == []
    fixed = _made("als_dim4", tmp_path, method={"unobserved": 0.3, "l2": 0.01})
    assert set(fixed.metadata["chosen_settings"]) == {"iterations"}


def test_als_chooses_both_weights_and_its_passes_and_a_refit_keeps_them(tmp_path):
    model = _made("als_dim4", tmp_path)
    chosen = model.metadata["chosen_settings"]
    assert set(chosen) == {"unobserved", "l2", "iterations"}
    assert chosen["iterations"] == model.metadata["chosen_epoch"] <= 16
    assert model.metadata["seed"] == 0
    again = refit(model, DATA, tmp_path, TrainOptions(), silent)
    assert {name: again.metadata["config"][name] for name in chosen} == chosen
    facts = json.loads((model.folder / "model.json").read_text())
    assert facts["config"]["l2"] is None  # what was asked for


def test_data_without_validation_take_the_middle(tmp_path):
    model = _made("ease", tmp_path, joined(DATA))
    fixed = _made("ease", tmp_path, joined(DATA), method={"l2": l2_candidates(joined(DATA).train)[3]})
    assert "chosen_settings" not in model.metadata
    assert np.array_equal(model.rankings.items, fixed.rankings.items)


@pytest.mark.parametrize("teacher", ["ensemble:pop+ease", "ease", "als_dim8", "neumf_dim4"])
def test_an_svd_of_any_teacher(tmp_path, teacher):
    quick = {"epochs": 1} if teacher == "neumf_dim4" else {}
    folder = str(_made(teacher, tmp_path, training=quick).folder)
    model = _made("svd_dim4", tmp_path, role="student", teacher=folder)
    assert model.item_emb.shape == (DATA.n_items, 4)
    assert model.metadata["teacher"]["name"] == teacher


@pytest.mark.parametrize("name", ["puresvd_dim4", "als_dim4", "svd_dim4"])
def test_the_file_ranks_as_its_record_says(tmp_path, name):
    options = {"teacher": str(_made("ease", tmp_path).folder)} if name == "svd_dim4" else {}
    folder = _made(name, tmp_path, role="student", **options).folder
    model = load_model(folder)
    tables = (torch.from_numpy(model.user_emb), torch.from_numpy(model.item_emb))
    for split in ("valid", "test"):
        assert evaluate(*tables, DATA, split).means() == pytest.approx(model.metadata["metrics"][split])


def test_an_svd_wider_than_its_teacher_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"svd_dim9 .* als_dim8 has 8 dimensions"):
        _made("svd_dim9", tmp_path, role="student", teacher="als_dim8")
    assert not (tmp_path / "models").exists()  # nothing was trained for it


@pytest.mark.parametrize(("name", "limit"), [("ease", "ease.SEARCH_USERS"), ("als_dim4", "als.SEARCH_PAIRS")])
def test_settings_of_large_data_are_compared_on_some_of_the_users(tmp_path, monkeypatch, name, limit):
    alone = _made(name, tmp_path / "all")
    monkeypatch.setattr(f"recpress_edge.models.closed.{limit}", 30)
    some = _made(name, tmp_path / "some")
    assert some.metadata["history"][0]["valid"] != alone.metadata["history"][0]["valid"]
    assert some.metadata["metrics"]["valid"]["recall@50"] is not None  # of everybody
    assert (some.rankings.items if name == "ease" else some.user_emb).shape[0] == DATA.n_users
