"""A click model by the commands: exported, shown, asked, and refused where it does not fit."""

import json

import pytest
from bundles import make_bundle
from click_data import click_log

from recpress_edge.cli import main


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    log = click_log(400)
    lines = [",".join(row) for row in zip(*log.values(), strict=True)]
    (folder / "log.csv").write_text("\n".join([",".join(log), *lines]))
    importing = ["data", "import", str(folder / "log.csv"), "--name", "clicks", "--label", "label"]
    assert main([*importing, "--context", "night,tags:many", "--work", str(folder)]) == 0
    return folder


def asked(work, *more):
    settings = ["--set", "training.epochs=2", "--set", "method.layers=[4]", "--teacher", "none"]
    return ["export", "--student", "deepfm_dim4", "--data", "clicks", *settings, "--work", str(work), *more]


@pytest.fixture(scope="module")
def bundle(work):
    assert main(asked(work, "--int8")) == 0
    return work / "dist" / "deepfm_dim4-int8"


def test_a_dry_run_says_what_it_would_train(work, capsys):
    assert main(asked(work, "--dry-run", "--set", "method.batch_size=77")) == 0
    assert "train      deepfm_dim4  seed 0" in capsys.readouterr().out


def test_export_says_what_it_wrote_and_finds_it_again(work, bundle, capsys):
    assert main(asked(work, "--int8")) == 0
    out = capsys.readouterr().out
    assert "folded     item into a row of each item" in out
    assert f"unchanged  {bundle / 'model.onnx'}" in out
    assert f"recpress-edge recommend {bundle} --value user=" in out
    folder = next((work / "models").glob("deepfm_dim4-*"))
    assert main(["export", "--student", str(folder), "--work", str(work), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["name"] == "deepfm_dim4-fp32"
    assert facts["quality"]["clicks"]["gate"]["met"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--profile", "history"], "--profile is not for deepfm_dim4, a click model"),
        (
            ["--format", "c"],
            "--format c is not for deepfm_dim4, a click model: it is exported as onnx or tflite",
        ),
        (["--format", "web"], "--format web is not for deepfm_dim4"),
        (
            ["--format", "tflite", "--recipe", "int8-fields"],
            "--recipe int8-fields is not for --format tflite",
        ),
        (["--fit", "64KiB", "--int8"], "--fit chooses the recipe"),
        (["--fit", "little"], "'little'"),
        (["--order", "length"], "are of formats c and web"),
        (["--recipe", "int4-item"], "unknown recipe of a click model"),
        (["--recipe", "fp32", "--int8"], "contradict"),
        (["--set", "method.gated=true"], "method.gated is of a student with a teacher"),
    ],
)
def test_what_does_not_fit_a_click_model_is_refused(work, more, said, capsys):
    assert main(asked(work, *more)) == 2
    assert said in capsys.readouterr().err


def test_inspect_shows_fields_gate_and_tensors(bundle, capsys):
    assert main(["inspect", str(bundle)]) == 0
    out = capsys.readouterr().out
    assert "onnx · int8 · clicks" in out
    assert "gate       met" in out
    assert "item_hidden" in out
    assert main(["inspect", str(bundle), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in facts["features"]["features"]] == ["user", "night", "tags"]


def test_recommend_asks_with_values_and_candidates(bundle, capsys):
    values = ["--value", "user=u3", "--value", "night=day", "--value", "tags=even|late"]
    assert main(["recommend", str(bundle), *values, "--candidates", "i1,i2,nope", "-k", "5"]) == 0
    out = capsys.readouterr().out
    assert "chance" in out
    assert "unknown    nope: left out" in out
    assert main(["recommend", str(bundle), *values, "--seen", "i1,i2", "-k", "40", "--json"]) == 0
    items = [one["item"] for one in json.loads(capsys.readouterr().out)["items"]]
    assert not {"i1", "i2"} & set(items)
    assert len(items) == 38


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--user", "u3"], "--value user=u3"),
        (["--value", "night"], "write FIELD=VALUE"),
        (["--value", "day=1"], "unknown field 'day'"),
        (["--candidates", "nope"], "none of the candidates"),
        (["--candidates", "i1,nope", "--strict"], "unknown item 'nope'"),
    ],
)
def test_wrong_questions_are_refused(bundle, more, said, capsys):
    assert main(["recommend", str(bundle), *more]) == 2
    assert said in capsys.readouterr().err


def test_flags_of_click_bundles_are_theirs_alone(tmp_path, capsys):
    tables = make_bundle(tmp_path / "tables")
    assert main(["recommend", str(tables.folder), "--value", "hour=3"]) == 2
    assert "--value is for click bundles" in capsys.readouterr().err


def test_a_bundle_that_is_not_there_is_not_called_one_of_tables(tmp_path, capsys):
    assert main(["recommend", str(tmp_path / "none"), "--value", "hour=3"]) != 0
    said = capsys.readouterr().err
    assert str(tmp_path / "none") in said
    assert "--value is for click bundles" not in said


def test_other_commands_refuse_a_click_bundle_by_name(bundle, capsys):
    assert main(["web", str(bundle)]) == 1
    assert "is the bundle of a click model" in capsys.readouterr().err
