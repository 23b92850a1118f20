"""A patch made from two bundles: for each file the smallest of three ways, then all of them in one stream."""

import lzma
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.manifest import MANIFEST
from recpress_edge.artifacts.patch.header import PatchHead, patch_bytes
from recpress_edge.artifacts.patch.index import Entry, index_bytes
from recpress_edge.artifacts.trust.signature import SIGNATURE, bundle_message, read_signature, signature_facts
from recpress_edge.core.arrays import U8
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import canonical_json, sha256_bytes, sha256_file
from recpress_edge.core.units import enumerated
from recpress_edge.device.opening import AnyBundle
from recpress_export.patches.match import found_runs, in_place, operations

DICTIONARY_BYTES: Final = 16 * 2**20
"""Of the compressor: what a device needs to unpack."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """How a file travels."""

    name: str
    size: int
    how: str
    """same, new (stored), or changed (made from the file before)."""
    packed: int
    """Bytes, compressed alone; 0 where it is the same."""


@dataclass(frozen=True, slots=True)
class MadePatch:
    """A patch, and what is in it."""

    data: bytes
    files: tuple[FileChange, ...]
    new_packed: int
    """Bytes of the whole new bundle, compressed in the same way."""


def make_patch(old: AnyBundle, new: AnyBundle, private: Any = None) -> MadePatch:
    """A patch from one verified bundle to another; with a private key it is signed, and so is what it makes.

    ConfigError where both are one bundle.
    """
    check_differ(old, new)
    contents = _contents(new, private)
    before = {MANIFEST, *old.files}
    entries, bodies, changes = [], [], []
    for name, data in contents.items():
        base = old.folder / name if name in before else None
        if base is not None and base.stat().st_size == len(data) and sha256_file(base) == sha256_bytes(data):
            entries.append(Entry(name, len(data), None))
            changes.append(FileChange(name, len(data), "same", 0))
            continue
        count, body, change = _body(name, data, base)
        entries.append(Entry(name, len(data), count))
        bodies.append(body)
        changes.append(change)
    whole = packed(_stored(contents))
    payload = packed(unpacked := _payload(entries, bodies))
    if len(whole) < len(payload):
        payload, unpacked = whole, _stored(contents)
        changes = [FileChange(name, len(data), "new", 0) for name, data in contents.items()]
    head = PatchHead(old.digest, new.digest, len(payload), sha256_bytes(payload), len(unpacked))
    return MadePatch(patch_bytes(head, payload, private), tuple(changes), len(whole))


def check_differ(old: AnyBundle, new: AnyBundle) -> None:
    """ConfigError where both are one bundle; it names what of the new one's signature a device lacks."""
    if old.digest != new.digest:
        return
    both = f"{old.folder} and {new.folder} are one bundle"
    lacks = [name for name in (MANIFEST, SIGNATURE) if _bytes(new.folder / name) != _bytes(old.folder / name)]
    if SIGNATURE not in lacks or read_signature(new.folder) is None:
        raise ConfigError(f"{both}: there is nothing to send.")
    files = enumerated([str(new.folder / name) for name in lacks])
    raise ConfigError(
        f"{both}, of which only NEW has this signature, and a patch makes another version. Copy {files} into "
        "the bundle's folder on the device; recpress-edge bundle verify checks it there."
    )


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def packed(data: bytes) -> bytes:
    """One xz stream, of a dictionary that a device has the memory for."""
    size = min(max(len(data), 4096), DICTIONARY_BYTES)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": size}]
    return lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_CRC32, filters=filters)


def _contents(new: AnyBundle, private: Any) -> dict[str, bytes]:
    """Every file of the new bundle, with the signature that it has or, by the private key, gets.

    One over other bytes than the manifest's is nobody's of this bundle: the private key's takes its place.
    """
    names = [*sorted(new.files), MANIFEST]
    contents = {name: (new.folder / name).read_bytes() for name in names}
    manifest, there = contents[MANIFEST], read_signature(new.folder)
    if there is not None and (private is None or there.signed_sha256 == sha256_bytes(manifest)):
        contents[SIGNATURE] = (new.folder / SIGNATURE).read_bytes()
    elif private is not None:
        contents[SIGNATURE] = canonical_json(signature_facts(private, bundle_message(manifest), manifest))
    return contents


def _body(name: str, data: bytes, base: Path | None) -> tuple[int, bytes, FileChange]:
    """Number of operations, and the smallest body."""
    new = np.frombuffer(data, np.uint8)
    old = np.empty(0, np.uint8) if base is None else np.fromfile(base, np.uint8)
    ways = [[], in_place(old, new), found_runs(old, new)] if old.size else [[]]
    made = [_packed_body(old, new, runs) for runs in ways]
    best = min(range(len(made)), key=lambda way: made[way][2])
    count, body, size = made[best]
    return count, body, FileChange(name, len(data), "changed" if best else "new", size)


def _packed_body(old: U8, new: U8, runs: list[Any]) -> tuple[int, bytes, int]:
    found, data = operations(runs, old, new)
    body = found.to_bytes() + data
    return found.kinds.size, body, len(lzma.compress(body, preset=6))


def _payload(entries: list[Entry], bodies: list[bytes]) -> bytes:
    index = index_bytes(entries)
    return b"".join((struct.pack("<I", len(index)), index, *bodies))


def _stored(contents: Mapping[str, bytes]) -> bytes:
    """The payload that needs nothing of the bundle before."""
    bodies, entries = [], []
    for name, data in contents.items():
        found, stored = operations([], np.empty(0, np.uint8), np.frombuffer(data, np.uint8))
        entries.append(Entry(name, len(data), found.kinds.size))
        bodies.append(found.to_bytes() + stored)
    return _payload(entries, bodies)
