"""Patches: they make the new bundle to the byte, are small, and never larger than it is compressed."""

import io
import itertools
import lzma
import os
import shutil
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from bundles import make_bundle
from damage import resign
from exports import exported, items_file
from forks import end_of, killed

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.patch import unpack as unpacking
from recpress_edge.artifacts.patch.header import read_patch
from recpress_edge.artifacts.patch.unpack import unpack
from recpress_edge.artifacts.trust.keys import make_keys, public_path, read_private
from recpress_edge.artifacts.trust.policy import Trust
from recpress_edge.core import files
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import sha256_bytes
from recpress_edge.core.rng import stream
from recpress_export.patches import apply as applying
from recpress_export.patches.apply import ApplyOptions, apply_patch
from recpress_export.patches.make import make_patch
from recpress_export.patches.match import found_runs, in_place, operations
from recpress_export.update.apply import update_bundle
from recpress_export.update.changes import read_changes
from recpress_export.update.versions import previous_path, roll_back

pytestmark = pytest.mark.usefixtures("workers_here")
QUICK = ApplyOptions(self_test=False)


def made_by(old: bytes, new: bytes, way=found_runs) -> tuple[bytes, int]:
    """The new file as the operations make it, and how many bytes they store or add."""
    before, after = np.frombuffer(old, np.uint8), np.frombuffer(new, np.uint8)
    found, data = operations(way(before, after), before, after)
    made, at = [], 0
    for kind, length, offset in zip(found.kinds, found.lengths.tolist(), found.offsets.tolist(), strict=True):
        piece = before[offset : offset + length]
        if kind:
            stored = np.frombuffer(data[at : at + length], np.uint8)
            piece, at = stored if kind == 2 else piece + stored, at + length
        made.append(piece.tobytes())
    assert at == len(data)
    return b"".join(made), len(lzma.compress(found.to_bytes() + data))


def table(n_items, dim, seed=0):
    return stream(seed, "patch tables").integers(-127, 128, (n_items, dim)).astype(np.int8)


def test_rows_behind_a_table_cost_themselves():
    old, more = table(5000, 32), table(50, 32, seed=1)
    new = np.vstack([old, more])
    for order in ("C", "F"):  # rows of items, or of dimensions
        made, size = made_by(old.tobytes(order), new.tobytes(order))
        assert made == new.tobytes(order)
        assert size < 1.15 * more.nbytes + 600


def test_changed_rows_cost_little_more_than_themselves():
    old = table(5000, 32)
    new = old.copy()
    places = stream(0, "places").permutation(5000)[:50]
    new[places] = table(50, 32, seed=1)
    made, size = made_by(old.tobytes(), new.tobytes())
    assert (made, size < 1.3 * 50 * 32 + 600) == (new.tobytes(), True)
    made, size = made_by(old.tobytes("F"), new.tobytes("F"))
    assert (made, size < 4 * 50 * 32 + 600) == (new.tobytes("F"), True)


def test_numbers_that_moved_a_little_are_smaller_in_place():
    old = table(2000, 32) // 2
    new = (old + stream(1, "drift").integers(-2, 3, old.shape)).astype(np.int8)
    made, size = made_by(old.tobytes(), new.tobytes(), in_place)
    assert made == new.tobytes()
    assert size < 0.6 * len(lzma.compress(new.tobytes()))


def edited(data: bytes, rng) -> bytes:
    """A few cuts, insertions, moves and changes."""
    found = bytearray(data)
    for _ in range(int(rng.integers(0, 6))):
        at, length = (int(rng.integers(0, len(found) + 1)) for _ in range(2))
        length = min(length, int(rng.integers(1, 300)))
        match int(rng.integers(0, 4)):
            case 0:
                del found[at : at + length]
            case 1:
                found[at:at] = rng.bytes(length)
            case 2:
                found[at:at] = found[:length]
            case _:
                found[at : at + length] = rng.bytes(len(found[at : at + length]))
    return bytes(found)


@pytest.mark.parametrize("seed", range(40))
def test_whatever_was_edited_is_made_again(seed):
    rng = stream(seed, "edits")
    old = rng.bytes(int(rng.integers(0, 5000)))
    if seed % 2:
        old = bytes(int(rng.integers(0, 200))) * 3 + old + b"ab" * int(rng.integers(0, 500))
    new = edited(old, rng)
    for way in (found_runs, in_place, lambda old, new: []):
        assert made_by(old, new, way)[0] == new


def changed(folder: Path, out: Path, **arrays) -> Path:
    items = items_file(out.with_suffix(".npz"), **arrays)
    update_bundle(folder, read_changes(items), out, force=True)
    return out


