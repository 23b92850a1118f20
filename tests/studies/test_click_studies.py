"""The studies of click models: their plan, their table and what their claims can decide."""

import json
from typing import ClassVar

import pytest
from click_data import click_log

from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.progress import Note
from recpress_edge.distill.students import parse_name
from recpress_edge.studies import frappe, ml100k_ctr
from recpress_edge.studies.clicks import METRICS, StudiedModel
from recpress_edge.studies.frappe import FrappeRequest
from recpress_edge.studies.outcome import Outcome
from recpress_edge.training.plan import TrainOptions, settings_of


class SmallRequest(FrappeRequest):
    """The study on a set of 400 rows, in seconds."""

    models: ClassVar = {
        "lr": StudiedModel("LR", {"batch_size": 100}, {"epochs": 2}),
        "deepfm_dim8": StudiedModel("DeepFM", {"batch_size": 100, "layers": (4,)}, {"epochs": 2}),
    }
    data_sets: ClassVar = {"clicks": ""}


@pytest.fixture
def work(tmp_path, capsys):
    log = click_log(400)
    lines = [",".join(row) for row in zip(*log.values(), strict=True)]
    (tmp_path / "log.csv").write_text("\n".join([",".join(log), *lines]))
    importing = ["data", "import", str(tmp_path / "log.csv"), "--name", "clicks", "--label", "label"]
    assert main([*importing, "--context", "night,tags:many", "--work", str(tmp_path)]) == 0
    capsys.readouterr()
    return tmp_path


def test_a_study_says_what_it_will_take_and_finds_what_it_has_trained(work):
    asked = SmallRequest(work=work, seeds=2)
    plan = asked.plan()
    assert [line.partition(", about ")[0] for line in plan] == [
        f"would train  {name} seed {seed} on clicks" for name in ("lr", "deepfm_dim8") for seed in (0, 1)
    ]
    assert all("of CPU time at most" in line for line in plan)
    notes = []
    result = asked.run(lambda event: notes.append(event.text) if isinstance(event, Note) else None)
    assert notes[0].startswith("forecast   4 models to train")
    assert [(outcome.name, outcome.seed) for outcome in result.outcomes] == [
        ("lr", 0), ("lr", 1), ("deepfm_dim8", 0), ("deepfm_dim8", 1)
    ]  # fmt: skip
    first, second = result.study.table_rows(result.outcomes)
    assert first[0] == "LR (`lr`)"
    assert second[6:9] == [""] * 3  # of ours nothing is published
    facts = result.facts("recpress-edge reproduce frappe")
    assert json.loads(json.dumps(facts))["outcomes"][0]["test"].keys() == set(METRICS)
    assert facts["published"]["lr"] == (0.9356, 0.3076, None)
    assert asked.plan()[0] == "would find   lr seed 0 on clicks"
    again = []
    asked.run(lambda event: again.append(event.text) if isinstance(event, Note) else None)
    assert again == []


def outcomes(aucs, loss=0.1):
    return [
        Outcome(name=name, seed=0, seconds=1.0, test={**dict.fromkeys(METRICS, auc), "logloss": loss})
        for name, auc in aucs.items()
    ]


PUBLISHED = {name: row[0] for name, row in frappe.PUBLISHED.items()}


def test_published_figures_uphold_the_claims_and_worse_ones_do_not():
    good = frappe.STUDY.verdicts(outcomes({**PUBLISHED, "deepfm_dim16": 0.9853}))
    assert len(good) == len(frappe.STUDY.claims)
    assert all(verdict.holds for verdict in good)
    bad = dict.fromkeys([*PUBLISHED, "deepfm_dim16"], 0.9)
    assert not any(verdict.holds for verdict in frappe.STUDY.verdicts(outcomes(bad, loss=0.3)))
    assert frappe.STUDY.verdicts([]) == []
    assert [v.claim for v in frappe.STUDY.verdicts(outcomes({"lr": 0.9356}))] == [
        "LR has AUC .9355 within .001"
    ]


def test_the_prototype_upholds_the_claims_of_movielens():
    found = ml100k_ctr.STUDY.verdicts(
        outcomes({name: auc for name, (auc, _) in ml100k_ctr.PROTOTYPE.items()})
    )
    assert len(found) == len(ml100k_ctr.STUDY.claims)
    assert all(verdict.holds for verdict in found)
    off = ml100k_ctr.STUDY.verdicts(outcomes({"lr by time": 0.69}))
    assert [verdict.holds for verdict in off] == [False]
    (row,) = ml100k_ctr.STUDY.table_rows(outcomes({"lr by time": 0.68}))
    assert (row[0], row[6:8]) == ("LR (`lr by time`)", ["0.6785", "0.638"])


def test_models_are_chosen_by_name_in_the_order_of_the_table():
    names = [request.name for request in FrappeRequest(teachers=("deepfm_dim16", "lr")).requests()]
    assert names == ["lr", "deepfm_dim16"]
    with pytest.raises(ConfigError, match="deepfm_dim10"):
        FrappeRequest(teachers=("deepfm_dim11",)).requests()


@pytest.mark.parametrize("module", [frappe, ml100k_ctr], ids=["frappe", "ml100k-ctr"])
def test_the_settings_of_every_model_are_settings_of_its_method(module):
    for name, model in module.MODELS.items():
        options = TrainOptions(method=model.method, training=model.training)
        config, training = settings_of(parse_name(name, "teacher"), "teacher", options)
        assert training.choose_by in ("auc", "logloss")
        assert config.learning_rate > 0
