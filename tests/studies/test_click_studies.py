"""The studies of click models: their plan, their table and what their claims can decide."""

import json
from dataclasses import replace
from typing import ClassVar

import pytest
from click_data import click_log

from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.progress import Note
from recpress_edge.distill.students import parse_name
from recpress_edge.studies import frappe, ml100k_ctr
from recpress_edge.studies.clicks import METRICS
from recpress_edge.studies.frappe import FrappeRequest
from recpress_edge.studies.models import StudiedModel
from recpress_edge.studies.outcome import Outcome
from recpress_edge.training.plan import TrainOptions, settings_of
from recpress_edge.training.store import load_model


class SmallRequest(FrappeRequest):
    """The study on a set of 400 rows, in seconds."""

    study: ClassVar = replace(frappe.STUDY, columns=())
    models: ClassVar = {
        "lr": StudiedModel("LR", {"batch_size": 100}, {"epochs": 2}),
        "deepfm_dim8": StudiedModel("DeepFM", {"batch_size": 100, "layers": (4,)}, {"epochs": 2}),
        "ensemble:lr+deepfm_dim8": StudiedModel("both"),
        "deepfm_dim4 taught": StudiedModel("small, taught", {"layers": (4,)}, {"epochs": 2}, "deepfm_dim8"),
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
    steps = [(name, seed) for name in ("lr", "deepfm_dim8", "ensemble:lr+deepfm_dim8") for seed in (0, 1)]
    steps += [("deepfm_dim4", 0), ("deepfm_dim4", 1)]
    assert [line.partition(", ")[0] for line in plan] == [
        f"would train  {name} seed {seed} on clicks" for name, seed in steps
    ]
    assert all(("of CPU time at most" in line) == ("ensemble" not in line) for line in plan)
    notes = []
    result = asked.run(lambda event: notes.append(event.text) if isinstance(event, Note) else None)
    assert notes[0].startswith("forecast   8 models to train")
    steps[-2:] = [("deepfm_dim4 taught", 0), ("deepfm_dim4 taught", 1)]
    assert [(outcome.name, outcome.seed) for outcome in result.outcomes] == steps
    taught = load_model(work / "models" / result.outcomes[-1].folder).metadata
    assert (taught["seed"], taught["teacher"]["name"], taught["teacher"]["seed"]) == (1, "deepfm_dim8", 0)
    assert taught["teacher"]["metrics"]["test"] == result.outcomes[2].test  # the study's own, not the usual
    members = load_model(work / "models" / result.outcomes[5].folder).metadata["members"]
    assert [member["seed"] for member in members] == [1, 1]
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


def test_the_table_has_a_row_for_each_model_and_what_is_published_of_it():
    first, second = frappe.STUDY.table_rows(outcomes({"lr": 0.9356, frappe.ENSEMBLE: 0.988}))
    assert first[0] == "LR (`lr`)"
    assert first[6:9] == ["0.9356", "0.3076", ""]
    assert second[6:9] == [""] * 3  # of ours nothing is published


PUBLISHED = {name: row[0] for name, row in frappe.PUBLISHED.items()}


def test_published_figures_uphold_the_claims_and_worse_ones_do_not():
    ours = {"deepfm_dim16": 0.9853, **dict.fromkeys(frappe.FOUR, 0.984), frappe.ENSEMBLE: 0.9877}
    taught = {"deepfm_dim4": 0.978, "deepfm_dim4 taught": 0.979, "deepfm_dim8 taught": 0.985}
    good = frappe.STUDY.verdicts(outcomes({**PUBLISHED, **ours, **taught}))
    assert len(good) == len(frappe.STUDY.claims)
    assert all(verdict.holds for verdict in good)
    worse = {name: 0.89 for name in (frappe.ENSEMBLE, "deepfm_dim4 taught", "deepfm_dim8 taught")}
    bad = dict.fromkeys([*PUBLISHED, *ours, *taught], 0.9) | worse
    assert not any(verdict.holds for verdict in frappe.STUDY.verdicts(outcomes(bad, loss=0.3)))
    assert frappe.STUDY.verdicts([]) == []
    assert [v.claim for v in frappe.STUDY.verdicts(outcomes({"lr": 0.9356}))] == [
        "LR has AUC .9355 within .001"
    ]


def test_the_prototype_upholds_the_claims_of_movielens():
    taught = {**dict.fromkeys(ml100k_ctr.FOUR, 0.79), ml100k_ctr.ENSEMBLE: 0.7971}
    taught |= {"deepfm_dim4": 0.783, ml100k_ctr.TAUGHT: 0.7901}
    found = ml100k_ctr.STUDY.verdicts(
        outcomes({name: auc for name, (auc, _) in ml100k_ctr.PROTOTYPE.items()} | taught)
    )
    assert len(found) == len(ml100k_ctr.STUDY.claims)
    assert all(verdict.holds for verdict in found)
    off = ml100k_ctr.STUDY.verdicts(outcomes({"lr by time": 0.69}))
    assert [verdict.holds for verdict in off] == [False]
    (row,) = ml100k_ctr.STUDY.table_rows(outcomes({"lr by time": 0.68}))
    assert (row[0], row[6:8]) == ("LR (`lr by time`)", ["0.6785", "0.638"])


def test_models_are_chosen_by_name_in_the_order_of_the_table():
    assert FrappeRequest(teachers=("deepfm_dim16", "lr")).chosen() == ["lr", "deepfm_dim16"]
    with pytest.raises(ConfigError, match="deepfm_dim10"):
        FrappeRequest(teachers=("deepfm_dim11",)).plan()


@pytest.mark.parametrize("module", [frappe, ml100k_ctr], ids=["frappe", "ml100k-ctr"])
def test_the_settings_of_every_model_are_settings_of_its_method(module):
    for name, model in module.MODELS.items():
        options = TrainOptions(method=model.method, training=model.training)
        found = parse_name(name.partition(" ")[0], "teacher")
        _, training = settings_of(found, "teacher", options)
        assert training.choose_by in ("auc", "logloss")
        assert all(str(part) in module.MODELS for part in found.members)
        assert model.teacher is None or model.teacher in module.MODELS
