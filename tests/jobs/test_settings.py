"""Settings of every method as a file that changes nothing, and ``--set`` over it."""

import dataclasses
import json
import tomllib
from pathlib import Path

import pytest
from small_data import two_tastes

from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError
from recpress_edge.distill.methods import Role
from recpress_edge.distill.students import names_of, parse_name
from recpress_edge.jobs.export import ExportRequest
from recpress_edge.jobs.settings import SettingsRequest
from recpress_edge.training.overrides import chosen_settings, overrides
from recpress_edge.training.plan import ModelRequest, TrainOptions, settings_of, want

ROLES: tuple[Role, ...] = ("teacher", "student")
NAMES = [(name, role) for role in ROLES for name in names_of(role)]


@pytest.mark.parametrize(("name", "role"), [*NAMES, ("soft_dim10_qat-int8-dim", "student")])
def test_the_printed_file_changes_nothing(name, role, tmp_path):
    """All that a key holds of settings is the same with the file as without."""
    result = SettingsRequest(name=name, role=role).run()
    file = tmp_path / "settings.toml"
    file.write_text(result.toml(), encoding="utf-8")
    model = parse_name(name, role)
    tables = chosen_settings(model, file, ())
    assert (bool(tables["training"]), bool(tables["method"])) == (
        not model.entry.closed_form,
        bool(dataclasses.fields(model.entry.config)),
    )
    assert settings_of(model, role, TrainOptions(**tables)) == settings_of(model, role, TrainOptions())


def test_every_setting_of_every_method_is_explained():
    for name, role in NAMES:
        tables = SettingsRequest(name=name, role=role).run().tables
        assert [one.name for settings in tables.values() for one in settings if not one.text] == [], name


