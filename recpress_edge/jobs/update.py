"""A bundle's catalogue, changed without training."""

import abc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.bundle import MANIFEST, open_bundle
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.files import check_free, check_ours, check_there
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.device.guard import STANDARD, Guard
from recpress_export.update.apply import Updated, check_apart, place_rows, update_bundle
from recpress_export.update.changes import Changes, read_changes, retirement


@dataclass(frozen=True, slots=True)
class UpdatePlan:
    """What an update would change."""

    changes: Changes
    n_items: int
    n_new: int
    """Rows that are appended or replaced."""
    clipped: int
    """Those of them that go beyond the range of the existing scales."""

    def facts(self) -> dict[str, Any]:
        """What ``--dry-run --json`` prints."""
        return {"dry_run": True, "n_items": self.n_items, "clipped_rows": self.clipped}


@dataclass(frozen=True, slots=True)
class UpdateResult:
    """A bundle with its changed catalogue."""

    changes: Changes
    updated: Updated

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        bundle = self.updated.bundle
        return {
            "bundle": str(bundle.folder),
            "name": bundle.name,
            "sha256": bundle.digest,
            "previous_sha256": self.updated.previous,
            "n_items": bundle.contract.n_items,
            "retired_items": len(bundle.contract.retired),
            "file_bytes": bundle.model_bytes,
            "bundle_bytes": bundle.total_bytes,
            "compared_scores": self.updated.compared_scores,
            "update": dict(self.updated.entry),
        }


def check_target(bundle: Path, out: Path | None, *, force: bool) -> None:
    """ConfigError where no bundle is there, or its changed form cannot go to ``out``; None: in its place."""
    check_there(bundle)
    if out is not None:
        check_apart(bundle, out)
        check_ours(out, MANIFEST)
        check_free(out, force=force)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRequest(abc.ABC):
    """A changed catalogue, whatever says what changes."""

    bundle: Path
    out: Path | None = None
    """None: in place; the version before is kept as ``<bundle>.previous``."""
    force: bool = False
    guard: Guard = STANDARD
    trust: Trust = ANYBODY
    """Whose bundles are changed."""

    def plan(self) -> UpdatePlan:
        """What :meth:`run` would change, or what it would raise; nothing is written."""
        changes = self._checked()
        _, placed, rows = place_rows(open_bundle(self.bundle, trust=self.trust), changes, force=self.force)
        return UpdatePlan(changes, len(placed.item_ids), len(placed.emb), int(rows.clipped.sum()))

    def run(self, on_event: OnEvent = silent) -> UpdateResult:
        """Write, check and publish the bundle with the changed catalogue."""
        changes = self._checked()
        updated = update_bundle(
            self.bundle, changes, self.out, force=self.force, guard=self.guard, trust=self.trust
        )
        return UpdateResult(changes, updated)

    @abc.abstractmethod
    def changes(self) -> Changes:
        """What is asked for; DataError where it cannot be read."""

    def _checked(self) -> Changes:
        check_target(self.bundle, self.out, force=self.force)
        return self.changes()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRequest(ChangeRequest):
    """``recpress-edge bundle update``."""

    items: Path
    """An npz with the ids and vectors to append, replace and retire."""

    def changes(self) -> Changes:
        """As the npz says."""
        check_there(self.items)
        return read_changes(self.items)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireRequest(ChangeRequest):
    """``recpress-edge bundle retire``."""

    ids: tuple[str, ...]
    """Items that are never to be recommended again."""

    def changes(self) -> Changes:
        """That those items are retired."""
        return retirement(self.ids)
