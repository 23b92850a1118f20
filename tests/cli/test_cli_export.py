"""The export command: what it refuses before work, what it says, what it leaves."""

import dataclasses
import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from exports import random_tables
from jsonschema import Draft202012Validator

from device_bench.record import gate_warnings
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.cli import build_parser, main
from recpress_edge.core.errors import ConfigError, DataError, GateError, RecPressError, StorageError
from recpress_edge.core.install import extra_of
from recpress_edge.core.progress import TrainingEvent
from recpress_edge.data import resolve
from recpress_edge.data.features.columns import FeatureColumn, Features, FeatureTable
from recpress_edge.data.synthetic import synthetic
from recpress_edge.models.outputs import Tables
from recpress_edge.training import ensure
from recpress_edge.training.store import save_model
from recpress_export import gates as gates_of_export

BUNDLE_SCHEMA = Path(__file__).parents[2] / "schemas" / "bundle-1.schema.json"


@pytest.fixture(scope="module")
def data():
    return synthetic(n_users=80, n_items=150)


@pytest.fixture
def trained(data, monkeypatch):
    """Models are drawn, not trained; the list tells which were asked for."""
    asked = []

    def ensure_model(request, given, work, on_event):
        name, seed = request.name, request.seed
        asked.append((name, seed, request.options.teacher))
        folder = work / "models" / f"{name}-s{seed}"
        if (folder / "model.json").exists():
            on_event(TrainingEvent(kind="cached", name=name, seed=seed, folder=folder))
        else:
            on_event(
                TrainingEvent(
                    kind="train", name="bpr_dim200", seed=0, folder=folder, teacher_of=name, epochs=1
                )
            )
            on_event(TrainingEvent(kind="epoch", name="bpr_dim200", seed=0, folder=folder, epoch=1, epochs=1))
            on_event(TrainingEvent(kind="done", name="bpr_dim200", seed=0, folder=folder, seconds=3.0))
        dim = int(name.partition("dim")[2])
        dataset = {"name": given.name, "digest": given.digest(), "protocol": given.protocol}
        teacher = {"name": "bpr_dim200", "table_width": 200, "metrics": {"valid": {}, "test": {}}}
        facts = {"name": name, "method": name.partition("_")[0], "dim": dim, "seed": seed, "metrics": {}}
        tables = random_tables(given.n_users, given.n_items, dim, seed)
        return save_model(folder, facts | {"dataset": dataset, "teacher": teacher}, Tables(*tables))

    monkeypatch.setattr(ensure, "ensure_model", ensure_model)
    monkeypatch.setattr(resolve, "load_dataset", lambda name, work, say: data)
    return asked


@pytest.fixture
def run(tmp_path):
    def command(*words: str) -> int:
        args = build_parser().parse_args(["export", "--work", str(tmp_path), "--threads", "1", *words])
        return int(args.func(args))

    return command


def test_int8_export_says_what_it_did(run, trained, data, tmp_path, capsys):
    assert run("--student", "htd_dim10", "--int8") == 0
    out = capsys.readouterr().out
    bundle = open_bundle(tmp_path / "dist" / "htd_dim10-int8")
    for words in (
        "training   bpr_dim200 seed 0, the teacher of htd_dim10, is missing: training it",
        f"student    htd_dim10  seed 0  ·  80 users × {data.n_items} items × 10",
        "recipe     int8-dim:",
        "wrote      ",
        "× smaller",
        "int8       user_emb, item_emb",
        "parity     80 validation users",
        "overlap@20",
        "recall@20 ",
        "reference for all 80 users",
        f"sha256 {bundle.digest[:16]}",
        "self-test: 64 users, passed",
        f"device_bench run {bundle.folder}",
        "recpress-edge report ",
    ):
        assert words in out, words
    assert bundle.provenance["command"] == (
        "recpress-edge export --student htd_dim10 --data synthetic --seed 0 --recipe int8-dim"
    )
    assert bundle.quality["chain"][0]["bytes"] == 4 * 200 * (80 + data.n_items)


