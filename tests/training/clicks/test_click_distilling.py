"""Click models that teach: an ensemble from plan to folder, its students, and what is refused."""

import dataclasses
import shutil

import numpy as np
import pytest
from click_data import click_data, click_log

from recpress_edge.artifacts.clicks.folded import fold
from recpress_edge.artifacts.clicks.metrics import click_metrics
from recpress_edge.artifacts.clicks.reading import read_weights
from recpress_edge.artifacts.clicks.weights import logits
from recpress_edge.artifacts.model_folder import read_model
from recpress_edge.cli import main
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import read_json, write_json
from recpress_edge.core.progress import silent
from recpress_edge.data.features.fit import encode_items, encode_rows
from recpress_edge.jobs.export import ExportRequest
from recpress_edge.training.clicks.stored import stored_clicks
from recpress_edge.training.ensure import ensure, ensure_model
from recpress_edge.training.fusion import not_above_member
from recpress_edge.training.plan import ModelRequest, TrainOptions, want
from recpress_edge.training.store import load_model

DATA = click_data()
QUICK = {
    "learning_rate": 0.02,
    "batch_size": 128,
    "l2": 1e-4,
    "linear_l2": 1e-5,
    "layers": [16],
    "decay": 1.0,
}
ENSEMBLE = "ensemble:deepfm_dim8+deepfm_dim6"


def request(name, role="teacher", method=QUICK, **options):
    given = TrainOptions(method=method, training={"epochs": 12, "patience": 0, "choose_by": "auc"}, **options)
    return ModelRequest(name=name, role=role, options=given)


def fused(work, names=("deepfm_dim8", "deepfm_dim6")):
    """An ensemble of quickly trained members."""
    members = [str(ensure_model(request(name), DATA, work, silent).folder) for name in names]
    options = TrainOptions(members=tuple(members))
    return ensure_model(
        ModelRequest(name=f"ensemble:{'+'.join(names)}", role="teacher", options=options), DATA, work, silent
    )


def said_better(model):
    """The same folder, whose record says that it is above its members."""
    known = read_json(model.folder / "model.json")
    write_json(model.folder / "model.json", known | {"below_member": None})
    return model


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    return said_better(fused(tmp_path_factory.mktemp("work")))


def test_an_ensemble_is_the_mean_of_its_members_logits(ensemble):
    names = ("deepfm_dim8", "deepfm_dim6")
    folders = [next(ensemble.folder.parent.glob(f"{name}-*")) for name in names]
    each = [stored_clicks(load_model(folder)).logits(DATA, "test")[0] for folder in folders]
    for folder, own in zip(folders, each, strict=True):  # as the member was measured
        at = DATA.labelled.part("test")
        found = click_metrics(DATA.labelled.users[at], DATA.labelled.labels[at], own)
        assert found == pytest.approx(load_model(folder).metadata["metrics"]["test"], abs=1e-6)
    wanted = click_metrics(DATA.labelled.users[at], DATA.labelled.labels[at], np.mean(each, axis=0))
    facts = ensemble.metadata
    assert facts["metrics"]["test"] == pytest.approx(wanted, abs=1e-6)
    assert [member["name"] for member in facts["members"]] == list(names)
    assert sum(one["rows"] for one in facts["calibration"]["valid"]) == 200


def test_a_stored_model_scores_without_torch_as_with_it(ensemble):
    folder = next(ensemble.folder.parent.glob("deepfm_dim8-*"))
    facts, arrays = read_model(folder)
    weights = read_weights(facts["architecture"], arrays)
    rows = encode_rows(weights.fields, DATA, "test")
    wanted = stored_clicks(load_model(folder)).logits(DATA, "test")[0]
    assert logits(weights, rows) == pytest.approx(wanted, abs=1e-4)
    model = fold(weights, encode_items(weights.fields, DATA))
    assert [field.name for field in model.request.fields] == ["user", "night", "tags"]
    at = DATA.labelled.items[DATA.labelled.part("test")]
    found = model.logits(np.delete(rows, 1, axis=1), at)  # without the column of the item
    assert found == pytest.approx(wanted, abs=1e-4)


