"""A bundle with nothing in it that only the proof needs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.files import check_free, check_there
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.device.opening import AnyBundle
from recpress_export.lean.strip import Stripped, check_strip, is_lean_of, lean_path, strip_bundle


@dataclass(frozen=True, slots=True)
class StripPlan:
    """What would be stripped, and where it would go."""

    full: AnyBundle
    target: Path

    def facts(self) -> dict[str, Any]:
        """What ``--dry-run --json`` prints."""
        return {"dry_run": True, "full": str(self.full.folder), "bundle": str(self.target)}


@dataclass(frozen=True, slots=True)
class StripResult:
    """A lean bundle beside its full one."""

    stripped: Stripped

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        full, lean = self.stripped.full, self.stripped.lean
        return {
            "bundle": str(lean.folder),
            "name": lean.name,
            "sha256": lean.digest,
            "unchanged": self.stripped.unchanged,
            "file_bytes": lean.model_bytes,
            "bundle_bytes": lean.total_bytes,
            "scores": getattr(lean.contract, "scores", "") or "as in the full bundle",
            "selftest_queries": self.stripped.queries,
            "files": {name: int(facts["bytes"]) for name, facts in lean.files.items()},
            "left_out": {name: int(full.files[name]["bytes"]) for name in self.stripped.left_out},
            "full": {
                "bundle": str(full.folder),
                "name": full.name,
                "sha256": full.digest,
                "file_bytes": full.model_bytes,
                "bundle_bytes": full.total_bytes,
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class StripRequest:
    """``recpress-edge bundle strip``."""

    bundle: Path
    out: Path | None = None
    """None: beside the bundle, with ``-lean`` behind its name."""
    order_only: bool = False
    """Leave out users' scales: the order of the items stays, scores are not to be shown."""
    force: bool = False
    guard: Guard = STANDARD
    trust: Trust = ANYBODY
    """Whose full bundle is taken."""

    @property
    def target(self) -> Path:
        """Where the lean bundle goes."""
        return self.out or lean_path(self.bundle)

    def plan(self) -> StripPlan:
        """What :meth:`run` would strip, or what it would raise; nothing is written."""
        check_there(self.bundle)
        full = check_strip(self.bundle, self.target, order_only=self.order_only, trust=self.trust)
        if not is_lean_of(self.target, full):
            check_free(self.target, force=self.force)
        return StripPlan(full, self.target)

    def run(self, on_event: OnEvent = silent) -> StripResult:
        """Write, test and publish the lean bundle; the full one stays as it is."""
        check_there(self.bundle)
        return StripResult(
            strip_bundle(
                self.bundle,
                self.target,
                order_only=self.order_only,
                force=self.force,
                guard=self.guard,
                trust=self.trust,
            )
        )
