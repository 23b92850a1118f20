"""Whole exports on small students: what is written, when nothing is, and what is left behind."""

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import onnx
import pytest
from exports import evaluation, make_source, random_tables, source_of, write_student
from jsonschema import Draft202012Validator

from recpress_edge.artifacts.bundle import Evaluation, open_bundle
from recpress_edge.artifacts.model_folder import read_student
from recpress_edge.artifacts.quantize import QUANTIZERS
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.artifacts.titles import TITLES_FILE
from recpress_edge.core.errors import ArtifactError, ConfigError, DataError, GateError, StorageError
from recpress_edge.core.files import sha256_bytes
from recpress_edge.device.onnx_runtime import OnnxRuntime
from recpress_edge.device.verify import check_answers
from recpress_export import size
from recpress_export.build import build
from recpress_export.gates import Gate, load_gate
from recpress_export.publish import check_target
from recpress_export.reference import table_reference
from recpress_export.student import bundle_name
from recpress_export.subjects import all_users
from recpress_export.subjects.all_users import AllUsers

SCHEMA = Path(__file__).parents[2] / "schemas" / "bundle-1.schema.json"
INT8, FP32 = RECIPES["int8-dim"], RECIPES["fp32"]
OPEN_GATE = Gate(min_overlap=0.0, max_recall_loss=1.0, max_ndcg_loss=1.0, max_item_shift=1.0, lost_users=0)
CLOSED_GATE = Gate(min_overlap=1.1, max_recall_loss=0.0, max_ndcg_loss=0.0, max_item_shift=1.0, lost_users=0)


@pytest.fixture
def source(tmp_path):
    return make_source(tmp_path / "model")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_export_writes_a_bundle_that_keeps_its_contract(source, tmp_path, recipe):
    target = tmp_path / "dist" / "b"
    exported = build(AllUsers(source), recipe, target, gate=load_gate(recipe.name))
    bundle = open_bundle(target)
    scales = {"scales.json"} if recipe.name in QUANTIZERS else set()
    assert {p.name for p in target.iterdir()} == scales | {
        "CARD.md", "bundle.json", "evaluation.npz", "items.txt", "model.onnx", "popular.txt", "selftest.json",
        "users.txt",
    }  # fmt: skip
    assert bundle.name == f"htd_dim6-{recipe.short}"
    assert bundle.user_ids()[3] == "user 3"
    assert bundle.item_ids()[119] == "item-119"
    assert bundle.contract.exact == (recipe.name in QUANTIZERS)
    test = bundle.selftest()
    assert len(test.users) == 64
    assert (test.users[0], test.users[-1]) == (0, 69)
    assert test.seen[0] == ()
    assert all(len(seen) == 3 for seen in test.seen[1:])
    check_answers(OnnxRuntime(bundle.model_path, bundle.contract), test, bundle.contract)
    for field in dataclasses.fields(Evaluation):
        assert (getattr(bundle.evaluation(), field.name) == getattr(source.test, field.name)).all()
    assert exported.parity.exact_users == (70 if recipe.name in QUANTIZERS else None)
    assert exported.fp32_bytes >= bundle.model_bytes
    assert sorted(p.name for p in target.parent.iterdir()) == ["b"]


