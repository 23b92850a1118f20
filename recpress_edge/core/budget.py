"""A budget: what a variant may cost on a device, and by how much it keeps or breaks it."""

import dataclasses
from dataclasses import dataclass
from typing import Final

from recpress_edge.core.units import format_bytes, format_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one variant costs on one device. None: not known."""

    file_bytes: float | None
    p95_ns: float | None
    """95th percentile of the time the model takes for one query."""
    peak_bytes: float | None
    """Peak memory of the whole process that loaded the model and answered every query (VmHWM)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits that must hold, each inclusive. None: no limit."""

    max_file_bytes: int | None = None
    max_p95_ns: int | None = None
    max_peak_bytes: int | None = None

    @property
    def limited(self) -> bool:
        """True when at least one limit is set."""
        return any(getattr(self, field.name) is not None for field in dataclasses.fields(self))

    def __str__(self) -> str:
        parts = []
        if self.max_file_bytes is not None:
            parts.append(f"file ≤ {format_bytes(self.max_file_bytes)}")
        if self.max_p95_ns is not None:
            parts.append(f"p95 ≤ {format_ns(self.max_p95_ns)}")
        if self.max_peak_bytes is not None:
            parts.append(f"peak memory ≤ {format_bytes(self.max_peak_bytes)}")
        return ", ".join(parts) or "none"


@dataclass(frozen=True, slots=True)
class Check:
    """One limit held against one cost, in the limit's base unit."""

    constraint: str
    """file_bytes, p95_ns or peak_bytes."""
    limit: int
    found: float | None

    @property
    def holds(self) -> bool:
        """False also when the cost is not known: what was not measured was not shown to fit."""
        return self.found is not None and self.found <= self.limit

    @property
    def margin(self) -> float | None:
        """How much of the limit is left, in its base unit; negative when it is missed."""
        return None if self.found is None else self.limit - self.found

    def __str__(self) -> str:
        title, form = _SHOWN[self.constraint]
        if self.found is None or self.margin is None:
            return f"{title} not known, limit {form(self.limit)}"
        if self.holds:
            return f"{title} {form(self.found)} ≤ {form(self.limit)} ({form(self.margin)} left)"
        return f"{title} {form(self.found)} > {form(self.limit)} ({form(-self.margin)} over)"


_SHOWN: Final = {
    "file_bytes": ("file", format_bytes),
    "p95_ns": ("p95", format_ns),
    "peak_bytes": ("peak memory", format_bytes),
}


def checks(cost: Cost, budget: Budget) -> tuple[Check, ...]:
    """Every limit that is set, held against the cost."""
    limits = {
        "file_bytes": budget.max_file_bytes,
        "p95_ns": budget.max_p95_ns,
        "peak_bytes": budget.max_peak_bytes,
    }
    return tuple(
        Check(name, limit, getattr(cost, name)) for name, limit in limits.items() if limit is not None
    )


def misses(cost: Cost, budget: Budget) -> tuple[Check, ...]:
    """The limits that do not hold."""
    return tuple(check for check in checks(cost, budget) if not check.holds)


def fits(cost: Cost, budget: Budget) -> bool:
    """True when every limit that is set holds."""
    return not misses(cost, budget)
