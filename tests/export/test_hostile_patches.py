"""Patches made to do harm: refused by what is wrong, before anything is allocated or written elsewhere."""

import time

import fuzz_patches
import pytest
from bundles import make_bundle
from evil_patches import CASES, STORED, bomb, built, endless, entry, honest_bomb, huge_dictionary, longer

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.patch.header import read_patch
from recpress_edge.artifacts.patch.unpack import unpack
from recpress_edge.core.errors import ArtifactError
from recpress_export.patches.apply import ApplyOptions, apply_patch
from recpress_export.patches.make import make_patch


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fuzz_patches.Run(tmp_path_factory.mktemp("patches"), seed=3, kinds=("plain",))


def refused(run, data, draft):
    (draft.parent / "patch").write_bytes(data)
    draft.mkdir()
    start = time.perf_counter()
    with pytest.raises(ArtifactError) as caught:
        unpack(read_patch(draft.parent / "patch"), run.old.folder, run.sizes, draft)
    assert caught.value.fault
    assert time.perf_counter() - start < 5
    return str(caught.value)


@pytest.mark.parametrize("kind", CASES)
def test_what_an_index_may_not_ask_for(run, kind, tmp_path):
    files, operations, words = CASES[kind]
    assert words in refused(run, built(run, files, operations, b"body"), tmp_path / "draft")
    assert [path.name for path in (tmp_path / "draft").iterdir()] in ([], ["new.bin"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["draft", "patch"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-le"])
def test_an_index_is_utf8(run, encoding, tmp_path):
    """As Java reads it."""
    head, payload = fuzz_patches.unpacked(run.patch)
    size = int.from_bytes(payload[:4], "little")
    index = payload[4 : 4 + size].decode().encode(encoding)
    data = fuzz_patches.repacked(head, len(index).to_bytes(4, "little") + index + payload[4 + size :])
    assert "its index cannot be read" in refused(run, data, tmp_path / "draft")


def test_the_counter_proof(run, tmp_path):
    (tmp_path / "patch").write_bytes(built(run, [entry()], STORED, b"body"))
    (tmp_path / "draft").mkdir()
    unpack(read_patch(tmp_path / "patch"), run.old.folder, run.sizes, tmp_path / "draft")
    assert (tmp_path / "draft/new.bin").read_bytes() == b"body"


def test_a_bomb_is_not_unpacked(run, tmp_path):
    for said, words in ((2**26, "at most"), (2**20, "index lists 0 files"), (0, "are left")):
        where = tmp_path / str(said)
        where.mkdir()
        told = refused(run, bomb(run, said), where / "draft")
        assert words in told or "cannot be read" in told


def test_a_bomb_that_says_what_it_is_is_not_unpacked(run, tmp_path):
    assert "it unpacks to 33," in refused(run, honest_bomb(run), tmp_path / "draft")


def test_a_payload_that_goes_on_is_refused(run, tmp_path):
    for number, data in enumerate(longer(run)):
        (tmp_path / str(number)).mkdir()
        assert "longer than its files" in refused(run, data, tmp_path / f"{number}/draft")


def test_a_stream_without_its_end_is_refused(run, tmp_path):
    assert "ends before its files do" in refused(run, endless(run), tmp_path / "draft")


def test_a_dictionary_of_a_gib_is_refused(run, tmp_path):
    assert "Memory usage limit" in refused(run, huge_dictionary(run), tmp_path / "draft")


def test_what_is_no_patch_file(run, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "patch")
    (tmp_path / "patch").write_bytes(run.patch)
    for path in (tmp_path / "link", tmp_path):
        with pytest.raises(ArtifactError, match="no plain file"):
            read_patch(path)


def test_mutated_patches_of_every_kind_are_refused_or_right(tmp_path):
    run = fuzz_patches.Run(tmp_path, seed=3)
    for number in range(600):
        run.case(number)
    assert run.findings == []
    assert set(run.outcomes) == set(fuzz_patches.KINDS)
    assert all(counts["refused"] > 90 for counts in run.outcomes.values())
    assert sum(counts["accepted"] for counts in run.outcomes.values())


def test_a_result_that_is_another_bundle_is_refused(run, tmp_path):
    """Somebody without the key makes a bundle of their own under the digest that was signed."""
    other = make_bundle(tmp_path / "other", n_users=8, n_items=61, n_tests=3)
    head = fuzz_patches.unpacked(run.patch)[0]
    mine = fuzz_patches.unpacked(make_patch(run.old, other).data)[1]
    (tmp_path / "patch").write_bytes(fuzz_patches.repacked(head, mine))
    with pytest.raises(ArtifactError, match="it makes bundle"):
        apply_patch(run.old.folder, tmp_path / "patch", ApplyOptions(self_test=False))
    assert open_bundle(run.old.folder).digest == run.old.digest