def test_chain_and_provenance(source, tmp_path):
    bundle = build(AllUsers(source), INT8, tmp_path / "b", gate=OPEN_GATE).bundle
    chain = bundle.quality["chain"]
    assert [stage["stage"] for stage in chain] == ["teacher", "student", "fp32", "int8-dim"]
    assert [stage["name"] for stage in chain] == ["bpr_dim200", "htd_dim6", "htd_dim6-fp32", "htd_dim6-int8"]
    assert chain[0]["bytes"] == 4 * 200 * 190
    assert chain[1]["bytes"] == 4 * 6 * 190
    assert chain[3]["bytes"] == bundle.model_bytes
    assert chain[0]["test"] == {"recall@20": 0.35, "recall@50": 0.4}
    assert chain[1]["valid"] == {"recall@20": 0.25, "recall@50": 0.3}
    assert chain[3]["test"] is None
    assert chain[2]["valid"]["recall@20"] == bundle.quality["parity"]["change"]["recall@20"]["before"]
    assert chain[3]["valid"]["recall@20"] == bundle.quality["parity"]["change"]["recall@20"]["after"]
    assert bundle.provenance["model_sha256"] == source.model.sha256
    assert bundle.provenance["dataset"]["licence"] == "public domain"


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_bundles_fit_the_published_schema(source, tmp_path, recipe):
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    build(AllUsers(source), recipe, tmp_path / "b", gate=OPEN_GATE)
    manifest = json.loads((tmp_path / "b" / "bundle.json").read_text())
    validator = Draft202012Validator(schema)
    assert list(validator.iter_errors(manifest)) == []
    for field in ("contract", "files", "digest"):
        assert not validator.is_valid({k: v for k, v in manifest.items() if k != field})
    assert not validator.is_valid(manifest | {"schema": "recpress.bundle/2"})
    assert validator.is_valid(manifest | {"added_by_a_later_version": 1})


def test_the_same_export_gives_the_same_bytes(source, tmp_path):
    first = build(AllUsers(source), INT8, tmp_path / "a", gate=OPEN_GATE)
    second = build(AllUsers(source), INT8, tmp_path / "elsewhere" / "b", gate=OPEN_GATE)
    assert contents(tmp_path / "a") == contents(tmp_path / "elsewhere" / "b")
    assert first.bundle.digest == second.bundle.digest


def test_the_model_says_what_it_is_without_its_bundle(source, tmp_path):
    build(AllUsers(source), INT8, tmp_path / "b", gate=OPEN_GATE)
    props = {p.key: p.value for p in onnx.load(tmp_path / "b" / "model.onnx").metadata_props}
    assert props["recpress.student"] == "htd_dim6"
    assert props["recpress.recipe"] == "int8-dim"
    assert props["recpress.dataset"] == "toy"
    assert props["recpress.model_sha256"] == source.model.sha256


def test_exporting_again_changes_nothing(source, tmp_path):
    target = tmp_path / "b"
    assert not build(AllUsers(source), INT8, target, gate=OPEN_GATE).unchanged
    inode = target.stat().st_ino
    assert build(AllUsers(source), INT8, target, gate=OPEN_GATE).unchanged
    assert target.stat().st_ino == inode
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_another_model_replaces_only_with_force(source, tmp_path):
    target = tmp_path / "b"
    build(AllUsers(source), INT8, target, gate=OPEN_GATE)
    before = contents(target)
    write_student(tmp_path / "other", *random_tables(70, 120, 6, seed=9))
    other = source_of(read_student(tmp_path / "other"))
    with pytest.raises(ConfigError, match=r"differs from what would be written.*--force"):
        build(AllUsers(other), INT8, target, gate=OPEN_GATE)
    assert contents(target) == before
    assert not build(AllUsers(other), INT8, target, gate=OPEN_GATE, force=True).unchanged
    assert contents(target) != before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b", "model", "other"]


def test_below_the_gate_nothing_is_published_and_the_draft_is_kept(source, tmp_path):
    target = tmp_path / "dist" / "b"
    with pytest.raises(GateError, match=r"overlap@20 .* < min_overlap 1\.1") as error:
        build(AllUsers(source), INT8, target, gate=CLOSED_GATE)
    rejected = target.parent / ".rejected" / "b"
    assert str(rejected) in str(error.value)
    assert not target.exists()
    assert open_bundle(rejected).name == "htd_dim6-int8"
    assert [p.name for p in target.parent.iterdir()] == [".rejected"]
    with pytest.raises(GateError):  # again: the older draft is replaced
        build(AllUsers(source), INT8, target, gate=CLOSED_GATE)


def test_below_the_gate_an_older_bundle_stays(source, tmp_path):
    target = tmp_path / "b"
    build(AllUsers(source), INT8, target, gate=OPEN_GATE)
    before = contents(target)
    with pytest.raises(GateError):
        build(AllUsers(source), INT8, target, gate=CLOSED_GATE)
    assert contents(target) == before


