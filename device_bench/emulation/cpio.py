"""An initial ramdisk: the kernel's own archive format, written so that equal inputs give equal bytes.

https://www.kernel.org/doc/html/latest/driver-api/early-userspace/buffer-format.html ("newc").
"""

import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_FOLDER_MODE = stat.S_IFDIR | 0o755


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A file, folder or link of the archive; ``source`` is read when it is written."""

    name: str
    mode: int
    source: Path | bytes | None = None


def entries_of(folder: Path, prefix: str = "") -> Iterable[ArchiveEntry]:
    """Everything below a folder, in order of name; ``prefix`` ends with a slash or is empty."""
    for path in sorted(folder.rglob("*")):
        name = prefix + path.relative_to(folder).as_posix()
        if path.is_symlink():
            yield ArchiveEntry(name, stat.S_IFLNK | 0o777, str(path.readlink()).encode())
        elif path.is_dir():
            yield ArchiveEntry(name, _FOLDER_MODE)
        else:
            yield ArchiveEntry(name, stat.S_IFREG | (path.stat().st_mode & 0o777), path)


def folder(name: str) -> ArchiveEntry:
    """An empty folder."""
    return ArchiveEntry(name, _FOLDER_MODE)


def write_cpio(file: IO[bytes], entries: Iterable[ArchiveEntry]) -> int:
    """Write the archive; returns the bytes of memory that its files take once unpacked (4 KiB pages)."""
    position = taken = 0

    def put(data: bytes) -> None:
        nonlocal position
        file.write(data)
        position += len(data)

    def align() -> None:
        put(b"\0" * (-position % 4))

    number = 0
    for number, entry in enumerate(entries, start=1):
        data = entry.source.read_bytes() if isinstance(entry.source, Path) else entry.source or b""
        taken += -(-len(data) // 4096) * 4096
        put(_header(number, entry.mode, len(data), entry.name))
        align()
        put(data)
        align()
    # without a console of its own the first process would be mute
    put(_header(number + 1, stat.S_IFCHR | 0o600, 0, "dev/console", device=(5, 1)))
    align()
    put(_header(0, 0, 0, "TRAILER!!!"))
    put(b"\0" * (-position % 512))
    return taken


def _header(inode: int, mode: int, size: int, name: str, device: tuple[int, int] = (0, 0)) -> bytes:
    encoded = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, size, 0, 0, *device, len(encoded), 0)
    return ("070701" + "".join(f"{field:08x}" for field in fields)).encode() + encoded
