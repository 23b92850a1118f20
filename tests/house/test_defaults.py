"""benchmarks/defaults.py: every setting is changed or says why not; the gate is asked of the best change."""

import dataclasses
import sys
from pathlib import Path

import pytest
from small_data import two_tastes

from recpress_edge.core.config import load_config
from recpress_edge.core.errors import GateError
from recpress_edge.training.plan import TrainOptions, settings_of
from recpress_edge.training.settings import TrainingConfig

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import _defaults
import _defaults_table
import defaults


def names(config):
    return {field.name for field in dataclasses.fields(config)}


@pytest.mark.parametrize("method", _defaults.TESTED)
def test_every_setting_is_changed_or_says_why_not(method):
    tested, data = _defaults.TESTED[method], two_tastes()
    changed = {change.setting for change in _defaults.changes(tested, data)} - {"default", "teacher"}
    entry = tested.name.entry
    assert not changed & set(tested.skipped)
    loop = names(TrainingConfig) - set(tested.skipped)
    assert changed - names(entry.config) == (set() if entry.closed_form else loop)
    assert names(entry.config) <= changed | set(tested.skipped)


@pytest.mark.parametrize("method", _defaults.TESTED)
def test_every_change_is_one_that_the_method_takes(method):
    tested, data = _defaults.TESTED[method], two_tastes()
    usual, loop = settings_of(tested.name, tested.role, TrainOptions())
    seen = set()
    for change in _defaults.changes(tested, data):
        asked = change.options(tested, data)
        config, training = settings_of(tested.name, tested.role, asked)
        load_config(type(config), dict(asked.method), "method")
        found = str((config, training, asked.teacher))
        assert found not in seen
        seen.add(found)
    assert str((usual, loop, _defaults.usual_teacher(tested, data))) in seen


def test_a_grid_goes_one_step_beyond_its_ends():
    assert _defaults.with_ends("l2", (1.0, 2.0, 4.0)) == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert _defaults.with_ends("teacher_weight", (0.3, 0.9)) == [0.1, 0.3, 0.9, 1.0]
    assert _defaults.with_ends("score", ("cosine", "inner")) == ("cosine", "inner")
    assert _defaults.scaled(1, _defaults.FACTORS) == [2, 4]
    assert _defaults.scaled(0.08, _defaults.FACTORS) == [0.02, 0.04, 0.16, 0.32]


def cell(setting, value, recall):
    return {
        "setting": setting,
        "value": value,
        "test": {"recall@50": recall, "ndcg@10": 0.2, "recall@10": 0.1},
    }


def test_the_gate_counts_the_best_change_alone():
    group = {
        "set": "s",
        "model": "m",
        "default": cell("default", None, 0.5),
        "changes": [cell("l2", 1.0, 0.5099), {"setting": "l2", "value": 0.1, "refused": "no"}],
        "missing": 0,
    }
    defaults.gate({"results": [group]})
    assert _defaults_table.gap(group) == pytest.approx(0.0099)
    group["changes"].append(cell("l2", 2.0, 0.5101))
    assert _defaults_table.change_words(_defaults_table.best(group)) == "l2 = 2.0"
    with pytest.raises(GateError, match=r"more than 0\.01 Recall@50 behind .*: m on s"):
        defaults.gate({"results": [group]})
    group["changes"] = [cell("l2", 1.0, 0.4)]
    assert _defaults_table.gap(group) == 0
    assert _defaults_table.change_words(_defaults_table.best(group)) == "the default"


def test_a_run_goes_on_where_another_stopped(tmp_path, monkeypatch):
    data, trained = two_tastes(), []
    real = defaults.measured

    def counted(*args):
        trained.append(str(args[1]))
        return real(*args)

    def group(*names):
        return defaults.group("small", "itemknn", data, tmp_path, lambda setting: setting in names)

    monkeypatch.setattr(defaults, "measured", counted)
    assert group() is None
    some = group("default", "neighbours")
    assert trained == ["default", *(f"neighbours={size}" for size in (25, 50, 200, 400))]
    assert (len(some["changes"]), some["missing"]) == (4, 5)
    whole = group("shrink")
    assert len(trained) == 10
    assert all(name.startswith("shrink=") for name in trained[5:])
    assert whole["missing"] == 0
    assert group("default", "neighbours", "shrink") == whole
    assert len(trained) == 10


def test_a_cell_does_not_depend_on_which_setting_is_the_default(tmp_path, monkeypatch):
    data, tested = two_tastes(), _defaults.TESTED["itemknn"]
    places = {
        str(change): defaults.place("itemknn", change, data, tmp_path)
        for change in _defaults.changes(tested, data)
    }
    assert len(set(places.values())) == len(places)
    same = _defaults.Change("neighbours", 100)
    assert defaults.place("itemknn", same, data, tmp_path) == places["default"]