def test_force_overrules_the_gate_and_the_bundle_says_so(source, tmp_path):
    met = build(AllUsers(source), INT8, tmp_path / "a", gate=OPEN_GATE, force=True).bundle
    gate = met.quality["parity"]["gate"]
    assert (gate["met"], gate["failure"], gate["overruled"]) == (True, None, False)
    assert "Below the gate" not in (tmp_path / "a" / "CARD.md").read_text()
    below = build(AllUsers(source), INT8, tmp_path / "b", gate=CLOSED_GATE, force=True).bundle
    gate = below.quality["parity"]["gate"]
    assert (gate["met"], gate["overruled"], gate["min_overlap"]) == (False, True, 1.1)
    assert "< min_overlap 1.1" in gate["failure"]
    assert (
        f"**Below the gate:** {gate['failure']}. Published all the same"
        in (tmp_path / "b" / "CARD.md").read_text()
    )
    with pytest.raises(GateError):
        build(AllUsers(source), INT8, tmp_path / "c", gate=CLOSED_GATE)
    rejected = open_bundle(tmp_path / ".rejected" / "c").quality["parity"]["gate"]
    assert (rejected["met"], rejected["overruled"]) == (False, False)


def test_force_does_not_publish_a_file_that_is_not_exact(source, tmp_path, monkeypatch):
    def wrong(tables):
        return table_reference(tables | {"item_emb": -tables["item_emb"]})

    monkeypatch.setattr(all_users, "table_reference", wrong)
    with pytest.raises(GateError, match="not exact"):
        build(AllUsers(source), INT8, tmp_path / "b", gate=OPEN_GATE, force=True)
    assert not (tmp_path / "b").exists()


def test_parity_by_popularity_is_in_the_bundle_and_on_the_card(source, tmp_path):
    exported = build(AllUsers(source), RECIPES["int4-item"], tmp_path / "b", gate=OPEN_GATE)
    thirds = exported.bundle.quality["parity"]["by_popularity"]
    assert list(thirds) == ["head", "mid", "tail"]
    assert sum(third["items"] for third in thirds.values()) == 120
    assert sum(third["users"] for third in thirds.values()) == 70  # one relevant item each
    whole = exported.bundle.quality["parity"]["change"]["recall@20"]["after"]
    assert sum(t["after"] * t["users"] for t in thirds.values()) / 70 == pytest.approx(whole)
    card = (tmp_path / "b" / "CARD.md").read_text()
    assert f"| tail | {thirds['tail']['items']} | {thirds['tail']['users']} |" in card


def test_a_writer_that_is_not_exact_is_caught(source, tmp_path, monkeypatch):
    right = size.write_model

    def wrong(graph, metadata):
        model = onnx.load_from_string(right(graph, metadata))
        for tensor in model.graph.initializer:
            if tensor.name == "item_emb" and tensor.data_type == onnx.TensorProto.UINT8:
                tensor.raw_data = bytes([(tensor.raw_data[0] + 40) % 256]) + tensor.raw_data[1:]
        return model.SerializeToString()

    monkeypatch.setattr(size, "write_model", wrong)
    with pytest.raises(GateError, match="does not hold the item_emb"):
        build(AllUsers(source), INT8, tmp_path / "b", gate=OPEN_GATE)
    assert not (tmp_path / "b").exists()


