"""What a caller asks of a bundle beside that it is whole: who signed it, and which one it is."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.trust.keys import PublicKey, read_trusted, short
from recpress_edge.artifacts.trust.signature import SIGNATURE, Signed, bundle_message, read_signature, verify
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import sha256_bytes

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Trust:
    """Which bundles a caller takes; by default every one that is whole."""

    keys: Path | None = None
    """File of trusted public keys; None: signatures are not looked at."""
    digest: str | None = None
    """Of the one bundle that is taken (its ``sha256``, 64 hex digits); None: any."""

    def __post_init__(self) -> None:
        if self.digest is not None and not _DIGEST.fullmatch(self.digest):
            raise ConfigError(
                f"--expect-digest {self.digest[:80]!r} is no digest: 64 digits of 0-9 and a-f, as "
                "recpress-edge bundle verify prints them."
            )

    @classmethod
    def of(cls, keys: Path | str | None, digest: str | None) -> "Trust":
        """The same from a path in either form."""
        return cls(None if keys is None else Path(keys), digest)

    def check_signature(self, folder: Path, manifest: bytes) -> None:
        """ArtifactError unless a trusted key signed these bytes of the folder's manifest."""
        if self.keys is not None:
            check_signed(folder, manifest, read_trusted(self.keys))

    def check_digest(self, folder: Path, digest: str) -> None:
        """ArtifactError where another bundle than the expected one is there."""
        if self.digest is not None and not hmac.compare_digest(self.digest, digest):
            raise ArtifactError(
                f"{folder} is another bundle: its digest is {digest}, expected is {self.digest}",
                fault="digest",
            )


ANYBODY: Final = Trust()
"""Takes every bundle that is whole."""


def check_signed(folder: Path, manifest: bytes, trusted: Mapping[str, PublicKey]) -> PublicKey:
    """The trusted key that signed these bytes of the folder's bundle.json; else an ArtifactError says why."""
    signed = read_signature(folder)
    if signed is None:
        raise _refused(f"{folder} is not signed: it has no {SIGNATURE}. Only signed bundles are taken here")
    return check_made_by(str(folder), signed, (bundle_message(manifest), manifest), trusted)


def check_made_by(
    what: str, signed: Signed | None, content: tuple[bytes, bytes], trusted: Mapping[str, PublicKey]
) -> PublicKey:
    """The trusted key of a signature; else an ArtifactError says why.

    ``content``: the message, and the bytes that it stands for.
    """
    if signed is None:
        raise _refused(f"{what} is not signed, and only what is signed is taken here")
    key = trusted.get(signed.key)
    if key is None:
        raise _refused(
            f"{what} is signed by key {short(signed.key)}, which is none of the {len(trusted)} trusted ones"
        )
    if signed.signed_sha256 != sha256_bytes(content[1]):
        raise _refused(f"{what} was changed after it was signed: its signature is of other bytes")
    if not verify(key, signed.signature, content[0]):
        raise _refused(f"the signature of {what} is no signature of key {short(key.id)} over it")
    return key


def _refused(message: str) -> ArtifactError:
    return ArtifactError(f"{message}. Nothing of it was run.", fault="signature")