def test_an_ensemble_holds_its_members_whole(ensemble, tmp_path):
    alone = shutil.copytree(ensemble.folder, tmp_path / "elsewhere")
    both = stored_clicks(load_model(alone))
    assert both.logits(DATA, "train").shape == (2, 1600)
    assert both.hidden(DATA, "train").shape == (1600, both.hidden_width) == (1600, 32)


def test_a_student_learns_from_the_ensemble_and_not_from_the_labels_alone(ensemble, tmp_path):
    whole = {**QUICK, "teacher_weight": 1.0}
    asked = request("deepfm_dim4", "student", whole, teacher=str(ensemble.folder))
    student = ensure_model(asked, DATA, tmp_path, silent)
    assert student.metadata["teacher"]["name"] == ENSEMBLE
    assert student.metadata["teacher"]["metrics"] == ensemble.metadata["metrics"]
    names = set(read_model(student.folder)[1])
    assert not [name for name in names if "teaching" in name]
    logits = stored_clicks(student).logits(DATA, "train")[0]
    alone = ensure_model(request("deepfm_dim4", "student", teacher="none"), DATA, tmp_path, silent)
    own = stored_clicks(alone).logits(DATA, "train")[0]
    soft = stored_clicks(ensemble).logits(DATA, "train").mean(axis=0)
    assert np.abs(logits - soft).mean() < np.abs(own - soft).mean()
    same = ensure_model(request("deepfm_dim4"), DATA, tmp_path, silent)
    assert same.folder == alone.folder  # without a teacher the two roles are one model


@pytest.mark.parametrize(
    "settings", [{"gated": True}, {"hint_weight": 0.5}, {"gated": True, "temperature": 2.0}]
)
def test_gate_and_hints_train_to_the_end(ensemble, tmp_path, settings):
    asked = request("deepfm_dim4", "student", {**QUICK, **settings}, teacher=str(ensemble.folder))
    assert ensure_model(asked, DATA, tmp_path, silent).metadata["metrics"]["test"]["auc"] > 0.6


def test_one_model_teaches_too(ensemble, tmp_path):
    folder = next(ensemble.folder.parent.glob("deepfm_dim6-*"))
    asked = request("lr", "student", {"batch_size": 128}, teacher=str(folder))
    assert ensure_model(asked, DATA, tmp_path, silent).metadata["teacher"]["name"] == "deepfm_dim6"


def test_an_ensemble_that_is_not_above_its_best_member_teaches_nobody(tmp_path):
    found = fused(tmp_path)
    known = read_json(found.folder / "model.json")
    below = not_above_member({"auc": 0.7}, [{"name": "lr", "seed": 0, "metrics": {"valid": {"auc": 0.7}}}])
    write_json(found.folder / "model.json", known | {"below_member": below})
    asked = request("deepfm_dim4", "student", teacher=str(found.folder))
    with pytest.raises(
        ConfigError, match=r"its member lr: valid AUC 0\.7000 against 0\.7000\. Distil from lr"
    ):
        ensure_model(asked, DATA, tmp_path, silent)
    write_json(found.folder / "model.json", known | {"metrics": {"test": known["metrics"]["test"]}})
    with pytest.raises(ConfigError, match="has no validation rows"):
        ensure_model(asked, DATA, tmp_path, silent)


@pytest.mark.parametrize(("ours", "below"), [(0.81, False), (0.8, True), (0.79, True)])
def test_the_best_member_is_by_auc(ours, below):
    members = [
        {"name": name, "seed": 0, "metrics": {"valid": {"auc": auc}}}
        for name, auc in (("lr", 0.7), ("fm", 0.8))
    ]
    found = not_above_member({"auc": ours}, members)
    assert (found is not None) == below
    assert not below or (found["member"], found["member_value"]) == ("fm", 0.8)
    assert not_above_member(None, members) is None


