"""A published claim or a goal, and what our figures say of it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """A claim and what our figures say of it."""

    claim: str
    holds: bool
    evidence: str


def spread(values: Sequence[float]) -> str:
    """Least and greatest over the seeds, as tables show them."""
    return f"{min(values):.4f}–{max(values):.4f}" if len(values) > 1 else "one seed"
