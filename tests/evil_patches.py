"""Patches made to do harm, of a run of fuzz_patches: what is wrong with each is known."""

import json
import lzma
import struct
import zlib

import fuzz_patches
import numpy as np

from recpress_edge.artifacts.patch.index import COPY, STORE, Operations
from recpress_export.patches.make import packed


def built(run, files, operations=(), body=b"", pack=packed, **stated):
    """A patch of these index entries and rows of operations."""
    index = json.dumps({"files": files}).encode()
    columns = np.array(operations, np.int64).reshape(-1, 3)
    rows = Operations(columns[:, 0].astype(np.uint8), columns[:, 1], columns[:, 2]).to_bytes()
    payload = struct.pack("<I", len(index)) + index + rows + body
    head = fuzz_patches.unpacked(run.patch)[0]
    return fuzz_patches.repacked(head, payload, stored=pack(payload), **stated)


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


def bomb(run, said):
    """64 MiB of zeros in 10 KB, said to unpack to so many bytes."""
    zeros = bytes(2**20)
    pack = lzma.LZMACompressor(preset=1)
    payload = b"".join([*(pack.compress(zeros) for _ in range(64)), pack.flush()])
    head = fuzz_patches.unpacked(run.patch)[0]
    return fuzz_patches.repacked(head, b"", stored=payload, unpacked_bytes=said)


def honest_bomb(run):
    """A file of 32 MiB of zeros, all that is said of it true: more than base and patch admit."""
    size = 2**25
    files, operations = [entry(size=size)], [(STORE, size, 0)]
    return built(run, files, operations, bytes(size), pack=lambda data: lzma.compress(data, preset=1))


def longer(run):
    """A payload that goes on behind its files, said and not said."""
    head, payload = fuzz_patches.unpacked(run.patch)
    yield fuzz_patches.repacked(head, payload + b"more")
    yield fuzz_patches.repacked(head, payload + b"more", unpacked_bytes=len(payload))


def endless(run):
    """A payload whose stream holds every file and lacks its end."""
    head, payload = fuzz_patches.unpacked(run.patch)
    return fuzz_patches.repacked(head, payload, stored=packed(payload)[:-12])


def huge_dictionary(run):
    """A GiB, which a decompressor would allocate since the stream says so."""
    head, payload = fuzz_patches.unpacked(run.patch)
    data = bytearray(packed(payload))
    end = 12 + 4 * (data[12] + 1)  # of the first block's header, behind the stream's
    assert data[14:16] == b"\x21\x01"  # LZMA2 and one byte of properties
    data[16] = 36
    data[end - 4 : end] = zlib.crc32(data[12 : end - 4]).to_bytes(4, "little")
    return fuzz_patches.repacked(head, payload, stored=bytes(data))