@contextlib.contextmanager
def small_disk(folder, size):
    """A tmpfs of so many KiB; skips where it cannot be mounted."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", folder], capture_output=True
    )
    if made.returncode:
        pytest.skip(f"cannot mount a tmpfs: {made.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_full_disk(tmp_path):
    source = make_source(tmp_path / "model", n_users=300, n_items=4000, dim=16)  # the model file alone: 70 KB
    with small_disk(tmp_path / "disk", 64) as disk:
        with pytest.raises(StorageError, match="No space left on device"):
            build(AllUsers(source), INT8, disk / "b", gate=OPEN_GATE)
        assert list(disk.iterdir()) == []


def test_full_disk_keeps_the_older_bundle(source, tmp_path):
    big = make_source(tmp_path / "big", n_users=300, n_items=4000, dim=16)
    with small_disk(tmp_path / "disk", 128) as disk:
        build(AllUsers(source), INT8, disk / "b", gate=OPEN_GATE)
        before = contents(disk / "b")
        with pytest.raises(StorageError, match="No space left on device"):
            build(AllUsers(big), INT8, disk / "b", gate=OPEN_GATE, force=True)
        assert contents(disk / "b") == before
        assert [p.name for p in disk.iterdir()] == ["b"]


def test_full_disk_below_the_gate_still_says_why(source, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(GateError, match=r"overlap@20.*could not be kept either: .*No space left"):
        build(AllUsers(source), INT8, tmp_path / "b", gate=CLOSED_GATE)


def test_target_that_cannot_be_written_is_found_before_any_work():
    with pytest.raises(StorageError, match="cannot write /proc/"):
        check_target(Path("/proc/recpress/b"), "n", "toy", force=False)


def test_target_that_cannot_be_written(source):
    with pytest.raises(StorageError, match="cannot write /proc/recpress/b"):
        build(AllUsers(source), INT8, Path("/proc/recpress/b"), gate=OPEN_GATE)


def test_progress_runs_once_from_start_to_end(source, tmp_path):
    told = []

    def update(done, total, note=""):
        told.append(done / total)

    build(AllUsers(source), INT8, tmp_path / "b", gate=OPEN_GATE, on_update=update)
    assert told[0] == 0
    assert told[-1] == 1
    assert told == sorted(told)


def test_target_check(source, tmp_path):
    target = tmp_path / "b"
    check_target(target, "htd_dim6-int8", "toy", force=False)
    assert not target.exists()
    build(AllUsers(source), INT8, target, gate=OPEN_GATE)
    check_target(target, "htd_dim6-int8", "toy", force=False)  # it may turn out to be unchanged
    for name, dataset in (("htd_dim6-fp32", "toy"), ("htd_dim6-int8", "citeulike")):
        with pytest.raises(ConfigError, match="--force"):
            check_target(target, name, dataset, force=False)
        check_target(target, name, dataset, force=True)
    (target / "bundle.json").write_text("{}")
    with pytest.raises(ConfigError, match="--force"):
        check_target(target, "htd_dim6-int8", "toy", force=False)


def test_a_file_at_the_target_is_not_lost(source, tmp_path):
    (tmp_path / "b").write_text("mine")
    with pytest.raises(ConfigError, match="is a file, and a folder is written"):
        check_target(tmp_path / "b", "htd_dim6-int8", "toy", force=False)
    with pytest.raises(ConfigError, match="is a file, and a folder is written"):
        build(AllUsers(source), INT8, tmp_path / "b", gate=OPEN_GATE)
    assert (tmp_path / "b").read_text() == "mine"


@pytest.mark.parametrize(
    ("bad", "message"), [("a\nb", "line break"), ("", "empty"), ("item-1", "not distinct")]
)
def test_ids_that_a_line_cannot_hold(source, tmp_path, bad, message):
    ids = list(source.item_ids)
    ids[7] = bad
    with pytest.raises(DataError, match=message):
        build(AllUsers(dataclasses.replace(source, item_ids=ids)), INT8, tmp_path / "b", gate=OPEN_GATE)
    assert not (tmp_path / "b").exists()


def test_a_student_of_another_data_set_is_refused(source):
    with pytest.raises(ArtifactError, match="student has 120 items, the data set 119"):
        dataclasses.replace(source, item_ids=source.item_ids[1:])


def test_smallest_catalogue_and_a_user_who_has_seen_everything(tmp_path):
    source = dataclasses.replace(
        make_source(tmp_path / "m", n_users=3, n_items=2, dim=1),
        valid=evaluation([0, 1], [[0], [1]], [[1], [0]]),
        test=evaluation([1, 2], [[0], [0, 1]], [[1], [1]]),
    )
    with pytest.raises(GateError, match=r"could not fail: none of the 2 .* more than 1 items to rank"):
        build(AllUsers(source), INT8, tmp_path / "b", gate=OPEN_GATE)
    bundle = build(AllUsers(source), INT8, tmp_path / "b", gate=OPEN_GATE, force=True).bundle
    assert bundle.quality["parity"]["gate"]["overruled"]
    test = bundle.selftest()
    assert test.k == 2
    assert test.users == (0, 1)  # user 2 has seen both items: there is no answer to compare
    assert [len(items) for items in test.items] == [2, 1]


def test_titles_travel_in_the_order_of_the_items(source, tmp_path):
    titles = tuple(f"Title of {name}, ☂" for name in source.item_ids)
    titled = dataclasses.replace(source, titles=titles)
    without = build(AllUsers(source), INT8, tmp_path / "without", gate=OPEN_GATE).bundle
    bundle = build(AllUsers(titled), INT8, tmp_path / "b", gate=OPEN_GATE).bundle
    assert set(bundle.files) - set(without.files) == {TITLES_FILE}
    assert (tmp_path / "b" / TITLES_FILE).read_text().splitlines() == list(titles)
    broken = dataclasses.replace(source, titles=(*titles[:3], "a\nb", *titles[4:]))
    with pytest.raises(DataError, match="title of item 3 holds a line break"):
        build(AllUsers(broken), INT8, tmp_path / "c", gate=OPEN_GATE)
    with pytest.raises(DataError, match="119 titles for 120 items"):
        dataclasses.replace(source, titles=titles[1:])


def test_names_of_bundles():
    assert bundle_name("htd_dim10", 0, INT8) == "htd_dim10-int8"
    assert bundle_name("htd_dim10", 1, FP32) == "htd_dim10-s1-fp32"


def test_student_folders_that_cannot_be_used(tmp_path):
    folder = write_student(tmp_path / "m", *random_tables(3, 4, 2))
    model, facts = folder / "model.safetensors", json.loads((folder / "model.json").read_text())
    whole = model.read_bytes()
    model.write_bytes(whole[:-5])
    with pytest.raises(ArtifactError, match=r"not the file that model.json describes"):
        read_student(folder)
    (folder / "model.json").write_text(json.dumps(facts | {"sha256": sha256_bytes(whole[:-5])}))
    with pytest.raises(ArtifactError, match="not a readable safetensors file"):
        read_student(folder)
    model.unlink()
    with pytest.raises(ArtifactError, match="cannot read"):
        read_student(folder)
    (folder / "model.json").write_text(json.dumps(facts | {"schema": "recpress.model/9"}))
    with pytest.raises(ArtifactError, match=r"schema 'recpress.model/9'"):
        read_student(folder)
    (folder / "model.json").write_text(json.dumps({k: v for k, v in facts.items() if k != "seed"}))
    with pytest.raises(ArtifactError, match="'seed' is missing"):
        read_student(folder)


def test_tables_that_cannot_be_used(tmp_path):
    user_emb, item_emb = random_tables(3, 4, 2)
    broken = item_emb.copy()
    broken[2, 1] = np.nan
    with pytest.raises(ArtifactError, match="NaN or infinity, the first is row 2"):
        read_student(write_student(tmp_path / "a", user_emb, broken))
    with pytest.raises(ArtifactError, match=r"item_emb is float64 \(4, 2\), expected float32 \(rows, 2\)"):
        read_student(write_student(tmp_path / "b", user_emb, item_emb.astype(np.float64)))
    with pytest.raises(ArtifactError, match=r"item_emb is float32 \(4, 1\)"):
        read_student(write_student(tmp_path / "c", user_emb, item_emb[:, :1].copy()))
    with pytest.raises(ArtifactError, match=r"user_emb is float32 \(0, 2\)"):
        read_student(write_student(tmp_path / "d", user_emb[:0], item_emb))
