"""Keys, and who signed a bundle: made, written and asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.manifest import MANIFEST
from recpress_edge.artifacts.trust.checks import check_signed
from recpress_edge.artifacts.trust.keys import (
    PublicKey,
    make_keys,
    public_path,
    read_private,
    read_trusted,
    short,
)
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.artifacts.trust.signature import SIGNATURE, Signed, read_signature, sign_bundle
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import check_there, sha256_bytes
from recpress_edge.device.opening import AnyBundle, open_any


@dataclass(frozen=True, slots=True, kw_only=True)
class KeygenRequest:
    """``recpress-edge bundle keygen``."""

    private: Path
    comment: str = ""
    passphrase: bytes | None = None

    @property
    def public(self) -> Path:
        """Where the public key is written."""
        return public_path(self.private)

    def run(self) -> PublicKey:
        """Write both keys; ConfigError where one of the files exists."""
        return make_keys(self.private, self.comment, self.passphrase)


@dataclass(frozen=True, slots=True)
class SignResult:
    """A bundle and its signature."""

    bundle: AnyBundle
    signed: Signed

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        bundle = self.bundle
        return {
            "bundle": str(bundle.folder),
            "name": bundle.name,
            "sha256": bundle.digest,
            "key": self.signed.key,
            "signature": str(bundle.folder / SIGNATURE),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SignRequest:
    """``recpress-edge bundle sign``."""

    bundle: Path
    key: Path
    passphrase: bytes | None = None
    force: bool = False
    """Replace another key's signature."""

    def run(self, *, dry_run: bool = False) -> SignResult:
        """Verify the bundle's digests, and write the signature over its manifest; its model is not run."""
        check_there(self.bundle, self.key)
        private = read_private(self.key, self.passphrase)
        where = self.bundle / MANIFEST
        bundle = open_any(self.bundle)
        manifest = where.read_bytes()
        signed = sign_bundle(self.bundle, private, manifest, dry_run=True)
        self._check_other(signed, manifest)
        if not dry_run:
            if open_any(self.bundle).digest != bundle.digest or where.read_bytes() != manifest:
                raise ArtifactError(f"{self.bundle} changed while it was being signed. Nothing was written.")
            sign_bundle(self.bundle, private, manifest)
        return SignResult(bundle, signed)

    def _check_other(self, signed: Signed, manifest: bytes) -> None:
        there = read_signature(self.bundle)
        current = there is not None and there.signed_sha256 == sha256_bytes(manifest)
        if there is not None and current and there.key != signed.key and not self.force:
            raise ConfigError(
                f"{self.bundle} is signed by another key, {short(there.key)}, and a bundle has one "
                "signature. Add --force to replace it."
            )


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """A whole bundle, and who signed it."""

    bundle: AnyBundle
    key: PublicKey | None
    """None where nobody asked for a signature."""

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        bundle = self.bundle
        return {
            "bundle": str(bundle.folder),
            "name": bundle.name,
            "sha256": bundle.digest,
            "files": len(bundle.files),
            "key": self.key.id if self.key else None,
            "comment": self.key.comment if self.key else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyRequest:
    """``recpress-edge bundle verify``."""

    bundle: Path
    trust: Trust

    def run(self) -> VerifyResult:
        """Check signature and digests; ArtifactError says why a bundle is not taken. Its model is not run."""
        if self.trust == ANYBODY:
            raise ConfigError(
                "verify needs --trusted FILE, the public keys whose bundles are taken, or --expect-digest "
                "HEX of the one bundle that is. recpress-edge inspect prints it."
            )
        check_there(self.bundle)
        trusted = read_trusted(self.trust.keys) if self.trust.keys else None
        bundle = open_any(self.bundle, self.trust)
        manifest = (self.bundle / MANIFEST).read_bytes()
        return VerifyResult(bundle, check_signed(self.bundle, manifest, trusted) if trusted else None)
