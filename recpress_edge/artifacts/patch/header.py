"""The head of a patch, which is read and judged before anything of it is unpacked.

    MAGIC, the head (112 bytes), u32 n, n bytes of a signature in JSON (none: 0), the payload to the end

The head is three SHA-256 (of base, target and payload) and two u64 (bytes of the payload, and unpacked).
Numbers are little-endian. A signature is over DOMAIN and the head's bytes.
"""

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from recpress_edge.artifacts.trust.checks import check_made_by
from recpress_edge.artifacts.trust.keys import PublicKey
from recpress_edge.artifacts.trust.signature import Signed, parse_signature, signature_facts
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import canonical_json

MAGIC: Final = b"recpress.patch/1\n"
DOMAIN: Final = b"recpress.signature/1 patch\n"
MAX_SIGNATURE_BYTES: Final = 4096
MAX_PATCH_BYTES: Final = 4 * 2**30
_HEAD: Final = struct.Struct("<32s32s32sQQ")
_BLOCK: Final = 2**20


@dataclass(frozen=True, slots=True)
class PatchHead:
    """What a patch states of itself."""

    base: str
    """Digest of the bundle that it is for."""
    target: str
    """Digest of the bundle that it makes."""
    payload_bytes: int
    payload_sha256: str
    unpacked_bytes: int
    """Of the payload, unpacked."""

    def to_bytes(self) -> bytes:
        """As a patch has it."""
        digests = map(bytes.fromhex, (self.base, self.target, self.payload_sha256))
        return _HEAD.pack(*digests, self.payload_bytes, self.unpacked_bytes)

    @classmethod
    def from_bytes(cls, data: bytes) -> "PatchHead":
        """The same read back; every 112 bytes are a head."""
        base, target, payload, size, unpacked = _HEAD.unpack(data)
        return cls(base.hex(), target.hex(), size, payload.hex(), unpacked)


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch whose payload is whole and as the head states it."""

    path: Path
    head: PatchHead
    head_bytes: bytes
    signed: Signed | None
    payload_at: int
    """Where in the file the payload starts."""

    def check_signed(self, trusted: Mapping[str, PublicKey]) -> PublicKey:
        """The trusted key that signed it; else an ArtifactError says why."""
        message = DOMAIN + self.head_bytes
        return check_made_by(str(self.path), self.signed, (message, self.head_bytes), trusted)


def patch_bytes(head: PatchHead, payload: bytes, private: Any = None) -> bytes:
    """A patch, signed where there is a private key."""
    stated = head.to_bytes()
    signature = b""
    if private is not None:
        signature = canonical_json(signature_facts(private, DOMAIN + stated, stated))
    return b"".join((MAGIC, stated, struct.pack("<I", len(signature)), signature, payload))


def read_patch(path: Path) -> Patch:
    """A patch, its payload held against size and digest; ArtifactError where it is damaged or cut short."""
    if not path.exists():
        raise ConfigError(f"no such file: {path}. Check the path.")
    if path.is_symlink() or not path.is_file():
        raise ArtifactError(f"{path} is no plain file", fault="path")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_PATCH_BYTES:
            raise ArtifactError(f"{path} has {size:,} bytes, more than a patch may have", fault="size")
        if file.read(len(MAGIC)) != MAGIC:
            raise ArtifactError(f"{path} is no patch of recpress-edge bundle diff", fault="schema")
        stated = _exactly(path, file, _HEAD.size)
        head = PatchHead.from_bytes(stated)
        signature = _signature(path, file)
        signed = parse_signature(path, _json(path, signature)) if signature else None
        at = file.tell()
        if size - at != head.payload_bytes:
            cut = "was cut short" if size - at < head.payload_bytes else "is longer than it says"
            raise ArtifactError(
                f"{path} {cut}: {size - at:,} bytes of payload, it states {head.payload_bytes:,}. "
                "Fetch it again.",
                fault="size",
            )
        if _digest(file) != head.payload_sha256:
            raise ArtifactError(f"{path} is damaged: its SHA-256 is another. Fetch it again.", fault="digest")
    return Patch(path, head, stated, signed, at)


def _signature(path: Path, file: BinaryIO) -> bytes:
    size = int.from_bytes(_exactly(path, file, 4), "little")
    if size > MAX_SIGNATURE_BYTES:
        raise ArtifactError(f"{path} is damaged: a signature of {size:,} bytes", fault="size")
    return _exactly(path, file, size)


def _exactly(path: Path, file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ArtifactError(f"{path} was cut short, inside its head. Fetch it again.", fault="size")
    return data


def _json(path: Path, data: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(data.decode("utf-8"))  # of bytes it takes UTF-16 too
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{path} is damaged: its signature is not readable JSON: {error}", fault="json"
        ) from None
    if not isinstance(facts, dict):
        raise ArtifactError(f"{path} is damaged: its signature is no JSON object", fault="json")
    return facts


def _digest(file: BinaryIO) -> str:
    found = hashlib.sha256()
    while block := file.read(_BLOCK):
        found.update(block)
    return found.hexdigest()
