"""Updates over the air: what differs between two bundles, and a bundle that such a patch changes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.manifest import MANIFEST
from recpress_edge.artifacts.trust.keys import PublicKey, read_private
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import check_free, check_there, write_atomic
from recpress_edge.core.registry import named
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.device.opening import AnyBundle, open_any
from recpress_export.patches.apply import Applied, ApplyOptions, apply_patch, check_base, checked_patch
from recpress_export.update.versions import previous_path


@dataclass(frozen=True, slots=True)
class DiffResult:
    """A patch, and what it is between."""

    old: AnyBundle
    new: AnyBundle
    out: Path
    made: Any
    """recpress_export.patches.make.MadePatch"""
    key: PublicKey | None

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "patch": str(self.out),
            "bytes": len(self.made.data),
            "base_sha256": self.old.digest,
            "target_sha256": self.new.digest,
            "new_bytes": self.new.total_bytes + (self.new.folder / MANIFEST).stat().st_size,
            "new_packed_bytes": self.made.new_packed,
            "key": None if self.key is None else self.key.id,
            "files": {
                file.name: {"how": file.how, "bytes": file.size, "packed": file.packed}
                for file in self.made.files
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffRequest:
    """``recpress-edge bundle diff``."""

    old: Path
    new: Path
    out: Path
    key: Path | None = None
    """Private key to sign the patch with, and the bundle that it makes."""
    passphrase: bytes | None = None
    force: bool = False
    trust: Trust = ANYBODY
    """Whose bundles are taken, both of them."""

    def check(self) -> tuple[AnyBundle, AnyBundle]:
        """Both bundles, verified; raises what :meth:`run` would, and writes nothing."""
        check_there(self.old, self.new, *([] if self.key is None else [self.key]))
        if self.out.is_dir():
            raise ConfigError(f"--out {self.out} is a folder, and a patch is one file. Choose another name.")
        check_free(self.out, force=self.force)
        old, new = open_any(self.old, self.trust), open_any(self.new, self.trust)
        named("recpress_export.patches.make:check_differ")(old, new)
        return old, new

    def run(self) -> DiffResult:
        """Write the patch."""
        old, new = self.check()
        private = None if self.key is None else read_private(self.key, self.passphrase)
        made = named("recpress_export.patches.make:make_patch")(old, new, private)
        write_atomic(self.out, made.data)
        raw = None if private is None else named("recpress_edge.artifacts.trust.ed25519:public_of")(private)
        return DiffResult(old, new, self.out, made, None if raw is None else PublicKey(raw))


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """A bundle at its new version."""

    applied: Applied

    @property
    def set_aside(self) -> Path:
        """Where the version before is kept."""
        return previous_path(self.applied.bundle.folder)

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        bundle, key = self.applied.bundle, self.applied.key
        return {
            "bundle": str(bundle.folder),
            "name": bundle.name,
            "sha256": bundle.digest,
            "previous_sha256": self.applied.base,
            "files_written": self.applied.changed,
            "key": None if key is None else key.id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """``recpress-edge bundle apply``."""

    bundle: Path
    patch: Path
    trust: Trust = ANYBODY
    guard: Guard = STANDARD
    self_test: bool = True

    def plan(self) -> dict[str, Any]:
        """What :meth:`run` would do, or what it would raise before it writes anything."""
        check_there(self.bundle, self.patch)
        patch, _ = checked_patch(self.patch, self.trust)
        old, done = check_base(self.bundle, patch, self.trust)
        return {"dry_run": True, "from": old.digest, "to": patch.head.target, "applied_before": done}

    def run(self) -> ApplyResult:
        """Apply the patch; on any error the bundle stays as it was."""
        check_there(self.bundle, self.patch)
        options = ApplyOptions(self.trust, self.guard, self.self_test)
        return ApplyResult(apply_patch(self.bundle, self.patch, options))