def test_settings_as_a_user_prints_them(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")  # a file's lines are not cut
    assert main(["settings", "soft_dim20", "--role", "teacher"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# recpress-edge train --teacher soft_dim20 --config THIS_FILE\n[method]\n# ")
    assert (
        tomllib.loads(out)["training"]["epochs"]
        == settings_of(parse_name("soft_dim20", "teacher"), "teacher", TrainOptions())[1].epochs
    )
    assert main(["settings", "htd_dim20", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["method"]["gamma"]["text"].startswith(
        "γ: share of the topology"
    )
    assert main(["settings", "htd_dim20", "--dry-run"]) == 2


@pytest.mark.parametrize(
    ("texts", "method", "training"),
    [
        (["method.learning_rate=0.01"], {"learning_rate": 0.01}, {}),
        (["learning_rate=0.01", "training.patience=3"], {"learning_rate": 0.01}, {"patience": 3}),
        (["keep=last"], {}, {"keep": "last"}),
        (['keep = "last"'], {}, {"keep": "last"}),
    ],
)
def test_set_is_read_as_toml(texts, method, training):
    found = overrides(parse_name("htd_dim4"), texts)
    assert found == {"method": method, "training": training}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("learning_rat=1", "setting of htd_dim4, --set 'learning_rat'. Did you mean 'learning_rate'"),
        ("method.epochs=1", "Did you mean"),
        ("traning.epochs=1", "Did you mean 'training.epochs'"),
        ("epochs", "must be KEY=VALUE"),
        ("epochs=", "must be KEY=VALUE"),
        ("epochs=[1", "is no TOML value"),
        ("epochs=1\npatience=2", "must be one setting"),
    ],
)
def test_what_set_does_not_take(text, says):
    with pytest.raises(ConfigError) as told:
        overrides(parse_name("htd_dim4"), [text])
    assert says in str(told.value)


def test_set_beats_the_file_and_neither_is_said_twice(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("c.toml").write_text("[training]\nepochs = 3\npatience = 2\n")
    found = chosen_settings(parse_name("htd_dim4"), Path("c.toml"), ["epochs=7"])
    assert found["training"] == {"epochs": 7, "patience": 2}
    words = ["train", "--teacher", "bpr_dim4", "--dry-run", "--json"]

    def folder(*more: str) -> str:
        assert main([*words, *more]) == 0
        return json.loads(capsys.readouterr().out)["steps"][-1]["folder"]

    assert folder("--set", "epochs=7") == folder("--epochs", "7") != folder()
    assert main([*words, "--epochs", "7", "--set", "epochs=7"]) == 2
    assert "--epochs and --set training.epochs say the same" in capsys.readouterr().err
    assert main([*words, "--set", "epochs=7", "--set", "training.epochs=8"]) == 2
    assert main(["train", "--teacher", "pop", "--set", "epochs=7"]) == 2
    assert main(["export", "--all", "--set", "epochs=7"]) == 2
    assert "--set is for one student" in capsys.readouterr().err


def test_an_exported_student_takes_settings_and_says_so(tmp_path):
    def plan(*texts: str):
        return ExportRequest(student="bpr_dim4", set=texts, work=tmp_path).check()

    usual, changed = plan(), plan("patience=2", "method.learning_rate=0.5")
    assert "--set" not in usual.command
    assert "--set method.learning_rate=0.5 --set training.patience=2" in changed.command
    assert usual.steps()[0].folder != changed.steps()[0].folder
    with pytest.raises(ConfigError, match="Did you mean 'patience'"):
        plan("patince=2")
    (tmp_path / "models/m").mkdir(parents=True)
    with pytest.raises(ConfigError, match="is trained, so --set patience=2 cannot apply"):
        ExportRequest(student=f"{tmp_path}/models/m", set=("patience=2",)).check()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("sasrec_dim4", "none", {"teacher_weight": 0.5}), "without a teacher"),
        (("lrh_dim4", "none", {"hint_weight": 0.5}), "without a teacher"),
        (("adarec_dim4", "none", {"layer_weight": 0.5}), "without a teacher"),
        (("ae_dim4", "none", {"soft_share": 0.25}), "without a teacher"),
        (("adarec_dim4", None, {"cell": "skip+skip+skip", "cost_weight": 1.0}), "the cell is given"),
        (("adarec_dim4", None, {"cell": "skip+skip+skip", "search_epochs": 3}), "the cell is given"),
        (("adarec_dim4", None, {"layer_weight": 0.0, "adaptive": True}), "no layers are compared"),
        (("lrh_dim4", None, {"decays": "none", "most_decay": 0.5}), "with method.decays none"),
        (("ecae_dim4", None, {"retraining_weight": 0.0, "through": True}), "the generator is alone"),
    ],
)
def test_a_setting_that_changes_nothing_beside_the_others_is_refused(words, says):
    name, teacher, method = words
    role = "teacher" if name.startswith("ecae") else "student"

    def asked(settings):
        options = TrainOptions(teacher=teacher, method=settings)
        return want(ModelRequest(name=name, role=role, options=options), two_tastes())

    with pytest.raises(ConfigError, match=rf"method\.{list(method)[-1]} of {name} changes nothing.*{says}"):
        asked(method)
    usual = dataclasses.asdict(asked({}).config)
    said = {setting: usual[setting] for setting in list(method)[-1:]}
    assert dataclasses.asdict(asked({**method, **said}).config) == {**usual, **method, **said}


@pytest.mark.parametrize(
    ("name", "method", "says"),
    [
        ("sasrec_dim7", {}, "heads 2 does not divide the embedding size 7"),
        ("bert4rec_dim4", {"heads": 3}, "heads 3 does not divide the embedding size 4"),
        ("sasrec_dim4", {"history_length": 51}, "more than the 50 tokens that the teacher reads"),
        ("adarec_dim4", {"history_length": 51}, "more than the 50 places that are trained together"),
        ("adarec_dim4", {"window": 49}, "more than the 49 places that are trained together"),
    ],
)
def test_what_a_missing_teacher_cannot_teach_is_refused_before_it_is_trained(name, method, says):
    options = TrainOptions(teacher=None if "bert" in name else "sasrec_dim8", method=method)
    with pytest.raises(ConfigError, match=says):
        want(ModelRequest(name=name, role="student", options=options), two_tastes())
    fitting = TrainOptions(teacher=options.teacher, method={"heads": 1} if "heads" in says else {})
    want(ModelRequest(name=name, role="student", options=fitting), two_tastes())
