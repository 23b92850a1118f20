"""The head of a patch, which is read and judged before anything of it is unpacked.

    MAGIC, u32 n, n bytes of JSON, u32 m, m bytes of a signature (none: 0), the payload to the end of the file

Numbers are little-endian. A signature is over DOMAIN and the head's bytes, which state the payload's SHA-256.
"""

import hashlib
import json
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from recpress_edge.artifacts.trust.keys import PublicKey
from recpress_edge.artifacts.trust.policy import check_made_by
from recpress_edge.artifacts.trust.signature import Signed, parse_signature, signature_facts
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import canonical_json

MAGIC: Final = b"recpress.patch/1\n"
SCHEMA: Final = "recpress.patch/1"
DOMAIN: Final = b"recpress.signature/1 patch\n"
MAX_HEAD_BYTES: Final = 4096
MAX_SIGNATURE_BYTES: Final = 4096
MAX_PATCH_BYTES: Final = 4 * 2**30
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_BLOCK: Final = 2**20


@dataclass(frozen=True, slots=True)
class Head:
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
        facts = {
            "schema": SCHEMA,
            "base": self.base,
            "target": self.target,
            "payload_bytes": self.payload_bytes,
            "payload_sha256": self.payload_sha256,
            "unpacked_bytes": self.unpacked_bytes,
        }
        return canonical_json(facts)


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch whose payload is whole and as the head states it."""

    path: Path
    head: Head
    head_bytes: bytes
    signed: Signed | None
    payload_at: int
    """Where in the file the payload starts."""

    def check_signed(self, trusted: Mapping[str, PublicKey]) -> PublicKey:
        """The trusted key that signed it; else an ArtifactError says why."""
        message = DOMAIN + self.head_bytes
        return check_made_by(str(self.path), self.signed, (message, self.head_bytes), trusted)


def patch_bytes(head: Head, payload: bytes, private: Any = None) -> bytes:
    """A patch, signed where there is a private key."""
    stated = head.to_bytes()
    signature = b""
    if private is not None:
        signature = canonical_json(signature_facts(private, DOMAIN + stated, stated))
    sizes = struct.pack("<I", len(stated)), struct.pack("<I", len(signature))
    return b"".join((MAGIC, sizes[0], stated, sizes[1], signature, payload))


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
        stated = _part(path, file, MAX_HEAD_BYTES)
        head = _head(path, stated)
        signature = _part(path, file, MAX_SIGNATURE_BYTES)
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


def _part(path: Path, file: BinaryIO, most: int) -> bytes:
    """Bytes behind their number."""
    size = int.from_bytes(_exactly(path, file, 4), "little")
    if size > most:
        raise ArtifactError(f"{path} is damaged: a part of {size:,} bytes, at most {most:,}", fault="size")
    return _exactly(path, file, size)


def _exactly(path: Path, file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ArtifactError(f"{path} was cut short, inside its head. Fetch it again.", fault="size")
    return data


def _json(path: Path, data: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"{path} is damaged: its head is not readable JSON: {error}", fault="json"
        ) from None
    if not isinstance(facts, dict):
        raise ArtifactError(f"{path} is damaged: its head is no JSON object", fault="json")
    return facts


def _head(path: Path, data: bytes) -> Head:
    facts = _json(path, data)
    if facts.get("schema") != SCHEMA:
        raise ArtifactError(
            f"{path} has schema {str(facts.get('schema'))[:40]!r}; this version reads {SCHEMA!r}",
            fault="schema",
        )
    texts = [facts.get(name) for name in ("base", "target", "payload_sha256")]
    numbers = [facts.get(name) for name in ("payload_bytes", "unpacked_bytes")]
    if not all(isinstance(text, str) and _HEX.fullmatch(text) for text in texts):
        raise ArtifactError(f"{path} is damaged: its head states no digests", fault="field")
    if not all(type(number) is int and 0 <= number <= MAX_PATCH_BYTES for number in numbers):
        raise ArtifactError(f"{path} is damaged: its head states no sizes", fault="field")
    return Head(
        facts["base"],
        facts["target"],
        facts["payload_bytes"],
        facts["payload_sha256"],
        facts["unpacked_bytes"],
    )


def _digest(file: BinaryIO) -> str:
    found = hashlib.sha256()
    while block := file.read(_BLOCK):
        found.update(block)
    return found.hexdigest()