@pytest.mark.parametrize(
    ("name", "settings", "teacher", "said"),
    [
        ("deepfm_dim4", {"gated": True}, "none", "method.gated is of a student with a teacher"),
        ("deepfm_dim4", {"temperature": 2.0}, "none", "method.temperature is of a student with a teacher"),
        ("deepfm_dim4", {"gated": True}, "lr", "weighs the members of an ensemble, and lr is one model"),
        ("fm_dim2", {"hint_weight": 0.1}, "deepfm_dim4", "fm_dim2, which takes the hints, has none"),
        (
            "deepfm_dim4",
            {"hint_weight": 0.1},
            "ensemble:lr+deepfm_dim4",
            "lr, which gives the hints, has none",
        ),
        ("deepfm_dim4", {}, "bpr_dim8", "is a click model.*bpr_dim8 ranks a catalogue.*lr, fm_dim16"),
    ],
)
def test_what_cannot_apply_is_refused_by_name(name, settings, teacher, said):
    with pytest.raises(ConfigError, match=said):
        want(request(name, "student", settings, teacher=teacher), DATA)


def test_a_teacher_without_a_student_has_no_settings_of_one():
    with pytest.raises(ConfigError, match="teacher_weight is of a student with a teacher"):
        want(request("lr", "teacher", {"teacher_weight": 0.5}), DATA)


def test_a_teacher_of_other_labels_is_refused(ensemble):
    rows = dataclasses.replace(DATA.labelled, labels=1 - DATA.labelled.labels)
    changed = dataclasses.replace(DATA, labelled=rows)  # the same interactions
    asked = request("deepfm_dim4", "student", teacher=str(ensemble.folder))
    with pytest.raises(ConfigError, match="differs from 'clicks'"):
        want(asked, changed)


def test_a_damaged_vocabulary_is_an_error(ensemble, tmp_path):
    alone = shutil.copytree(ensemble.folder, tmp_path / "elsewhere")
    known = read_json(alone / "model.json")
    known["architecture"]["members"][0]["fields"][0]["size"] += 1
    write_json(alone / "model.json", known)
    with pytest.raises(ArtifactError, match="contradicts itself"):
        stored_clicks(load_model(alone))


def test_the_usual_teacher_is_an_ensemble_of_four():
    wanted = want(ModelRequest(name="deepfm_dim4"), DATA)
    assert len(wanted.teacher.members) == 4
    assert {member.seed for member in wanted.teacher.members} == {0}
    assert str(wanted.teacher.name).startswith("ensemble:deepfm_dim8+")
    assert wanted.teacher.training.choose_by == "auc"


def test_the_commands_distil_and_say_what_they_made(tmp_path, capsys):
    log = click_log(400)
    lines = [",".join(row) for row in zip(*log.values(), strict=True)]
    (tmp_path / "log.csv").write_text("\n".join([",".join(log), *lines]))
    work = ["--work", str(tmp_path)]
    importing = ["data", "import", str(tmp_path / "log.csv"), "--name", "clicks", "--label", "label"]
    assert main([*importing, "--context", "night", *work]) == 0
    asked = ["--data", "clicks", "--epochs", "2", *work]
    assert main(["train", "--teacher", "fm_dim4", *asked]) == 0
    assert "next       recpress-edge distill --student deepfm_dim4 --teacher" in capsys.readouterr().out
    folder = next((tmp_path / "models").glob("fm_dim4-*"))
    assert main(["distill", "--student", "deepfm_dim4", "--teacher", str(folder), *asked]) == 0
    out = capsys.readouterr().out
    assert "teacher    fm_dim4 seed 0: test AUC " in out
    assert "next       recpress-edge export --student" in out
    assert "Recall" not in out
    with pytest.raises(ConfigError, match="ClickExportRequest"):
        ExportRequest(student="deepfm_dim4", data="clicks", work=tmp_path).check()
    assert main(["export", "--all", "--data", "clicks", *work]) == 2
    assert "no student of data set 'clicks' is trained" in capsys.readouterr().err


def test_ensure_makes_what_is_missing_of_a_tree(tmp_path):
    """Members, the ensemble, then the student: each once."""
    wanted = want(request("deepfm_dim4", "student", teacher="ensemble:lr+fm_dim2"), DATA)
    kinds = []
    with pytest.raises(
        ConfigError, match="valid AUC"
    ):  # where pairs of values decide, neither helps the other
        ensure(wanted, DATA, tmp_path, lambda event: kinds.append((event.kind, event.name)))
    names = [name for kind, name in kinds if kind == "train"]
    assert names[:3] == ["lr", "fm_dim2", "ensemble:lr+fm_dim2"]
