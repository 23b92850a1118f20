"""Bundles that were damaged, forged or made by another version: an ArtifactError says what and where."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from exports import make_source

from recpress_edge.artifacts.bundle import MANIFEST, MAX_MANIFEST_BYTES, open_bundle
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import canonical_json, sha256_bytes
from recpress_export.build import build
from recpress_export.gates import load_gate
from recpress_export.subjects.all_users import AllUsers


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    source = make_source(folder / "model")
    return build(
        AllUsers(source), RECIPES["int8-dim"], folder / "b", gate=load_gate("int8-dim")
    ).bundle.folder


@pytest.fixture
def folder(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "bundle"))


def forge(folder: Path, change, *, sign: bool = True) -> None:
    """Edit the manifest as a forger would who can compute digests."""
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    if sign:
        manifest.pop("digest", None)
        manifest["digest"] = sha256_bytes(canonical_json(manifest))
    (folder / MANIFEST).write_text(json.dumps(manifest))


def replace_file(folder: Path, name: str, data: bytes) -> None:
    """Put other bytes in place of a file and state their digest, so that only the content can be at fault."""
    (folder / name).write_bytes(data)
    forge(folder, lambda m: m["files"].update({name: {"bytes": len(data), "sha256": sha256_bytes(data)}}))


FILES = ["CARD.md", "evaluation.npz", "items.txt", "model.onnx", "selftest.json", "users.txt"]


def test_whole_bundle_opens(folder):
    assert open_bundle(folder).contract.n_items == 120


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_in_any_file(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ArtifactError, match=f"{name} was changed: SHA-256"):
        open_bundle(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file(folder, name):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-7])
    with pytest.raises(
        ArtifactError, match=f"{name} has {len(data) - 7} bytes, the bundle states {len(data)}"
    ):
        open_bundle(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=f"{name} is missing"):
        open_bundle(folder)


def test_an_edited_manifest(folder):
    forge(folder, lambda m: m["quality"].update(chain=[]), sign=False)
    with pytest.raises(ArtifactError, match="was changed after it was written"):
        open_bundle(folder)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/hostname", "sub/x", "..", ".hidden", "", "a\\b", "x" * 200, "a\n"]
)
def test_names_that_leave_the_folder(folder, name):
    (folder.parent / "x").write_bytes(b"secret")
    facts = {"bytes": 6, "sha256": sha256_bytes(b"secret")}
    forge(folder, lambda m: m["files"].update({name: facts}))
    with pytest.raises(ArtifactError, match="not a plain file name"):
        open_bundle(folder)


def test_a_model_outside_the_folder(folder):
    shutil.move(folder / "model.onnx", folder.parent / "model.onnx")

    def change(manifest):
        manifest["files"]["../model.onnx"] = manifest["files"].pop("model.onnx")
        manifest["contract"]["model_file"] = "../model.onnx"

    forge(folder, change)
    with pytest.raises(ArtifactError, match="not a plain file name"):
        open_bundle(folder)


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/b", ""])
def test_a_bundle_name_that_is_a_path(folder, name):
    forge(folder, lambda m: m.update(name=name))
    with pytest.raises(ArtifactError, match=r"name .* is not a plain file name"):
        open_bundle(folder)


def test_links_are_refused(folder):
    shutil.move(folder / "items.txt", folder.parent / "items.txt")
    (folder / "items.txt").symlink_to(folder.parent / "items.txt")
    with pytest.raises(ArtifactError, match=r"items\.txt is missing or not a plain file"):
        open_bundle(folder)


@pytest.mark.parametrize("schema", ["recpress.bundle/4", "recpress.bench/1", None, 1])
def test_another_schema(folder, schema):
    forge(folder, lambda m: m.update(schema=schema))
    with pytest.raises(ArtifactError, match=r"has schema .*; this version reads 'recpress\.bundle/1'"):
        open_bundle(folder)


@pytest.mark.parametrize("field", ["name", "contract", "provenance", "quality", "files"])
def test_a_missing_field_is_named(folder, field):
    forge(folder, lambda m: m.pop(field))
    with pytest.raises(ArtifactError, match=f"field '{field}' is missing"):
        open_bundle(folder)


@pytest.mark.parametrize("field", ["n_users", "model_file", "exact", "k_input", "tie_rule"])
def test_a_missing_contract_field_is_named(folder, field):
    forge(folder, lambda m: m["contract"].pop(field))
    with pytest.raises(ArtifactError, match=f"contract lacks '{field}'"):
        open_bundle(folder)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("n_users", 0, "out of range"),
        ("n_items", 2**40, "out of range"),
        ("dim", "10", "wrong type"),
        ("dim", True, "wrong type"),
        ("exact", 1, "wrong type"),
        ("score_tolerance", "0", "wrong type"),
        ("tie_rule", "random", "tie rule"),
        ("model_file", "other.onnx", "lists no 'other.onnx'"),
    ],
)
def test_contract_fields_of_the_wrong_kind(folder, field, value, message):
    forge(folder, lambda m: m["contract"].update({field: value}))
    with pytest.raises(ArtifactError, match=message):
        open_bundle(folder)


def test_a_tolerance_beyond_every_float_is_refused(folder):
    forge(folder, lambda m: m["contract"].update(exact=False, score_tolerance=10**400))
    with pytest.raises(ArtifactError, match=r"'score_tolerance' is 1000*, expected a number of at least 0"):
        open_bundle(folder)


def test_unknown_fields_are_tolerated(folder):
    def change(manifest):
        manifest["later"] = 1
        manifest["contract"]["later"] = 2
        manifest["files"]["CARD.md"]["later"] = 3

    forge(folder, change)
    assert open_bundle(folder).contract.n_users == 70


def test_a_manifest_of_five_megabytes(folder):
    forge(folder, lambda m: m["provenance"].update(padding="x" * 5_000_000))
    with pytest.raises(ArtifactError, match=f"more than {MAX_MANIFEST_BYTES}"):
        open_bundle(folder)


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00", "[" * 100_000, '{"schema": NaN'])
def test_a_manifest_that_is_not_json(folder, text):
    (folder / MANIFEST).write_text(text)
    with pytest.raises(ArtifactError, match=r"bundle\.json"):
        open_bundle(folder)


def test_a_folder_that_is_no_bundle(tmp_path):
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(ArtifactError, match=r"is not a bundle.*recpress-edge export"):
            open_bundle(folder)


def npz(**changes) -> bytes:
    arrays = {
        "users": np.array([0, 1], np.int32),
        "seen_indptr": np.array([0, 1, 2]),
        "seen_indices": np.array([3, 4], np.int32),
        "relevant_indptr": np.array([0, 1, 2]),
        "relevant_indices": np.array([5, 6], np.int32),
    }
    buffer = io.BytesIO()
    np.savez(buffer, **{k: v for k, v in (arrays | changes).items() if v is not None})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"users": np.array([0, 70], np.int32)}, r"user index outside 0\.\.69"),
        ({"users": np.array([-1, 0], np.int32)}, "user index outside"),
        ({"seen_indices": np.array([3, 120], np.int32)}, r"item index outside 0\.\.119"),
        ({"relevant_indices": np.array([3, 2**40])}, "item index outside"),
        ({"seen_indptr": np.array([0, 2, 1])}, "row pointers"),
        ({"seen_indptr": np.array([0, -5, 2])}, "row pointers"),
        ({"relevant_indptr": np.array([0, 1])}, "row pointers"),
        ({"users": None}, "not a readable evaluation file"),
        ({"users": np.array([0.0, 1.0])}, "not integers"),
        ({"users": np.array([[0, 1]])}, "not integers"),
        ({"users": np.array([{}, {}])}, "not a readable evaluation file"),  # a pickle is not even opened
    ],
)
def test_evaluation_that_does_not_fit(folder, changes, message):
    replace_file(folder, "evaluation.npz", npz(**changes))
    with pytest.raises(ArtifactError, match=message):
        open_bundle(folder).evaluation()


def bomb(declared: int) -> bytes:
    """An archive member that unpacks to far more than it takes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("users.npy", b"\x00" * 1000)
    data = bytearray(buffer.getvalue())
    at = data.rfind(b"PK\x01\x02")  # the directory entry: its size field claims what we like
    data[at + 24 : at + 28] = declared.to_bytes(4, "little")
    return bytes(data)


