"""Whether a trusted key signed a bundle or a patch, and if not, why it is refused."""

from collections.abc import Mapping
from pathlib import Path

from recpress_edge.artifacts.trust.keys import PublicKey, read_trusted, short
from recpress_edge.artifacts.trust.signature import SIGNATURE, Signed, bundle_message, read_signature, verify
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import sha256_bytes


def check_folder(folder: Path, manifest: bytes, keys: Path) -> PublicKey:
    """:func:`check_signed` by a file of trusted keys."""
    return check_signed(folder, manifest, read_trusted(keys))


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
