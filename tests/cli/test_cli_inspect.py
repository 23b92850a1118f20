"""recpress-edge inspect: what is inside, for every kind of thing, and no crash on damage."""

import json
import sys

import onnxruntime
import pytest
from exports import exported, items_file, make_source
from records import make_record

from recpress_edge.artifacts.bundle import write_manifest
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.cli import main
from recpress_edge.records.bench import write_record
from recpress_edge.records.survival import SURVIVED, SurvivalResult, survival_record
from recpress_export import inspect_apart as contents_apart
from recpress_export.build import build
from recpress_export.gates import Gate
from recpress_export.subjects.all_users import AllUsers
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import read_changes


@pytest.fixture
def bundle(tmp_path):
    return exported(tmp_path / "bundle")


@pytest.fixture
def inspect(capsys):
    def command(*words, code=0):
        assert main(["inspect", *map(str, words)]) == code
        output = capsys.readouterr()
        return output.err if code else output.out

    return command


def test_bundle(bundle, inspect):
    out = inspect(bundle.folder)
    for words in (
        f"sha256     {bundle.digest}",
        f"digests    verified: {len(bundle.files)} files",
        "contract   onnx · int8-dim · all-users · 70 users × 120 items × 6 · exact",
        "item_emb",
        "[6, 120]",
        "720 B",
        "MatMulInteger 1",
        "metadata   recpress.recipe = int8-dim",
        "made from  teacher = bpr_dim200",
        "int8-dim: htd_dim6-int8",
        "70 users exact",
        "gate       met: overlap@20 at least 0, loss at most Recall@10 ",
        bundle.files["model.onnx"]["sha256"],
        "scales.json",
    ):
        assert words in out, words


def test_a_bundle_below_its_gate_says_so(tmp_path, inspect):
    gate = Gate(min_overlap=1.0, max_recall_loss=0.0, max_ndcg_loss=0.0, max_item_shift=1.0, lost_users=0)
    build(AllUsers(make_source(tmp_path / "m")), RECIPES["int8-dim"], tmp_path / "b", gate=gate, force=True)
    assert "gate       NOT MET, overruled by --force: overlap@20 0.9" in inspect(tmp_path / "b")


def test_bundle_as_json(bundle, inspect):
    facts = json.loads(inspect(bundle.folder, "--json"))
    assert facts["kind"] == "bundle"
    assert facts["contract"]["n_items"] == 120
    assert facts["files"] == {name: dict(entry) for name, entry in bundle.files.items()}
    sizes = {t["name"]: t["n_bytes"] for t in facts["model"]["tensors"]}
    assert (sizes["user_emb"], sizes["item_emb"], sizes["user_scale"]) == (70 * 6, 120 * 6, 70 * 4)
    assert facts["model"]["operators"]["TopK"] == 1


def test_updated_bundle(bundle, inspect, tmp_path):
    path = items_file(tmp_path / "items.npz", append_ids=["a"], retire_ids=["item-4"])
    update_bundle(bundle.folder, read_changes(path), None, force=False)
    out = inspect(bundle.folder)
    assert "retired    1 items keep their index" in out
    assert f"update 1   1 appended, 0 replaced, 1 retired; before it sha256 {bundle.digest[:16]}" in out


def test_files_alone_have_no_digests_to_check(bundle, inspect):
    out = inspect(bundle.model_path)
    assert "digests    none to check against" in out
    assert "user_scale" in out


def test_model_folder(tmp_path, inspect):
    make_source(tmp_path / "model")
    out = inspect(tmp_path / "model")
    assert "digests    verified: model.safetensors" in out
    assert "trained    htd, seed 0, teacher bpr_dim200" in out
    assert "valid      recall@20 0.2500, recall@50 0.3000" in out
    file = tmp_path / "model" / "model.safetensors"
    assert "F32  [120, 6]" in inspect(file)
    file.write_bytes(file.read_bytes()[:-1] + b"\1")
    assert "was changed" in inspect(tmp_path / "model", code=1)


