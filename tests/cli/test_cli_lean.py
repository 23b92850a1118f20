"""recpress-edge bundle strip and retire, export --lean: what they say, what they leave, what they refuse."""

import json
import subprocess
import sys

import pytest
from exports import exported

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.cli import main
from recpress_edge.device.recommender import Recommender

pytestmark = pytest.mark.usefixtures("workers_here")


@pytest.fixture
def bundle(tmp_path):
    return exported(tmp_path / "my bundle")


def words_of(capsys):
    found = capsys.readouterr()
    return " ".join(found.out.split()), " ".join(found.err.split())


def test_strip_says_what_is_in_and_where_the_proof_is(bundle, capsys):
    assert main(["bundle", "strip", str(bundle.folder), "--dry-run"]) == 0
    assert f"would strip {bundle.folder} to {bundle.folder}-lean" in words_of(capsys)[0]
    assert not (bundle.folder.parent / "my bundle-lean").exists()
    assert main(["bundle", "strip", str(bundle.folder)]) == 0
    out, _ = words_of(capsys)
    lean = open_bundle(bundle.folder.parent / "my bundle-lean")
    for words in (
        "file full lean",
        "CARD.md",
        f"proof {bundle.folder}/ sha256 {bundle.digest[:16]}…",
        f"sha256 {lean.digest[:16]}…",
        "self-test: 8 queries, passed",
        f"device_bench run '{lean.folder}'",
    ):
        assert words in out, words
    assert main(["bundle", "strip", str(bundle.folder)]) == 0
    assert words_of(capsys)[0].count("unchanged") == 1
    assert main(["bundle", "strip", str(bundle.folder), "--dry-run"]) == 0
    capsys.readouterr()
    assert main(["bundle", "strip", str(lean.folder)]) == 2
    assert (
        f"nothing is left to strip. Take the full one that it was stripped from, {bundle.name}"
        in (words_of(capsys)[1])
    )