@pytest.mark.parametrize(
    ("flags", "asks"),
    [((), " --user u0"), (("--profile", "single-user", "--user", "u3"), "")],
    ids=["all-users", "single-user"],
)
def test_a_c_export_says_how_to_try_it_in_80_columns(flags, asks, run, trained, data, tmp_path, capsys):
    words = ("--student", "htd_dim10", "--int8", "--format", "c")
    assert run(*words, *(data.user_ids[int(flag[1:])] if flag == "u3" else flag for flag in flags)) == 0
    out = capsys.readouterr().out
    (bundle,) = (tmp_path / "dist").iterdir()
    commands = " ".join(out[out.index("next ") :].replace("\\\n", "").split())
    user = asks and f" --user {shlex.quote(data.user_ids[0])}"
    for command in (
        f"next recpress-edge recommend {bundle}{user} make",
        f"make -C {bundle}",
        f"device_bench run {bundle} --on mcu:microbit --k 10",
    ):
        assert command in commands, command
    for label, word in (("order", "a query for 20 reads"), ("hint", "score16")):
        (said,) = re.findall(rf"^{label} .*(?:\n {{11}}.*)*", out, re.MULTILINE)
        assert word in said
        assert max(map(len, said.splitlines())) <= 80


@pytest.mark.parametrize(
    ("flags", "asked"),
    [((), "--user {data.user_ids[0]}"), (("--profile", "history", "--force"), "--seen {data.item_ids[0]}")],
    ids=["all-users", "history"],
)
def test_every_export_says_how_it_is_asked(flags, asked, run, trained, data, tmp_path, capsys):
    assert run("--student", "htd_dim10", "--int8", *flags) == 0
    out = capsys.readouterr().out
    (bundle,) = (tmp_path / "dist").iterdir()
    command = f"recpress-edge recommend {bundle} {asked.format(data=data)}"
    assert command in " ".join(out[out.index("next ") :].replace("\\\n", "").split())
    assert main(shlex.split(command)[1:]) == 0