def test_a_survival_record_and_one_that_is_not_whole(tmp_path, inspect):
    bench = make_record()
    record = survival_record(
        SurvivalResult(SURVIVED, None, "served every query"),
        created=bench["created"],
        on="limit",
        limit={"memory_bytes": 2**28, "cpus": None, "how": "cgroup v1"},
        sections={name: bench[name] for name in ("artifact", "device", "protocol")},
    )
    write_record(tmp_path / "run.json", record)
    assert "outcome    SURVIVED" in inspect(tmp_path / "run.json")
    write_record(tmp_path / "run.json", record | {"limit": None})
    assert "section 'limit' is missing" in inspect(tmp_path / "run.json", code=1)
    del record["limit"]["how"]
    write_record(tmp_path / "run.json", record)
    assert "is not whole" in inspect(tmp_path / "run.json", code=1)


def test_record(tmp_path, inspect):
    record = make_record()
    write_record(tmp_path / "run.json", record)
    out = inspect(tmp_path / "run.json")
    assert "digests    none" in out
    assert record["artifact"]["name"] in out
    assert json.loads(inspect(tmp_path / "run.json", "--json"))["record"] == record
    del record["artifact"]["n_users"]
    write_record(tmp_path / "run.json", record)
    assert "is not whole: KeyError 'n_users'" in inspect(tmp_path / "run.json", code=1)


def test_damage_is_one_line(bundle, tmp_path, inspect):
    (bundle.folder / "items.txt").write_text("")
    error = inspect(bundle.folder, code=1)
    assert "items.txt has 0 bytes" in error
    assert error.count("\n") == 1
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    assert inspect(tmp_path / "junk.onnx", code=1).count("\n") == 1
    (tmp_path / "junk.json").write_text("{")
    assert "not readable JSON" in inspect(tmp_path / "junk.json", code=1)


def test_other_things(bundle, tmp_path, inspect):
    assert "no such file or folder" in inspect(tmp_path / "none", code=2)
    assert "neither a bundle" in inspect(tmp_path, code=1)
    assert f"recpress-edge inspect {bundle.folder}" in inspect(bundle.folder / "bundle.json", code=2)
    assert "not a file that can be inspected" in inspect(bundle.folder / "CARD.md", code=1)


@pytest.fixture
def here(monkeypatch):
    """The reading process is this one, so that a test may change it."""
    monkeypatch.setattr(contents_apart, "ask", lambda program: contents_apart._read(program.request))


@pytest.mark.usefixtures("here")
def test_nothing_is_executed(bundle, inspect, monkeypatch):
    def fail(*args, **kwargs):
        raise AssertionError("a session was made")

    monkeypatch.setattr(onnxruntime, "InferenceSession", fail)
    inspect(bundle.folder)


@pytest.mark.usefixtures("here")
def test_an_onnx_file_is_read_without_the_package(bundle, inspect, monkeypatch):
    whole = inspect(bundle.folder)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert inspect(bundle.folder) == whole
    assert "MatMulInteger" in whole


@pytest.mark.usefixtures("here")
def test_without_its_package_the_rest_of_a_bundle_is_shown(tmp_path, inspect, monkeypatch):
    folder = exported(tmp_path / "bundle", file_format="tflite").folder
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    out = inspect(folder)
    assert "tensors    not read: reading .tflite files needs ai-edge-litert" in out
    assert "Run in the checkout: pip install --constraint constraints.txt '.[tflite]'" in out
    assert "contract   tflite · int8-dim" in out


def test_text_of_a_file_cannot_steer_the_terminal(bundle, inspect):
    provenance = {**bundle.provenance, "command": "\x1b[2Jgone\nnew line"}
    write_manifest(bundle.folder, bundle.name, bundle.contract, provenance, bundle.quality)
    out = inspect(bundle.folder)
    assert "\x1b" not in out
    assert "\N{REPLACEMENT CHARACTER}[2Jgone" in out
