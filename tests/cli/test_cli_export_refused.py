"""The export command: what it refuses before work, and what of a model that loses too much."""

import sys

import pytest
from exports import random_tables

from device_bench.record import gate_warnings
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.cli import main
from recpress_edge.core.errors import ConfigError, DataError, GateError, StorageError
from recpress_edge.core.install import extra_of
from recpress_edge.data import resolve
from recpress_edge.models.outputs import Tables
from recpress_edge.training.store import save_model
from recpress_export import gates as gates_of_export


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--student", "htdd_dim10"], "Did you mean 'htd_dim10'"),
        (["--student", "htd_dim10", "--int8", "--recipe", "fp32"], "--int8 means --recipe int8-dim"),
        (["--student", "htd_dim10", "--recipe", "int4"], "unknown recipe 'int4'"),
        (["--student", "htd_dim10", "--format", "onx"], "Did you mean 'onnx'"),
        (["--student", "htd_dim10", "--format", "onnx,"], "has an empty name"),
        (["--student", "htd_dim10", "--format", "onnx,tflite", "--out", "x"], "--out names one bundle"),
        (["--student", "bpr_dim10", "--teacher", "bpr_dim200"], "learns without a teacher"),
        (["--student", "htd_dim10", "--teacher", "none"], "cannot learn without a teacher"),
    ],
)
def test_wrong_usage_is_refused_before_anything_is_trained(run, trained, tmp_path, words, message):
    with pytest.raises(ConfigError, match=message):
        run(*words)
    assert trained == []
    assert list(tmp_path.iterdir()) == []


def test_a_taken_or_unwritable_target_is_refused_before_anything_is_trained(run, trained, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(ConfigError, match="--force"):
        run("--student", "htd_dim10", "--out", str(tmp_path / "mine"))
    with pytest.raises(StorageError, match="cannot write /proc/"):
        run("--student", "htd_dim10", "--out", "/proc/recpress/b")
    assert trained == []
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_below_the_gate(run, trained, tmp_path, monkeypatch):
    gates = tmp_path / "strict.toml"
    gates.write_text(
        "[gate.int8-dim]\nmin_overlap = 1.1\nmax_recall_loss = 0.0\n"
        "max_ndcg_loss = 0.0\nmax_item_shift = 1\nlost_users = 0\n"
    )
    monkeypatch.setattr(gates_of_export, "GATES", gates)
    with pytest.raises(GateError, match="parity gate failed") as error:
        run("--student", "htd_dim10", "--int8")
    assert error.value.exit_code == 3
    assert not (tmp_path / "dist" / "htd_dim10-int8").exists()
    assert (tmp_path / "dist" / ".rejected" / "htd_dim10-int8" / "model.onnx").exists()


def test_force_overrules_the_gate_and_says_so(run, trained, tmp_path, monkeypatch, capsys):
    gates = tmp_path / "strict.toml"
    gates.write_text(
        "[gate.int4-item]\nmin_overlap = 1.1\nmax_recall_loss = 0.0\n"
        "max_ndcg_loss = 0.0\nmax_item_shift = 1\nlost_users = 0\n"
    )
    monkeypatch.setattr(gates_of_export, "GATES", gates)
    assert run("--student", "htd_dim10", "--recipe", "int4-item", "--force") == 0
    out = capsys.readouterr().out
    assert "gate       NOT MET, overruled by --force: overlap@20" in out
    assert "recall@20 tail" in out
    assert "int4       item_emb, two values in a byte" in out
    bundle = open_bundle(tmp_path / "dist" / "htd_dim10-int4-item")
    assert bundle.quality["parity"]["gate"]["overruled"]
    assert gate_warnings(bundle)[0].startswith("htd_dim10-int4-item is below its parity gate")


def test_a_missing_package_is_said_before_anything_is_trained(run, trained, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "recpress_export.tflite.writer", None)
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(ImportError):
        run("--student", "htd_dim10", "--format", "tflite")
    assert trained == []
    assert extra_of("flatbuffers") == extra_of("ai_edge_litert") == "tflite"


def test_dry_run_writes_nothing(run, data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(resolve, "load_dataset", lambda name, work, say: data)
    assert run("--student", "htd_dim10", "--int8", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "train      soft_dim200" in out
    assert "train      htd_dim10" in out
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_the_users_own_is_never_replaced(tmp_path):
    thesis = tmp_path / "own" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    command = ["export", "--student", "pop", "--work", str(tmp_path), "--out", str(thesis.parent), "--force"]
    assert main(command) == 2
    assert thesis.read_text() == "years of work"


def test_a_given_model_that_is_damaged_is_not_to_be_deleted(tmp_path, capsys):
    (tmp_path / "hand").mkdir()
    (tmp_path / "hand" / "model.json").write_text("{}")
    assert main(["export", "--student", str(tmp_path / "hand"), "--work", str(tmp_path)]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "It was not touched." in told
    assert "Delete" not in told


@pytest.mark.parametrize("words", [("--profile", "single-user", "--user", "nobody"), ("--titles", "TABLE")])
def test_a_dry_run_refuses_what_a_run_refuses(words, run, trained, tmp_path):
    table = tmp_path / "titles.csv"
    table.write_text("no item,A film\n")
    given = [str(table) if word == "TABLE" else word for word in words]
    for dry in ((), ("--dry-run",)):
        with pytest.raises((ConfigError, DataError), match=r"unknown user|are no items"):
            run("--student", "soft_dim4", *given, *dry)
    assert trained == []


@pytest.mark.parametrize(("flag", "value"), [("--seed", "0"), ("--data", "synthetic")])
def test_the_usual_value_is_a_value_too_beside_a_model_folder(flag, value, run, tmp_path, data, monkeypatch):
    monkeypatch.setattr(resolve, "load_dataset", lambda name, work, say: data)
    folder = tmp_path / "models" / "mine"
    dataset = {"name": "shop", "digest": data.digest(), "protocol": data.protocol}
    facts = {"name": "bpr_dim4", "method": "bpr", "dim": 4, "seed": 3, "metrics": {}, "teacher": None}
    tables = Tables(*random_tables(data.n_users, data.n_items, 4))
    save_model(folder, facts | {"dataset": dataset, "seconds": 1.0}, tables)
    with pytest.raises(ConfigError, match=f"was trained with {flag} "):
        run("--student", str(folder), flag, value, "--dry-run")
    assert run("--student", str(folder), "--dry-run") == 0