def the_same(left: Path, right: Path) -> bool:
    names = sorted(path.name for path in left.iterdir())
    return names == sorted(path.name for path in right.iterdir()) and all(
        (left / name).read_bytes() == (right / name).read_bytes() for name in names
    )


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Two versions by format: the second has two items more, one changed and one retired."""
    folder = tmp_path_factory.mktemp("versions")
    made = {}
    for file_format in ("onnx", "tflite"):
        old = exported(folder / file_format, file_format=file_format).folder
        arrays = {"append_ids": ["a", "b"], "replace_ids": ["item-7"], "retire_ids": ["item-4"]}
        made[file_format] = old, changed(old, folder / f"{file_format}-new", **arrays)
    return made


@pytest.mark.parametrize("file_format", ["onnx", "tflite"])
def test_a_patch_makes_the_new_bundle_and_a_rollback_the_old_one(versions, file_format, tmp_path):
    old, new = versions[file_format]
    made = make_patch(open_bundle(old), open_bundle(new))
    assert len(made.data) < made.new_packed / 3
    (tmp_path / "patch").write_bytes(made.data)
    device = shutil.copytree(old, tmp_path / "device")
    applied = apply_patch(device, tmp_path / "patch", ApplyOptions())
    assert applied.changed < len(applied.bundle.files) + 1
    assert the_same(device, new)
    assert the_same(previous_path(device), old)
    assert apply_patch(device, tmp_path / "patch", ApplyOptions()).changed == 0  # once more does nothing
    roll_back(device)
    assert the_same(device, old)
    assert apply_patch(device, tmp_path / "patch", QUICK).bundle.digest == open_bundle(new).digest


def test_another_student_is_no_larger_than_itself_compressed(versions, tmp_path):
    """Nothing in common, another format, and far more or fewer items."""
    bundles = [*versions["onnx"], versions["tflite"][1], make_bundle(tmp_path / "tiny", n_items=30).folder]
    for old in bundles:
        for new in bundles:
            if old == new:
                continue
            made = make_patch(open_bundle(old), open_bundle(new))
            archive = io.BytesIO()
            with tarfile.open(fileobj=archive, mode="w") as tar:
                tar.add(new, "bundle")
            assert len(made.data) <= len(lzma.compress(archive.getvalue(), preset=9 | lzma.PRESET_EXTREME))
            (tmp_path / "patch").write_bytes(made.data)
            device = shutil.copytree(old, tmp_path / "device")
            apply_patch(device, tmp_path / "patch", QUICK)
            assert the_same(device, new)
            shutil.rmtree(device)


def test_one_bundle_has_nothing_to_send(versions):
    with pytest.raises(ConfigError, match="nothing to send"):
        make_patch(open_bundle(versions["onnx"][0]), open_bundle(versions["onnx"][0]))


@pytest.fixture
def device(versions, tmp_path):
    """The old version on a device, and a patch for it."""
    old, new = versions["onnx"]
    (tmp_path / "patch").write_bytes(make_patch(open_bundle(old), open_bundle(new)).data)
    return shutil.copytree(old, tmp_path / "device"), tmp_path / "patch"


def test_a_patch_for_another_bundle_is_refused(device, versions):
    folder, patch = device
    shutil.rmtree(folder)
    shutil.copytree(versions["tflite"][0], folder)
    with pytest.raises(ArtifactError, match="is for another bundle: it starts from") as refused:
        apply_patch(folder, patch, QUICK)
    assert refused.value.fault == "digest"
    assert the_same(folder, versions["tflite"][0])


def test_what_arrived_damaged_or_cut_is_refused_and_changes_nothing(device, versions):
    folder, patch = device
    data = patch.read_bytes()
    for cut in (0, 5, 20, 300, len(data) // 2, len(data) - 1):
        patch.write_bytes(data[:cut])
        with pytest.raises(ArtifactError, match=r"cut short|no patch"):
            apply_patch(folder, patch, QUICK)
    patch.write_bytes(data + b"more")
    with pytest.raises(ArtifactError, match="longer than it says"):
        apply_patch(folder, patch, QUICK)
    spoilt = bytearray(data)
    spoilt[-100] ^= 1
    patch.write_bytes(spoilt)
    with pytest.raises(ArtifactError, match="is damaged: its SHA-256 is another"):
        apply_patch(folder, patch, QUICK)
    assert the_same(folder, versions["onnx"][0])
    assert not previous_path(folder).exists()
    patch.write_bytes(data)
    assert apply_patch(folder, patch, QUICK).changed


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        make_keys(folder / name, name)
    return folder


def test_only_a_trusted_patch_is_applied_where_keys_are_asked_for(device, versions, keys):
    folder, patch = device
    trust = ApplyOptions(Trust(public_path(keys / "ours")), self_test=False)
    old, new = map(open_bundle, versions["onnx"])
    for private, words in ((None, "is not signed"), ("theirs", "none of the 1 trusted ones")):
        by = None if private is None else read_private(keys / private)
        patch.write_bytes(make_patch(old, new, by).data)
        with pytest.raises(ArtifactError, match=words) as refused:
            apply_patch(folder, patch, trust)
        assert refused.value.fault == "signature"
    good = make_patch(old, new, read_private(keys / "ours")).data
    patch.write_bytes(good.replace(bytes.fromhex(old.digest), bytes.fromhex(new.digest)))
    with pytest.raises(ArtifactError, match="changed after it was signed"):
        apply_patch(folder, patch, trust)
    assert the_same(folder, old.folder)
    patch.write_bytes(good)
    assert apply_patch(folder, patch, trust).key.comment == "ours"
    assert open_bundle(folder, trust=trust.trust).digest == new.digest  # the patch brought its signature
    with pytest.raises(ArtifactError, match="is another bundle"):
        apply_patch(folder, patch, ApplyOptions(Trust(digest="0" * 64)))


def test_a_new_version_that_fails_its_self_test_is_not_put_in_place(device, versions, monkeypatch):
    folder, patch = device

    def fails(draft, guard, trust):
        raise ArtifactError("self-test failed at user 0", fault="answers")

    monkeypatch.setattr("recpress_export.patches.apply.self_test_any", fails)
    with pytest.raises(ArtifactError, match="self-test failed"):
        apply_patch(folder, patch, ApplyOptions())
    assert the_same(folder, versions["onnx"][0])


def test_five_updates_over_a_bad_line(tmp_path, keys):
    """Each arrives once cut, once spoilt, once without a signature and once for another version."""
    versions = [
        make_bundle(tmp_path / f"v{n}", n_users=8, n_items=60 + n, n_tests=3, seed=n // 2).folder
        for n in range(6)
    ]
    stranger = make_bundle(tmp_path / "stranger", n_users=8, n_items=50, n_tests=3).folder
    private = read_private(keys / "ours")
    options = ApplyOptions(Trust(public_path(keys / "ours")), self_test=False)
    device, patch = shutil.copytree(versions[0], tmp_path / "device"), tmp_path / "patch"
    for before, after in itertools.pairwise(versions):
        old, new = open_bundle(before), open_bundle(after)
        good = make_patch(old, new, private).data
        other = make_patch(new, old, private).data
        spoilt = good[:-40] + bytes([good[-40] ^ 1]) + good[-39:]
        for data, words in (
            (good[: len(good) // 2], "was cut short"),
            (spoilt, "is damaged"),
            (make_patch(old, new).data, "is not signed"),
            (other[:17] + bytes(32) + other[49:], "changed after it was signed"),
            (make_patch(open_bundle(stranger), new, private).data, "is for another bundle"),
        ):
            patch.write_bytes(data)
            with pytest.raises(ArtifactError, match=words):
                apply_patch(device, patch, options)
            assert open_bundle(device).digest == old.digest
        patch.write_bytes(good)
        assert apply_patch(device, patch, options).bundle.digest == new.digest
        assert open_bundle(previous_path(device)).digest == old.digest
    roll_back(device, trust=Trust(public_path(keys / "ours")))
    assert open_bundle(device).digest == open_bundle(versions[4]).digest


PLACES = {
    "first file": (unpacking, "_write"),
    "checked": (applying, "note_step"),
    "kept": (files, "_sync_tree"),
    "exchanged": (files, "sync_folder"),
}


def apply_killed(folder, patch, place, turn):
    """The exit code of a process that dies before this call of a function."""
    (module, name), left = PLACES[place], [turn]
    real = getattr(module, name)

    def die(*args):
        left[0] -= 1
        return real(*args) if left[0] >= 0 else killed()

    def work():
        setattr(module, name, die)
        apply_patch(folder, patch, QUICK)

    return end_of(work)


@pytest.mark.parametrize(
    ("place", "turn"),
    [
        ("first file", 0),
        ("first file", 2),
        ("checked", 0),
        ("kept", 0),
        ("kept", 1),
        ("exchanged", 0),
        ("exchanged", 1),
    ],
)
def test_killed_at_any_moment_the_bundle_is_whole_and_the_next_call_ends_it(device, versions, place, turn):
    folder, patch = device
    assert apply_killed(folder, patch, place, turn) in (-9, 0)
    old, new = versions["onnx"]
    assert the_same(folder, old) or the_same(folder, new)
    for draft in folder.parent.glob(".*draft-*"):  # as old as it would be after a restart
        os.utime(draft, (0, 0))
    apply_patch(folder, patch, QUICK)
    assert the_same(folder, new)
    assert not [*folder.parent.glob(".*draft-*")]
    roll_back(folder)
    assert the_same(folder, old)


def test_a_patch_unpacks_in_little_memory(tmp_path):
    """16 MiB that did not change but for a byte: what it takes is blocks."""
    old, draft = tmp_path / "old", tmp_path / "draft"
    bundle = make_bundle(old, n_items=60)
    new = shutil.copytree(old, tmp_path / "new")
    (old / "large.bin").write_bytes(bytes(2**24))
    (new / "large.bin").write_bytes(bytes(2**23) + b"\1" + bytes(2**23 - 1))
    for folder in (old, new):
        data = (folder / "large.bin").read_bytes()
        facts = {"bytes": len(data), "sha256": sha256_bytes(data)}
        resign(folder, lambda manifest, facts=facts: manifest["files"].update({"large.bin": facts}))
    made = make_patch(open_bundle(old), open_bundle(new))
    assert len(made.data) < 20_000
    (tmp_path / "patch").write_bytes(made.data)
    draft.mkdir()
    sizes = {path.name: path.stat().st_size for path in old.iterdir()}
    patch = read_patch(tmp_path / "patch")
    tracemalloc.start()
    unpack(patch, old, sizes, draft)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23
    assert the_same(draft, new)
    assert bundle.files
