"""The last change of a bundle taken back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.device.opening import AnyBundle, open_any
from recpress_export.update.versions import previous_path, roll_back, stable_path


@dataclass(frozen=True, slots=True)
class RollbackPlan:
    """The two folders that would be exchanged."""

    bundle: Path
    previous: Path

    def facts(self) -> dict[str, Any]:
        """What ``--dry-run --json`` prints."""
        return {"dry_run": True, "bundle": str(self.bundle), "previous": str(self.previous)}


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """The version that is in place now."""

    bundle: AnyBundle
    set_aside: Path
    was: str | None
    """Digest of the version that was in place; None where it was damaged or missing."""

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        bundle = self.bundle
        return {"bundle": str(bundle.folder), "sha256": bundle.digest, "set_aside_sha256": self.was}


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRequest:
    """``recpress-edge bundle rollback``."""

    bundle: Path
    guard: Guard = STANDARD
    trust: Trust = ANYBODY
    """Whose bundles may come back."""

    def plan(self) -> RollbackPlan:
        """The folders that :meth:`run` exchanges; nothing is written, and no model is run.

        ConfigError where there is no version before, ArtifactError where it is not taken.
        """
        where = previous_path(stable_path(self.bundle))
        if not where.is_dir():
            raise ConfigError(f"there is no version before {self.bundle}: {where} does not exist")
        open_any(where, self.trust)
        return RollbackPlan(self.bundle, where)

    def run(self, on_event: OnEvent = silent) -> RollbackResult:
        """Exchange the bundle with the version before, after that passed its self-test."""
        bundle, was = roll_back(self.bundle, self.guard, self.trust)
        return RollbackResult(bundle, previous_path(bundle.folder), was)
