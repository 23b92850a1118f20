"""A lean bundle from a full one: the files that an application reads, and the digest of the proof."""

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.bundle import MANIFEST, Bundle
from recpress_edge.artifacts.clicks.bundle import ClickBundle
from recpress_edge.artifacts.clicks.selftest import selftest_bytes, untouched
from recpress_edge.artifacts.contract import ALL_USERS, contract_facts
from recpress_edge.artifacts.manifest import LEAN, Full, full_of, refuse_lean, write_facts
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.artifacts.selftest import SELFTEST_FILE
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.artifacts.two_stages.bundle import TwoStageBundle
from recpress_edge.artifacts.two_stages.selftest import left_out
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import check_ours, new_directory, read_json, write_atomic
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.device.opening import AnyBundle, open_any, self_test_any
from recpress_export.lean.keep import kept_files
from recpress_export.lean.questions import covering, short_click, short_stages, shortened
from recpress_export.lean.scores import write_order_only

SUFFIX: Final = "-lean"
_KIND: Final[Mapping[type, str]] = {ClickBundle: "a click model", TwoStageBundle: "two stages"}


@dataclass(frozen=True, slots=True)
class Stripped:
    """A lean bundle beside its full one."""

    full: AnyBundle
    lean: AnyBundle
    queries: int
    """Of its self-test."""
    unchanged: bool
    """An identical bundle was at the target already and was left alone."""

    @property
    def left_out(self) -> tuple[str, ...]:
        """Files of the full bundle that the lean one does not have."""
        return tuple(sorted({*self.full.files} - {*self.lean.files}))


def lean_path(folder: Path) -> Path:
    """Where the lean form of a bundle goes, if nobody says where."""
    folder = folder.resolve() if folder.name in ("", ".", "..") else folder
    return folder.parent / f"{folder.name}{SUFFIX}"


def check_strip(folder: Path, target: Path, *, order_only: bool, trust: Trust = ANYBODY) -> AnyBundle:
    """The full bundle, when it can be stripped to the target; ConfigError where it is lean already."""
    full = open_any(folder, trust)
    refuse_lean(folder, full.provenance, "nothing is left to strip")
    if order_only and not isinstance(full, Bundle):
        raise ConfigError(
            f"--order-only: {folder} is the bundle of {_KIND[type(full)]}, whose scores have no scale of "
            "each user. Leave it out."
        )
    if order_only and isinstance(full, Bundle) and not _has_scales(full):
        raise ConfigError(
            f"--order-only: {folder} is a {full.contract.profile} file of recipe {full.contract.recipe}, "
            "which holds no scale of each user, so there is none to leave out. Leave the flag out."
        )
    if target.resolve() == folder.resolve():
        raise ConfigError(
            f"--out {target} is the bundle itself, which holds the proof. Choose another --out."
        )
    check_ours(target, MANIFEST)
    return full


def _has_scales(full: Bundle) -> bool:
    """Whether the file holds a scale of each user."""
    known = RECIPES.get(full.contract.recipe)
    tables = not full.provenance.get("network") and full.contract.profile == ALL_USERS
    return tables and known is not None and known.user_extra_bytes > 0


def strip_bundle(
    folder: Path,
    target: Path,
    *,
    order_only: bool = False,
    force: bool = False,
    guard: Guard = STANDARD,
    trust: Trust = ANYBODY,
) -> Stripped:
    """Write, test and publish the lean form of a bundle at ``target``; the full one stays as it is.

    Both answer their self-tests in workers within the ``guard``'s limits. ``order_only`` writes the model
    anew, and runs it in this process too, once its graph is known to be the one that this version writes.
    """
    full = check_strip(folder, target, order_only=order_only, trust=trust)
    self_test_any(folder, guard, Trust(digest=full.digest))
    unchanged = False
    with contextlib.suppress(_ThereAlreadyError), new_directory(target, force=True) as draft:
        _fill(draft, full, order_only=order_only)
        made, _ = self_test_any(draft, guard)
        if target.exists() and not (force and _digest_at(target) != made.digest):
            unchanged = _is_there(target, made.digest)
            raise _ThereAlreadyError
    lean = open_any(target)
    return Stripped(full, lean, _queries(lean), unchanged)


def is_lean_of(target: Path, full: AnyBundle) -> bool:
    """Whether a lean form of that very bundle is at the target."""
    try:
        there = full_of(open_any(target).provenance)
    except ArtifactError:
        return False
    return there is not None and there.digest == full.digest


class _ThereAlreadyError(Exception):
    """Raised to stop when an identical bundle already exists."""


def _digest_at(target: Path) -> str:
    """Of the bundle that is there; empty where none is, or a damaged one."""
    try:
        return open_any(target).digest
    except ArtifactError:
        return ""


def _is_there(target: Path, digest: str) -> bool:
    """True where the target is that bundle; ConfigError where it is anything else."""
    if _digest_at(target) != digest:
        raise ConfigError(
            f"{target} exists and differs from what would be written. Choose another --out, or add --force "
            "to replace it."
        )
    return True


def _fill(draft: Path, full: AnyBundle, *, order_only: bool) -> None:
    """All files of the lean bundle, the manifest last."""
    manifest = read_json(full.folder / MANIFEST)
    contract, selftest = manifest["contract"], _selftest(full)
    if order_only and isinstance(full, Bundle):
        stated, answers = write_order_only(full, draft)
        contract, selftest = contract_facts(stated), shortened(answers).to_bytes()
    kept = kept_files(full.files, contract)
    for name in kept:
        if not (draft / name).exists():
            shutil.copyfile(full.folder / name, draft / name)
    write_atomic(draft / SELFTEST_FILE, selftest)
    dropped = tuple(sorted({*full.files} - {*kept, SELFTEST_FILE}))
    proof = Full(full.name, full.digest, full.total_bytes, _queries(full), dropped)
    facts = {
        "name": full.name + SUFFIX,
        "contract": contract,
        "provenance": {**full.provenance, LEAN: proof.facts()},
        "quality": _quality(full),
    }
    write_facts(draft, manifest["schema"], facts, indent=None)


def _queries(bundle: AnyBundle) -> int:
    test = bundle.selftest()
    return len(test) if isinstance(test, tuple) else len(test.users)


def _selftest(full: AnyBundle) -> bytes:
    """A few of the full self-test's questions, which leave out nothing that a reader insists on."""
    if isinstance(full, Bundle):
        return shortened(full.selftest()).to_bytes()
    if isinstance(full, ClickBundle):
        fields = full.contract.fields
        asked = covering(full.selftest(), lambda some: untouched(fields, some))
        return selftest_bytes([short_click(one) for one in asked])
    stages = full.contract
    kept = covering(full.selftest(), lambda some: left_out(stages, some))
    return selftest_bytes([short_stages(one) for one in kept])


def _quality(full: AnyBundle) -> Mapping[str, Any]:
    """What judges answers, and parity where its gate was overruled; other figures stay with the proof."""
    if not isinstance(full, Bundle):
        return full.quality
    overruled = full.quality.get("parity", {}).get("gate", {}).get("overruled")
    kept = ("cutoff", "definition", *(("parity",) if overruled else ()))
    return {name: full.quality[name] for name in kept if name in full.quality}