def test_evaluation_that_claims_gigabytes(folder):
    replace_file(folder, "evaluation.npz", bomb(3 * 2**30))
    with pytest.raises(ArtifactError, match="users is compressed; its arrays are stored as they are"):
        open_bundle(folder).evaluation()


def test_an_array_header_that_claims_more_than_is_there(folder):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (10**15,)})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("users.npy", header.getvalue() + b"\x00" * 64)
    replace_file(folder, "evaluation.npz", buffer.getvalue())
    with pytest.raises(ArtifactError, match="not a readable evaluation file"):
        open_bundle(folder).evaluation()


@pytest.mark.parametrize("data", [b"", b"not a zip", b"PK\x05\x06" + b"\x00" * 18])
def test_evaluation_that_is_no_archive(folder, data):
    replace_file(folder, "evaluation.npz", data)
    with pytest.raises(ArtifactError, match="not a readable evaluation file"):
        open_bundle(folder).evaluation()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("k"), "not a self-test"),
        (lambda t: t.update(k="many"), "not a self-test"),
        (lambda t: t.update(users=[]), "differ in length or are empty"),
        (lambda t: t["users"].__setitem__(0, 70), "user index outside"),
        (lambda t: t["seen"].__setitem__(1, [-1]), "item index outside"),
        (lambda t: t["items"][0].__setitem__(0, 120), "item index outside"),
        (lambda t: t["scores"][0].pop(), "49 scores"),
        (lambda t: t.update(k=3), "k 3"),
        (lambda t: t.update(scores=None), "not a self-test"),
        (lambda t: t["users"].__setitem__(0, 1e999), "not a self-test"),
    ],
)
def test_selftest_that_does_not_fit(folder, change, message):
    test = json.loads((folder / "selftest.json").read_text())
    change(test)
    replace_file(folder, "selftest.json", json.dumps(test).encode())
    with pytest.raises(ArtifactError, match=message):
        open_bundle(folder).selftest()