def test_only_a_folder_makes_a_line_of_strip_or_inspect_long(bundle, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(bundle.folder.parent)
    assert main(["bundle", "strip", bundle.folder.name]) == 0
    assert main(["inspect", f"{bundle.folder.name}-lean"]) == 0
    told = capsys.readouterr().out
    told = told[: told.index("contract")]
    assert f"\n           {bundle.digest}\n" in told
    assert [line for line in told.splitlines() if len(line) > 80] == []


def test_json_states_both(bundle, tmp_path, capsys):
    out = tmp_path / "small"
    assert main(["bundle", "strip", str(bundle.folder), "--out", str(out), "--order-only", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    lean = open_bundle(out)
    assert (facts["sha256"], facts["full"]["sha256"]) == (lean.digest, bundle.digest)
    assert (facts["file_bytes"], facts["bundle_bytes"]) == (lean.model_bytes, lean.total_bytes)
    assert facts["scores"] == "order-only"
    assert sum(facts["files"].values()) == lean.total_bytes
    assert {*facts["files"], *facts["left_out"]} == {*bundle.files}


def test_order_only_shows_no_scores(bundle, tmp_path, capsys):
    out = tmp_path / "small"
    assert main(["bundle", "strip", str(bundle.folder), "--out", str(out), "--order-only"]) == 0
    capsys.readouterr()
    assert main(["recommend", str(out), "--user", "user 3", "--seen", "item-1", "-k", "3"]) == 0
    told = capsys.readouterr().out
    assert "score" not in told.splitlines()[0]
    assert "not in this bundle: it keeps the order alone" in " ".join(told.split())
    assert main(["recommend", str(out), "--user", "user 3", "--seen", "item-1", "-k", "3", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["scores"] == "order-only"
    wanted = Recommender.load(bundle.folder).recommend("user 3", ["item-1"], 3)
    assert facts["items"] == [{"item": name} for name in wanted.items]
    assert main(["inspect", str(out)]) == 0
    told = words_of(capsys)[0]
    assert "scores order-only" in told
    assert f"lean stripped from {bundle.name}" in told
    assert bundle.digest in told


def test_what_a_lean_bundle_cannot_do_names_the_full_one(bundle, tmp_path, capsys):
    assert main(["bundle", "strip", str(bundle.folder), "--out", str(tmp_path / "lean")]) == 0
    capsys.readouterr()
    assert main(["bundle", "retire", str(tmp_path / "lean"), "item-1"]) == 2
    _, error = words_of(capsys)
    assert "is a lean bundle: an update is checked by what only a full bundle holds" in error
    assert f"{bundle.name} (sha256 {bundle.digest[:16]}…)" in error


@pytest.mark.parametrize("more", [{"user": "user 3"}, {"recipe": "fp32"}])
def test_order_only_is_refused_before_anything_runs_where_there_is_no_scale(tmp_path, more, capsys):
    made = exported(tmp_path / "full", **more)
    for words in (["--dry-run"], []):
        assert main(["bundle", "strip", str(made.folder), "--order-only", *words]) == 2
        assert "holds no scale of each user" in words_of(capsys)[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--student", "bpr_dim4", "--order-only"], "--order-only goes with --lean"),
        (["--student", "bpr_dim4", "--lean", "--order-only"], "integer files of all users hold"),
        (["--all", "--lean"], "--lean is for one student"),
    ],
)
def test_flags_of_export_that_contradict_each_other(words, message, tmp_path, capsys):
    assert main(["export", *words, "--work", str(tmp_path)]) == 2
    assert message in words_of(capsys)[1]
    assert [*tmp_path.iterdir()] in ([], [tmp_path / "dist"])


def test_export_writes_both(tmp_path, capsys):
    words = ["export", "--student", "bpr_dim4", "--int8", "--lean", "--order-only", "--work", str(tmp_path)]
    assert main([*words, "--set", "training.epochs=1", "--force", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    full, lean = (
        open_bundle(tmp_path / "dist/bpr_dim4-int8"),
        open_bundle(tmp_path / "dist/bpr_dim4-int8-lean"),
    )
    assert (facts["sha256"], facts["lean"]["sha256"]) == (full.digest, lean.digest)
    assert facts["bundle_bytes"] == full.total_bytes > lean.total_bytes
    assert lean.full.digest == full.digest
    assert "--lean" not in full.provenance["command"]
    assert main([*words, "--set", "training.epochs=1", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["unchanged"]
    assert facts["lean"]["unchanged"]


def test_retire_and_roll_back(bundle, capsys):
    assert main(["bundle", "retire", str(bundle.folder), "item-4", "item-9", "--dry-run"]) == 0
    assert "would append 0, replace 0, retire 2 items" in words_of(capsys)[0]
    assert open_bundle(bundle.folder).digest == bundle.digest
    assert main(["bundle", "retire", str(bundle.folder), "item-4", "item-9"]) == 0
    out, _ = words_of(capsys)
    new = open_bundle(bundle.folder)
    assert "changed append 0, replace 0, retire 2 items" in out
    assert f"recpress-edge bundle rollback '{bundle.folder}'" in out
    assert new.contract.retired == (4, 9)
    assert not {"item-4", "item-9"} & {*Recommender.load(bundle.folder).recommend("user 1", k=120).items}
    assert main(["bundle", "rollback", str(bundle.folder)]) == 0
    assert open_bundle(bundle.folder).digest == bundle.digest


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["item-4", "item-999"], "unknown item id 'item-999'. Did you mean"),
        (["item-4", "item-4"], "item id 'item-4' is given twice"),
        ([f"item-{item}" for item in range(120)], "that retires every item"),
    ],
)
def test_bad_retirements_are_one_line_and_change_nothing(bundle, ids, message, capsys):
    assert main(["bundle", "retire", str(bundle.folder), *ids]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in " ".join(error.split())
    assert open_bundle(bundle.folder).digest == bundle.digest
    assert not bundle.folder.with_name("my bundle.previous").exists()


BARE = ("onnx", "onnxruntime", "torch", "ai_edge_litert", "flatbuffers", "scipy", "safetensors", "psutil")
_ON_A_BOARD = f"""\
import sys
sys.modules.update(dict.fromkeys({BARE}))
from recpress_edge.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_retire_and_strip_of_format_c_need_numpy_alone(tmp_path):
    made = exported(tmp_path / "small", "int8-dim", "c")
    for words in (["retire", str(made.folder), "item-4"], ["strip", str(made.folder), "--order-only"]):
        command = [sys.executable, "-c", _ON_A_BOARD, "bundle", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    lean = open_bundle(tmp_path / "small-lean")
    assert lean.contract.retired == (4,)
    assert lean.full.digest == open_bundle(made.folder).digest
