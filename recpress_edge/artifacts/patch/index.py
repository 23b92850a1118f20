"""What a patch says of each file: the first part of its unpacked payload, checked before anything is written.

    u32 n, n bytes of JSON, then the bodies of all files that are not kept, in order

A body is an array of operations, 17 bytes each by columns (kinds, lengths, offsets), and their bytes. The new
file is what the operations write one after the other: COPY bytes of the base's file of that name, ADD stored
bytes to them (modulo 256), or STORE bytes as they are.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.bundle import MAX_FILE_BYTES
from recpress_edge.artifacts.manifest import SAFE_NAME
from recpress_edge.core.arrays import I64, U8
from recpress_edge.core.errors import ArtifactError

COPY, ADD, STORE = 0, 1, 2
OPERATION_BYTES: Final = 17
MAX_INDEX_BYTES: Final = 2**20
MAX_FILES: Final = 1000
MAX_OPERATIONS: Final = 1_000_000
SPARE_BYTES: Final = 16 * 2**20
BYTES_PER_BASE: Final = 8
BYTES_PER_PACKED: Final = 500
"""What a new bundle may have for each byte of the one before and of the patch."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the new bundle."""

    name: str
    size: int
    operations: int | None
    """How many make it; None: it is the base's file, unchanged."""


@dataclass(frozen=True, slots=True, eq=False)
class Operations:
    """How one file is made; three columns (n,)."""

    kinds: U8
    lengths: I64
    offsets: I64
    """Into the base's file; 0 of STORE."""

    def to_bytes(self) -> bytes:
        """As a body begins."""
        return (
            self.kinds.tobytes() + self.lengths.astype("<i8").tobytes() + self.offsets.astype("<i8").tobytes()
        )

    @classmethod
    def from_bytes(cls, data: bytes, count: int) -> "Operations":
        """The columns of a body's first ``OPERATION_BYTES * count`` bytes."""
        ends = count, count * 9
        return cls(
            np.frombuffer(data[: ends[0]], np.uint8),
            np.frombuffer(data[ends[0] : ends[1]], "<i8").astype(np.int64),
            np.frombuffer(data[ends[1] :], "<i8").astype(np.int64),
        )


def index_bytes(entries: list[Entry]) -> bytes:
    """As a payload begins, without its length."""
    listed = [
        {"name": entry.name, "bytes": entry.size}
        | ({} if entry.operations is None else {"operations": entry.operations})
        for entry in entries
    ]
    return json.dumps({"files": listed}, separators=(",", ":")).encode()


def read_index(data: bytes, base: Mapping[str, int]) -> list[Entry]:
    """The files of the new bundle; ``base``: sizes of those before. ArtifactError if it cannot be right."""
    try:
        listed = json.loads(data.decode("utf-8"))["files"]  # of bytes it takes UTF-16 too
        entries = [_entry(facts) for facts in listed]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise damaged(f"its index cannot be read ({type(error).__name__})") from None
    if not 0 < len(entries) <= MAX_FILES or len({entry.name for entry in entries}) != len(entries):
        raise damaged(f"its index lists {len(entries)} files, or one twice")
    for entry in entries:
        if not SAFE_NAME.fullmatch(entry.name):
            raise damaged(f"it writes {entry.name[:80]!r}, which is not a plain file name")
        if not 0 <= entry.size <= MAX_FILE_BYTES:
            raise damaged(f"{entry.name} would have {entry.size:,} bytes")
        if entry.operations is None and base.get(entry.name) != entry.size:
            raise damaged(f"it keeps {entry.name}, which the bundle before has not, or in another size")
        if entry.operations is not None and not 0 <= entry.operations <= min(MAX_OPERATIONS, entry.size):
            raise damaged(f"{entry.name} would take {entry.operations:,} operations")
    return entries


def _entry(facts: Any) -> Entry:
    name, size, operations = facts["name"], facts["bytes"], facts.get("operations")
    if type(name) is not str or type(size) is not int or type(operations) not in (int, type(None)):
        raise TypeError
    return Entry(name, size, operations)


def check_operations(name: str, size: int, found: Operations, base: int) -> None:
    """ArtifactError where operations do not make a file of ``size`` bytes from one of ``base`` bytes."""
    kinds, lengths, offsets = found.kinds, found.lengths, found.offsets
    stored = kinds == STORE
    if kinds.size and int(kinds.max()) > STORE:
        raise damaged(f"{name} has an operation of an unknown kind")
    if kinds.size and (int(lengths.min()) < 1 or int(lengths.max()) > size or int(offsets.min()) < 0):
        raise damaged(f"{name} has an operation of no length, or one beyond its end")
    if sum(lengths.tolist()) != size:
        raise damaged(f"the operations of {name} do not make its {size:,} bytes")
    if (offsets[~stored] > base - lengths[~stored]).any() or offsets[stored].any():
        raise damaged(f"{name} copies from beyond the end of the file before")


def most_bytes(base: int, packed: int) -> int:
    """That a patch may unpack to and write, of a base and a payload of so many bytes."""
    return SPARE_BYTES + BYTES_PER_BASE * base + BYTES_PER_PACKED * packed


def damaged(what: str) -> ArtifactError:
    """Of a payload that is as it was written, and wrong."""
    return ArtifactError(f"the patch is refused: {what}", fault="content")