@pytest.mark.parametrize(
    "text", [b"a\n" * 120, b"".join(b"i%d\n" % n for n in range(119)), b"\xff\n" * 120, b""]
)
def test_item_ids_that_do_not_fit(folder, text):
    replace_file(folder, "items.txt", text)
    with pytest.raises(ArtifactError, match=r"items\.txt"):
        open_bundle(folder).item_ids()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('"\\ud800"', id="half a surrogate pair"),
        pytest.param("[" * 200_000 + "]" * 200_000, id="nested without end"),
        pytest.param("9" * 5000, id="a number of 5000 digits"),
    ],
)
def test_json_that_no_encoder_can_write_again(folder, text):
    manifest = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(manifest.replace('"schema"', f'"later": {text}, "schema"', 1))
    with pytest.raises(ArtifactError, match="is not readable JSON") as refused:
        open_bundle(folder)
    assert refused.value.fault == "json"


@pytest.mark.parametrize("header", ["{'descr': '<i4", "{1: 2, 'descr': 3}", "\t(", "'" * 3, "x" * 20_000])
def test_an_array_header_that_numpy_cannot_parse(folder, header):
    text = header.encode()
    array = b"\x93NUMPY\x01\x00" + min(len(text), 65_535).to_bytes(2, "little") + text
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("users.npy", array)
    replace_file(folder, "evaluation.npz", buffer.getvalue())
    with pytest.raises(ArtifactError, match="is not a readable evaluation file") as refused:
        open_bundle(folder).evaluation()
    assert refused.value.fault == "content"


def test_every_refusal_names_its_fault(folder):
    """What another reader must agree with."""
    (folder / "items.txt").write_bytes(b"\xff")
    with pytest.raises(ArtifactError) as size:
        open_bundle(folder)
    replace_file(folder, "items.txt", b"\xff")
    with pytest.raises(ArtifactError) as content:
        open_bundle(folder).item_ids()
    forge(folder, lambda m: m.update(schema="recpress.bundle/2"))
    with pytest.raises(ArtifactError) as schema:
        open_bundle(folder)
    assert [e.value.fault for e in (size, content, schema)] == ["size", "content", "schema"]


def test_two_tensors_of_one_name(folder):
    forge(folder, lambda m: m["contract"].update(items_output="scores"))
    with pytest.raises(ArtifactError, match="gives two tensors one name"):
        open_bundle(folder)