def test_what_is_compiled_is_said_before(run, trained, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("recpress_export.options.files_of", lambda name: None)
    assert run("--student", "htd_dim10", "--int8", "--format", "c", "--build", "aarch64,armv6") == 0
    assert "compile    for aarch64, armv6 " in capsys.readouterr().out


def test_help_names_where_every_format_goes(run, capsys):
    with pytest.raises(SystemExit):
        run("--help")
    assert "then -tflite, -c, -web, -CORE, -PROFILE" in " ".join(capsys.readouterr().out.split())


def test_plain_export_is_fp32_and_seeds_are_in_the_name(run, trained, tmp_path):
    assert run("--student", "soft_dim4", "--seed", "2", "--teacher", "none") == 0
    assert open_bundle(tmp_path / "dist" / "soft_dim4-s2-fp32").contract.recipe == "fp32"
    assert trained == [("soft_dim4", 2, "none")]


def test_again_is_unchanged(run, trained, tmp_path, capsys):
    run("--student", "htd_dim10", "--int8")
    capsys.readouterr()
    assert run("--student", "htd_dim10", "--recipe", "int8") == 0
    out = capsys.readouterr().out
    assert "unchanged  " in out
    assert "found      htd_dim10 seed 0" in out
    assert "wrote" not in out


def test_json_has_the_same_facts_and_talk_goes_to_stderr(run, trained, tmp_path, capsys):
    assert run("--student", "htd_dim10", "--int8", "--json") == 0
    output = capsys.readouterr()
    facts = json.loads(output.out)
    bundle = open_bundle(tmp_path / "dist" / "htd_dim10-int8")
    assert (facts["sha256"], facts["file_bytes"]) == (bundle.digest, bundle.model_bytes)
    assert facts["fp32_file_bytes"] > facts["file_bytes"]
    assert (facts["item_row_bytes"], facts["user_row_bytes"]) == (10, 14)
    assert facts["parity"]["exact_users"] == 80
    assert "parity     80 validation users" in output.err


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


def test_every_recipe_can_be_exported_by_name(run, trained, tmp_path, capsys):
    for name, recipe in RECIPES.items():
        assert run("--student", "htd_dim10", "--recipe", name, "--json", "--force") == 0
        facts = json.loads(capsys.readouterr().out)
        assert (facts["recipe"], facts["item_row_bytes"]) == (name, recipe.item_row_bytes(10))
        bundle = open_bundle(tmp_path / "dist" / f"htd_dim10-{recipe.short}")
        assert bool(gate_warnings(bundle)) != bundle.quality["parity"]["gate"]["met"]


def test_both_formats_make_a_bundle_each(run, trained, tmp_path, capsys):
    assert run("--student", "htd_dim10", "--int8", "--format", "onnx,tflite", "--json") == 0
    bundles = json.loads(capsys.readouterr().out)["bundles"]
    assert [b["format"] for b in bundles] == ["onnx", "tflite"]
    names = ["htd_dim10-int8", "htd_dim10-int8-tflite"]
    made = [open_bundle(tmp_path / "dist" / name) for name in names]
    assert [b.name for b in made] == [b["name"] for b in bundles] == names
    assert [b.contract.format for b in made] == ["onnx", "tflite"]
    assert [b.contract.seen_capacity for b in made] == [0, 128]
    assert [b["parity"]["exact_users"] for b in bundles] == [80, 80]
    assert "--format" not in made[0].provenance["command"]
    assert made[1].provenance["command"].endswith("--recipe int8-dim --format tflite")
    assert "ai-edge-litert" in made[1].provenance["versions"]
    assert (made[0].folder / "selftest.json").read_bytes() == (made[1].folder / "selftest.json").read_bytes()
    assert (
        f"`seen` int32 [128] (unused entries hold {made[1].contract.n_items};"
        in (made[1].folder / "CARD.md").read_text()
    )
    validator = Draft202012Validator(json.loads(BUNDLE_SCHEMA.read_text()))
    assert list(validator.iter_errors(json.loads((made[1].folder / "bundle.json").read_text()))) == []


def test_tflite_again_is_unchanged(run, trained, tmp_path, capsys):
    for verb in ("wrote", "unchanged"):
        assert run("--student", "htd_dim10", "--format", "tflite") == 0
        assert f"{verb:<9}  {tmp_path}/dist/htd_dim10-fp32-tflite/model.tflite" in capsys.readouterr().out


def test_a_missing_package_is_said_before_anything_is_trained(run, trained, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "recpress_export.tflite.writer", None)
    monkeypatch.setitem(sys.modules, "flatbuffers", None)
    with pytest.raises(ImportError):
        run("--student", "htd_dim10", "--format", "tflite")
    assert trained == []
    assert extra_of("flatbuffers") == extra_of("ai_edge_litert") == "tflite"


def test_titles_travel_in_the_bundle_and_are_shown_with_answers(run, trained, data, tmp_path, capsys):
    table = tmp_path / "titles.csv"
    table.write_text(f"id,title\n{data.item_ids[2]},Two\n{data.item_ids[0]},Zero\n")
    assert run("--student", "htd_dim10", "--int8", "--titles", str(table)) == 0
    bundle = open_bundle(tmp_path / "dist" / "htd_dim10-int8")
    written = (bundle.folder / "titles.txt").read_text().splitlines()
    assert (len(written), written[:3]) == (data.n_items, ["Zero", "", "Two"])
    assert "titles.txt" in bundle.files
    assert bundle.provenance["command"].endswith("--recipe int8-dim --titles titles.csv")
    answered = main(["recommend", str(bundle.folder), "--user", data.user_ids[0], "-k", str(data.n_items)])
    assert answered == 0
    out = capsys.readouterr().out
    assert re.search(rf"{data.item_ids[2]} +Two ", out)


def with_texts(data):
    kinds = FeatureColumn(
        "kind", "categorical", ("fun", "sf"), codes=np.arange(data.n_items, dtype=np.int32) % 2
    )
    titles = tuple(f"Film {n}" for n in range(data.n_items))
    return dataclasses.replace(data, titles=titles, features=Features(item=FeatureTable((kinds,))))


def test_the_titles_of_the_data_set_travel_unless_they_are_left_out(
    run, trained, data, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(resolve, "load_dataset", lambda name, work, say: with_texts(data))
    words = ("--student", "htd_dim10", "--int8")
    assert run(*words, "--item-features", "kind") == 0
    out = capsys.readouterr().out
    bundle = open_bundle(tmp_path / "dist" / "htd_dim10-int8")
    assert bundle.titles()[:2] == ["Film 0", "Film 1"]
    assert bundle.item_features() == {"kind": (["fun", "sf"] * data.n_items)[: data.n_items]}
    assert "shown      titles.txt " in out
    assert "item_features.tsv" in out
    assert main(["recommend", str(bundle.folder), "--user", data.user_ids[0], "-k", "3"]) == 0
    assert re.search(r"rank +item +title +score +kind\n", capsys.readouterr().out)
    assert run(*words, "--titles", "none", "--out", str(tmp_path / "bare")) == 0
    bare = open_bundle(tmp_path / "bare")
    assert bare.shown_bytes() == {}
    assert bare.provenance["command"].endswith("--titles none")
    table = tmp_path / "titles.csv"
    table.write_text(f"id,title\n{data.item_ids[0]},Own\n")
    assert run(*words, "--titles", str(table), "--out", str(tmp_path / "own")) == 0
    assert open_bundle(tmp_path / "own").titles()[:2] == ["Own", ""]


def test_item_features_that_are_not_there_are_refused_before_training(run, trained, data, monkeypatch):
    with pytest.raises(ConfigError, match=r"has no item features. They come with .* --items FILE"):
        run("--student", "htd_dim10", "--item-features", "kind")
    monkeypatch.setattr(resolve, "load_dataset", lambda name, work, say: with_texts(data))
    with pytest.raises(ConfigError, match=r"--item-features genre: .* has the item features kind\."):
        run("--student", "htd_dim10", "--item-features", "genre", "--dry-run")
    assert trained == []


def test_titles_are_read_before_anything_is_trained(run, trained, tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        run("--student", "htd_dim10", "--titles", str(tmp_path / "none.csv"))
    (tmp_path / "titles.csv").write_text("nobody,knows it\n")
    with pytest.raises(DataError, match="1 of 1 ids are no items"):
        run("--student", "htd_dim10", "--titles", str(tmp_path / "titles.csv"))
    assert trained == []


def test_dry_run_writes_nothing(run, data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(resolve, "load_dataset", lambda name, work, say: data)
    assert run("--student", "htd_dim10", "--int8", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "train      soft_dim200" in out
    assert "train      htd_dim10" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_real_thing_from_an_interaction_log(run, data, tmp_path, monkeypatch):
    """No stand-ins but the size of the data: bpr_dim4 is trained, exported, opened and asked."""
    from recpress_edge.device.onnx_runtime import OnnxRuntime

    monkeypatch.setattr(resolve, "load_dataset", lambda name, work, say: data)
    try:
        assert run("--student", "bpr_dim4", "--int8") == 0
    except RecPressError as error:
        pytest.fail(str(error))
    bundle = open_bundle(tmp_path / "dist" / "bpr_dim4-int8")
    assert bundle.provenance["teacher"] is None
    student = next(s for s in bundle.quality["chain"] if s["stage"] == "student")
    fp32 = next(s for s in bundle.quality["chain"] if s["stage"] == "fp32")
    # Training measured this in torch, export through the file: the same users, masks and definition.
    assert student["valid"]["recall@50"] == pytest.approx(fp32["valid"]["recall@50"], abs=1e-9)
    assert student["valid"]["ndcg@10"] == pytest.approx(fp32["valid"]["ndcg@10"], abs=1e-9)
    items, _ = OnnxRuntime(bundle.model_path, bundle.contract).recommend(0, np.array([], np.int64), 5)
    assert items.size == 5
    assert Path(bundle.folder / "CARD.md").read_text().startswith("# bpr_dim4-int8")


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
