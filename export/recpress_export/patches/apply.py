"""A patch applied to the bundle that a device has: whole or not at all, and the version before is kept."""

from dataclasses import dataclass
from pathlib import Path

from recpress_edge.artifacts.manifest import MANIFEST
from recpress_edge.artifacts.patch.header import Patch, read_patch
from recpress_edge.artifacts.patch.index import damaged
from recpress_edge.artifacts.patch.unpack import unpack
from recpress_edge.artifacts.trust.keys import PublicKey, read_trusted
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import storage_errors
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.device.opening import AnyBundle, open_any, self_test_any
from recpress_export.update.versions import next_version, note_step, stable_path


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """What a device asks of a patch."""

    trust: Trust = ANYBODY
    """Whose patches are taken, and which bundle they must make."""
    guard: Guard = STANDARD
    """Limits of the process that tests the new version."""
    self_test: bool = True
    """Ask the new version before it takes the place; else its digests are all that is checked."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The bundle that is in place."""

    bundle: AnyBundle
    base: str
    """Digest of the version that the patch starts from."""
    key: PublicKey | None
    """Who signed the patch; None where nobody asked."""
    changed: int
    """Files that were written; 0 where the patch had been applied before."""


def checked_patch(path: Path, trust: Trust) -> tuple[Patch, PublicKey | None]:
    """The patch in a file and its signer; ArtifactError where it is damaged, or signed by nobody trusted."""
    patch = read_patch(path)
    key = None if trust.keys is None else patch.check_signed(read_trusted(trust.keys))
    return patch, key


def check_base(folder: Path, patch: Patch, trust: Trust) -> tuple[AnyBundle, bool]:
    """The bundle in a folder, and whether it is what the patch makes; ArtifactError if it is for another."""
    trust.check_digest(patch.path, patch.head.target)
    old = open_any(folder)
    if old.digest == patch.head.target:
        return open_any(folder, trust), True
    if old.digest != patch.head.base:
        raise ArtifactError(
            f"{patch.path} is for another bundle: it starts from {patch.head.base[:16]}…, and {folder} is "
            f"{old.digest[:16]}…. Nothing was changed; make one from this version with recpress-edge bundle "
            "diff.",
            fault="digest",
        )
    return old, False


def apply_patch(folder: Path, path: Path, options: ApplyOptions) -> Applied:
    """Make the new version beside the bundle, check all of it, and exchange the two in one step.

    The bundle stays as it was on any error, and when the process is killed; the same call then starts over.
    Applied before, nothing is done. ArtifactError, StorageError and what ``self_test_any`` raises.
    """
    folder = stable_path(folder)
    patch, key = checked_patch(path, options.trust)
    old, done = check_base(folder, patch, options.trust)
    if done:
        return Applied(old, patch.head.base, key, 0)
    sizes = {name: int(facts["bytes"]) for name, facts in old.files.items()}
    sizes[MANIFEST] = (folder / MANIFEST).stat().st_size
    with next_version(old) as draft:
        with storage_errors(folder):
            changed = unpack(patch, folder, sizes, draft)
        made = open_any(draft)
        if made.digest != patch.head.target:
            raise damaged(f"it makes bundle {made.digest[:16]}…, and states {patch.head.target[:16]}…")
        if options.self_test:
            self_test_any(draft, options.guard, options.trust)
        else:
            open_any(draft, options.trust)
        note_step(folder, patch.head.base, patch.head.target)
    return Applied(open_any(folder), patch.head.base, key, len(changed))
