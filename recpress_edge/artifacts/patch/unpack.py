"""A patch's payload unpacked into a folder, in bounded memory: nothing is allocated that was not checked."""

import lzma
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from recpress_edge.artifacts.patch.header import Patch
from recpress_edge.artifacts.patch.index import (
    ADD,
    COPY,
    MAX_INDEX_BYTES,
    OPERATION_BYTES,
    Entry,
    Operations,
    check_operations,
    damaged,
    most_bytes,
    read_index,
)
from recpress_edge.core.errors import StorageError
from recpress_edge.core.units import format_bytes

MEMORY_BYTES: Final = 64 * 2**20
"""Of the decompressor, at most."""
_BLOCK: Final = 2**18


class _Stream:
    """The unpacked payload, read from front to back; never more than a block of it in memory."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        self._file, self.left = file, most
        self._unpack = lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY_BYTES)

    def pieces(self, size: int) -> Iterator[bytes]:
        """The next ``size`` bytes, block by block."""
        if size > self.left:
            raise damaged(f"a part of {size:,} bytes, and {self.left:,} are left")
        self.left -= size
        while size:
            piece = self._more(min(size, _BLOCK))
            size -= len(piece)
            yield piece

    def read(self, size: int) -> bytes:
        """The same in one; the caller has bounded it."""
        return b"".join(self.pieces(size))

    def end(self) -> None:
        """ArtifactError where anything follows."""
        if self.left or self._at_end():
            raise damaged("its payload is longer than its files")

    def _at_end(self) -> bytes:
        return b"" if self._unpack.eof else self._more(1, last=True)

    def _more(self, most: int, *, last: bool = False) -> bytes:
        while True:
            try:
                packed = self._file.read(_BLOCK) if self._unpack.needs_input else b""
                if self._unpack.eof or (self._unpack.needs_input and not packed):
                    if last and self._unpack.eof:
                        return b""
                    raise damaged("its payload ends before its files do")
                piece = self._unpack.decompress(packed, most)
            except lzma.LZMAError as error:
                raise damaged(f"its payload cannot be unpacked ({error})") from None
            if piece or (last and self._unpack.eof):
                return piece


def unpack(patch: Patch, base: Path, files: Mapping[str, int], draft: Path) -> list[Entry]:
    """Write every file of the new bundle into ``draft``, an empty folder; what changed is returned.

    ``base``: folder of the verified bundle that the patch is for, ``files``: names and sizes in it, its
    manifest among them. ArtifactError for a patch that cannot be right; whether the result is the stated one
    is the caller's to check.
    """
    most = most_bytes(sum(files.values()), patch.head.payload_bytes)
    if patch.head.unpacked_bytes > most:
        raise damaged(f"it unpacks to {patch.head.unpacked_bytes:,} bytes, at most {most:,}")
    with patch.path.open("rb") as file:
        file.seek(patch.payload_at)
        stream = _Stream(file, patch.head.unpacked_bytes)
        size = int.from_bytes(stream.read(4), "little")
        if size > MAX_INDEX_BYTES:
            raise damaged(f"its index has {size:,} bytes")
        entries = read_index(stream.read(size), files)
        changed = [entry for entry in entries if entry.operations is not None]
        total = sum(entry.size for entry in changed)
        if total > most:
            raise damaged(f"it writes {total:,} bytes, at most {most:,}")
        _check_space(draft, total)
        for entry in entries:
            if entry.operations is None:
                _same(base / entry.name, draft / entry.name)
            else:
                _write(stream, entry, (base / entry.name, files.get(entry.name, 0)), draft / entry.name)
        stream.end()
    return changed


def _check_space(draft: Path, needed: int) -> None:
    disk = shutil.disk_usage(draft)
    if disk.total and disk.free < needed:  # some file systems do not state a size
        raise StorageError(
            f"{draft.parent} has {format_bytes(disk.free)} free, and the new version needs "
            f"{format_bytes(needed)}. Nothing was changed; free space."
        )


def _same(old: Path, new: Path) -> None:
    """A second name for what did not change; a copy where a file system has none."""
    try:
        os.link(old, new)
    except OSError:
        shutil.copyfile(old, new)


def _write(stream: _Stream, entry: Entry, old: tuple[Path, int], new: Path) -> None:
    """One file, by its operations. ``old``: the file of that name before, and its size."""
    count = entry.operations or 0
    found = Operations.from_bytes(stream.read(OPERATION_BYTES * count), count)
    check_operations(entry.name, entry.size, found, old[1])
    with new.open("xb") as out, (old[0] if old[1] else Path(os.devnull)).open("rb") as source:
        for kind, length, offset in zip(
            found.kinds.tolist(), found.lengths.tolist(), found.offsets.tolist(), strict=True
        ):
            source.seek(offset)
            if kind == COPY:
                _copy(entry.name, source, length, out)
                continue
            for piece in stream.pieces(length):
                out.write(_sum(entry.name, source, piece) if kind == ADD else piece)


def _copy(name: str, source: BinaryIO, length: int, out: BinaryIO) -> None:
    while length:
        piece = source.read(min(length, _BLOCK))
        if not piece:
            raise damaged(f"{name} of the bundle before ended early")
        out.write(piece)
        length -= len(piece)


def _sum(name: str, source: BinaryIO, added: bytes) -> bytes:
    """Stored bytes added to those of the file before, modulo 256."""
    before = source.read(len(added))
    if len(before) != len(added):
        raise damaged(f"{name} of the bundle before ended early")
    return bytes(np.frombuffer(before, np.uint8) + np.frombuffer(added, np.uint8))
