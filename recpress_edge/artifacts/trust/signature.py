"""bundle.sig: one key's signature over the exact bytes of bundle.json.

The message is ``DOMAIN`` and the bytes, so that a signature over a manifest is none over anything else.
"""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.manifest import MANIFEST, SIGNATURE, check_signature_file
from recpress_edge.artifacts.trust.keys import PublicKey, ed25519
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import read_json, sha256_bytes, write_atomic

__all__ = ["SIGNATURE", "Signed", "bundle_message", "read_signature", "sign_bundle", "verify"]

SCHEMA: Final = "recpress.signature/1"
DOMAIN: Final = b"recpress.signature/1 bundle.json\n"
SIGNATURE_BYTES: Final = 64
_HEX: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature file states; nothing of it is checked."""

    key: str
    """Id of the key."""
    signed_sha256: str
    """Of the bytes that were signed: it tells a changed bundle from a wrong signature, and proves nothing."""
    signature: bytes


def bundle_message(manifest: bytes) -> bytes:
    """What is signed of a bundle with these bytes of bundle.json."""
    return DOMAIN + manifest


def read_signature(folder: Path) -> Signed | None:
    """The folder's signature, None where it has none; ArtifactError for one that is damaged."""
    where = folder / SIGNATURE
    if not where.exists() and not where.is_symlink():
        return None
    check_signature_file(where)
    return parse_signature(where, read_json(where))


def parse_signature(where: Path, facts: dict[str, Any]) -> Signed:
    """A signature from its JSON fields."""
    key, signed, text = (facts.get(name) for name in ("key", "signed_sha256", "signature"))
    if facts.get("schema") != SCHEMA:
        raise _damaged(where, f"its schema is {facts.get('schema')!r}, this version reads {SCHEMA!r}")
    if not isinstance(key, str) or not isinstance(signed, str) or not isinstance(text, str):
        raise _damaged(where, "it has no key, signed_sha256 and signature")
    if not _HEX.fullmatch(key) or not _HEX.fullmatch(signed):
        raise _damaged(where, "its key and signed_sha256 are not 64 hex digits")
    try:
        signature = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    if len(signature) != SIGNATURE_BYTES:
        raise _damaged(where, f"its signature is not {SIGNATURE_BYTES} bytes in base64")
    return Signed(key, signed, signature)


def _damaged(where: Path, what: str) -> ArtifactError:
    return ArtifactError(f"{where} is no signature: {what}", fault="signature")


def signature_facts(private: Any, message: bytes, signed: bytes) -> dict[str, str]:
    """The JSON fields of a private key's signature over a message that stands for the bytes ``signed``."""
    return {
        "schema": SCHEMA,
        "key": PublicKey(ed25519("public_of")(private)).id,
        "signed_sha256": sha256_bytes(signed),
        "signature": base64.b64encode(ed25519("sign")(private, message)).decode(),
    }


def sign_bundle(folder: Path, private: Any, manifest: bytes, *, dry_run: bool = False) -> Signed:
    """Write the signature over these bytes of the folder's bundle.json, and return it."""
    facts = signature_facts(private, bundle_message(manifest), manifest)
    if not dry_run:
        write_atomic(folder / SIGNATURE, (json.dumps(facts, indent=2) + "\n").encode())
    return parse_signature(folder / MANIFEST, dict(facts))


def verify(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether a signature is the key's over a message."""
    good: bool = ed25519("verify")(key.raw, signature, message)
    return good
