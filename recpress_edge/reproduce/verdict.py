"""A published claim or a goal, and what our figures say of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """A claim and what our figures say of it."""

    claim: str
    holds: bool
    evidence: str
