"""The studies as a user runs them, on small data and with short schedules."""

import json
from dataclasses import replace

import pytest
from small_data import two_tastes

from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError
from recpress_edge.data import resolve
from recpress_edge.studies import de_rrd, gowalla, hetcomp
from recpress_edge.studies.outcome import Outcome
from recpress_edge.training import settings as config

LOAD_DATASET = resolve.load_dataset
SHORT = {"epochs": 2, "evaluate_every": 1}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("recpress_edge.data.resolve.load_dataset", lambda *_: two_tastes())
    for method in ("bpr", "soft", "hetcomp"):
        monkeypatch.setitem(config._USUAL, method, config.Settings({}, SHORT))
    monkeypatch.setitem(config._USUAL, "soft teacher", config.Settings({}, SHORT))


def test_de_rrd(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(de_rrd, "TEACHER", "bpr_dim8")
    monkeypatch.setattr(de_rrd, "TEACHER_TRAINING", SHORT)
    monkeypatch.setattr(de_rrd, "STUDENT_TRAINING", SHORT)
    out = tmp_path / "de-rrd.json"
    command = ["reproduce", "de-rrd", "--methods", "bpr,rrd", "--seeds", "2", "--work", str(tmp_path)]
    assert main([*command, "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert [(o["name"], o["seed"]) for o in result["outcomes"]] == [
        ("bpr_dim8", 0), ("bpr_dim20", 0), ("rrd_dim20", 0), ("bpr_dim20", 1), ("rrd_dim20", 1)
    ]  # fmt: skip
    assert "seed 0" in result["negatives"]
    assert all(o["seconds_per_epoch"] > 0 for o in result["outcomes"])
    said = capsys.readouterr().out
    assert "s an epoch" in said
    assert "differs:" in said
    assert main([*command, "--out", str(out)]) == 2  # not overwritten


def test_de_rrd_until_stalled_is_another_rule_for_students_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(de_rrd, "TEACHER", "bpr_dim8")
    monkeypatch.setattr(de_rrd, "TEACHER_TRAINING", SHORT)
    monkeypatch.setattr(de_rrd, "UNTIL_STALLED", {"epochs": 6, "evaluate_every": 1, "patience": 1})
    out = tmp_path / "long.json"
    command = ["reproduce", "de-rrd", "--methods", "bpr", "--until-stalled", "--work", str(tmp_path)]
    assert main([*command, "--out", str(out)]) == 0
    student, teacher = (
        json.loads(file.read_text()) for file in sorted((tmp_path / "models").glob("bpr_dim*/model.json"))
    )
    assert (teacher["training"]["epochs"], student["training"]["patience"]) == (2, 1)
    said = capsys.readouterr().out
    assert "for up to 6 epochs (the teacher 100)" in said
    assert "over the 6 epochs" in said


def test_hetcomp_from_two_teachers(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(hetcomp, "PLAIN_TRAINING", SHORT)
    monkeypatch.setattr(hetcomp, "HETCOMP_TRAINING", SHORT)
    out = tmp_path / "hetcomp.json"
    command = ["reproduce", "hetcomp", "--teachers", "bpr_dim8,soft_dim8", "--work", str(tmp_path)]
    assert main([*command, "--seeds", "2", "--out", str(out)]) == 0
    outcomes = json.loads(out.read_text())["outcomes"]
    assert [(o["part"], o["seed"]) for o in outcomes] == [
        *[("teacher", 0), ("teacher", 0), ("ensemble", 0), *[("single", 0)] * 5],
        *[(part, seed) for seed in (0, 1) for part in ("plain", "hetcomp alone", "hetcomp")],
    ]
    single = {o["name"]: o["teacher"] for o in outcomes if o["part"] == "single"}
    assert list(single) == ["rrd_dim6", "ftd_dim6", "htd_dim6", "irrrd_dim6"]
    assert outcomes[-1]["teacher"] == "ensemble:bpr_dim8+soft_dim8"
    folder = tmp_path / "models" / outcomes[-1]["folder"]
    assert folder.is_dir()
    assert f"--student {folder} --int8" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ("topology", ["data fetch citeulike.", "DIR/citeulike/valid.tsv", "RECPRESS_DATA_DIR=DIR"]),
        ("de-rrd", ["Topology Distillation (KDD 2021)", "DIR/citeulike/train.tsv", "a header line"]),
        ("gowalla", ["data fetch gowalla.", "DIR/gowalla/test.txt", "user item item"]),
        ("hetcomp", ["data fetch citeulike-602020.", "DIR/citeulike/users.dat", "60/20/20"]),
    ],
)
def test_a_study_says_what_data_it_needs_from_where_and_how_laid_out(
    study, words, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(resolve, "load_dataset", LOAD_DATASET)
    monkeypatch.delenv("RECPRESS_DATA_DIR", raising=False)
    assert main(["reproduce", study, "--work", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        "error: data set 'citeulike" if study != "gowalla" else "error: data set 'gowalla'"
    )
    assert not [word for word in words if word not in said]


def test_gowalla_trains_again_and_stands_beside_the_published(tmp_path, monkeypatch, capsys):
    small = {
        "bpr_dim8": gowalla.PublishedTeacher("MF", (0.5, 0.4), 0.0, {"candidates": 2}, SHORT),
        "ease": gowalla.PublishedTeacher("EASE", (0.6, 0.5), 1.1, {"l2": 3.0}),
    }
    monkeypatch.setattr(gowalla, "TEACHERS", small)
    monkeypatch.setattr(gowalla, "STUDY", replace(gowalla.STUDY, claims=gowalla.claims(small)))
    out = tmp_path / "gowalla.json"
    command = ["reproduce", "gowalla", "--work", str(tmp_path), "--out", str(out)]
    assert main([*command, "--dry-run"]) == 0
    assert not out.exists()
    assert main([*command, "--teachers", "ease,bpr"]) == 0
    result = json.loads(out.read_text())
    mf, ease = result["outcomes"]
    assert (mf["name"], mf["settings"]["candidates"], ease["settings"]["l2"]) == ("bpr_dim8", 2, 3.0)
    assert mf["epochs"] in (1, 2)
    assert set(mf["choosing"]) == {"seconds", "valid", "test"}
    assert ease["choosing"] is None
    assert mf["test"] != mf["choosing"]["test"]
    assert result["published"] == {"bpr_dim8": [0.5, 0.4], "ease": [0.6, 0.5]}
    assert [verdict["holds"] for verdict in result["verdicts"]] == [True, False]
    said = capsys.readouterr().out
    assert "published R@20" in said
    assert "differs:" in said
    assert main([*command, "--force", "--teachers", "ease"]) == 0
    assert "found      ease" in capsys.readouterr().out


def test_hetcomp_verdicts_are_seed_by_seed():
    def outcome(part, seed, recall, teacher=""):
        metrics = {"recall@50": recall}
        return Outcome(
            name=part, part=part, teacher=teacher, seed=seed, seconds=1.0, valid=metrics, test=metrics
        )

    rows = [outcome("plain", s, 0.1) for s in (0, 1)] + [outcome("hetcomp", s, 0.2) for s in (0, 1)]
    rows += [outcome("single", 0, 0.15, "a"), outcome("single", 1, 0.25, "a"), outcome("single", 1, 0.1, "b")]
    assert [verdict.holds for verdict in hetcomp.STUDY.verdicts(rows)] == [True, False]
    assert "0.2000 and 0.2500 (single from a)" in hetcomp.STUDY.verdicts(rows)[1].evidence


@pytest.mark.parametrize(
    ("study", "flag"),
    [
        ("topology", ["--methods", "de"]),
        ("topology", ["--until-stalled"]),
        ("hetcomp", ["--dims", "10"]),
        ("de-rrd", ["--teachers", "ease"]),
    ],
)
def test_a_flag_of_another_study_is_an_error(study, flag, tmp_path, capsys):
    assert main(["reproduce", study, *flag, "--work", str(tmp_path), "--dry-run"]) == ConfigError.exit_code
    assert f"{flag[0]} belongs to" in capsys.readouterr().err
