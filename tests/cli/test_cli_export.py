"""The export command: what it says, and what it leaves."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from device_bench.record import gate_warnings
from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.cli import main
from recpress_edge.core.errors import RecPressError
from recpress_edge.data import resolve

BUNDLE_SCHEMA = Path(__file__).parents[2] / "schemas" / "bundle-1.schema.json"


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
def test_a_c_export_says_how_to_try_it_in_80_columns(
    flags, asks, run, trained, data, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "80")
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
