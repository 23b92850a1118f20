"""Patches made to do harm: refused by what is wrong, before anything is allocated or written elsewhere."""

import json
import lzma
import struct
import time
import zlib

import fuzz_patches
import numpy as np
import pytest
from bundles import make_bundle

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.patch.header import read_patch
from recpress_edge.artifacts.patch.index import COPY, STORE, Operations
from recpress_edge.artifacts.patch.unpack import unpack
from recpress_edge.core.errors import ArtifactError
from recpress_export.patches.apply import ApplyOptions, apply_patch
from recpress_export.patches.make import make_patch, packed


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fuzz_patches.Run(tmp_path_factory.mktemp("patches"), seed=3)


def refused(run, data, draft):
    (draft.parent / "patch").write_bytes(data)
    draft.mkdir()
    start = time.perf_counter()
    with pytest.raises(ArtifactError) as caught:
        unpack(read_patch(draft.parent / "patch"), run.old.folder, run.sizes, draft)
    assert caught.value.fault
    assert time.perf_counter() - start < 5
    return str(caught.value)


def built(run, files, operations=(), body=b"", **stated):
    """A patch of these index entries and rows of operations."""
    index = json.dumps({"files": files}).encode()
    columns = np.array(operations, np.int64).reshape(-1, 3)
    rows = Operations(columns[:, 0].astype(np.uint8), columns[:, 1], columns[:, 2]).to_bytes()
    payload = struct.pack("<I", len(index)) + index + rows + body
    return fuzz_patches.repacked(fuzz_patches.unpacked(run.patch)[0], payload, **stated)


def entry(name="new.bin", size=4, operations=1):
    return {"name": name, "bytes": size} | ({} if operations is None else {"operations": operations})


STORED = [(STORE, 4, 0)]
ITEMS = "items.txt"
CASES = {
    "a path": ([entry("../up")], STORED, "not a plain file name"),
    "an absolute path": ([entry("/etc/passwd")], STORED, "not a plain file name"),
    "a hidden name": ([entry(".hidden")], STORED, "not a plain file name"),
    "a name twice": ([entry(), entry()], STORED, "or one twice"),
    "no files": ([], [], "lists 0 files"),
    "a negative size": ([entry(size=-1)], STORED, "would have -1 bytes"),
    "a huge size": ([entry(size=2**62)], STORED, "would have 4,611,686,018,427,387,904 bytes"),
    "a size that is text": ([entry(size="4")], STORED, "cannot be read"),
    "more than the base allows": ([entry(size=2**31, operations=1)], [(STORE, 2**31, 0)], "at most"),
    "many operations": ([entry(size=2**21, operations=2**21)], STORED, "would take 2,097,152 operations"),
    "more operations than there are": ([entry(operations=3)], STORED, "are left"),
    "a missing file kept": ([entry("nothing", operations=None)], [], "which the bundle before has not"),
    "another size kept": ([entry(ITEMS, 3, None)], [], "or in another size"),
    "a copy from beyond": ([entry(ITEMS)], [(COPY, 4, 10**6)], "from beyond the end"),
    "a copy from before": ([entry(ITEMS)], [(COPY, 4, -4)], "beyond its end"),
    "a copy of nothing": ([entry()], [(COPY, 4, 0)], "from beyond the end"),
    "a negative length": ([entry(operations=2)], [(STORE, -4, 0), (STORE, 8, 0)], "of no length"),
    "lengths that overflow": (
        [entry(operations=4)],
        [(STORE, 2**62, 0)] * 4,
        "beyond its end",
    ),
    "an unknown kind": ([entry()], [(7, 4, 0)], "of an unknown kind"),
    "too few bytes": ([entry(size=5)], STORED, "do not make its 5 bytes"),
}


@pytest.mark.parametrize("kind", CASES)
def test_what_an_index_may_not_ask_for(run, kind, tmp_path):
    files, operations, words = CASES[kind]
    assert words in refused(run, built(run, files, operations, b"body"), tmp_path / "draft")
    assert [path.name for path in (tmp_path / "draft").iterdir()] in ([], ["new.bin"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["draft", "patch"]


def test_the_counter_proof(run, tmp_path):
    (tmp_path / "patch").write_bytes(built(run, [entry()], STORED, b"body"))
    (tmp_path / "draft").mkdir()
    unpack(read_patch(tmp_path / "patch"), run.old.folder, run.sizes, tmp_path / "draft")
    assert (tmp_path / "draft/new.bin").read_bytes() == b"body"


def test_a_bomb_is_not_unpacked(run, tmp_path):
    """64 MiB of zeros in 10 KB, said to be what it is, and said to be little."""
    zeros = bytes(2**20)
    pack = lzma.LZMACompressor(preset=1)
    payload = b"".join([*(pack.compress(zeros) for _ in range(64)), pack.flush()])
    head = fuzz_patches.unpacked(run.patch)[0]
    for said, words in ((2**26, "at most"), (2**20, "index lists 0 files"), (0, "are left")):
        index = {"stored": payload, "unpacked_bytes": said}
        where = tmp_path / str(said)
        where.mkdir()
        told = refused(run, fuzz_patches.repacked(head, b"", **index), where / "draft")
        assert words in told or "cannot be read" in told


def test_a_payload_that_goes_on_is_refused(run, tmp_path):
    head, payload = fuzz_patches.unpacked(run.patch)
    more = fuzz_patches.repacked(head, payload + b"more")
    assert "longer than its files" in refused(run, more, tmp_path / "draft")
    said = fuzz_patches.repacked(head, payload + b"more", unpacked_bytes=len(payload))
    (tmp_path / "second").mkdir()
    assert "longer than its files" in refused(run, said, tmp_path / "second/draft")


def test_a_dictionary_of_a_gib_is_refused(run, tmp_path):
    """The decompressor would allocate what the stream says."""
    head, payload = fuzz_patches.unpacked(run.patch)
    data = bytearray(packed(payload))
    end = 12 + 4 * (data[12] + 1)  # of the first block's header, behind the stream's
    assert data[14:16] == b"\x21\x01"  # LZMA2 and one byte of properties
    data[16] = 36
    data[end - 4 : end] = zlib.crc32(data[12 : end - 4]).to_bytes(4, "little")
    words = refused(run, fuzz_patches.repacked(head, payload, stored=bytes(data)), tmp_path / "draft")
    assert "Memory usage limit" in words


def test_what_is_no_patch_file(run, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "patch")
    (tmp_path / "patch").write_bytes(run.patch)
    for path in (tmp_path / "link", tmp_path):
        with pytest.raises(ArtifactError, match="no plain file"):
            read_patch(path)


def test_mutated_patches_are_refused_or_right(run):
    for number in range(400):
        run.case(number)
    assert run.findings == []
    assert run.outcomes["refused"] > 300
    assert run.outcomes["accepted"]


def test_a_result_that_is_another_bundle_is_refused(run, tmp_path):
    """Somebody without the key makes a bundle of their own under the digest that was signed."""
    other = make_bundle(tmp_path / "other", n_users=8, n_items=61, n_tests=3)
    head = fuzz_patches.unpacked(run.patch)[0]
    mine = fuzz_patches.unpacked(make_patch(run.old, other).data)[1]
    (tmp_path / "patch").write_bytes(fuzz_patches.repacked(head, mine))
    with pytest.raises(ArtifactError, match="it makes bundle"):
        apply_patch(run.old.folder, tmp_path / "patch", ApplyOptions(self_test=False))
    assert open_bundle(run.old.folder).digest == run.old.digest
