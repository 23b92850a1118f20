"""A budget: the limits of what a variant may cost on a device, and the margin to each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from recpress_edge.core.units import format_bytes, format_ns, format_share


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one variant costs on one device, and what it gives. None: not known."""

    file_bytes: float | None
    p95_ns: float | None
    """95th percentile of the time the model takes for one query."""
    peak_bytes: float | None
    """Peak memory of the whole process that loaded the model and answered every query (VmHWM)."""
    bundle_bytes: float | None = None
    """Of every file that the bundle lists: what travels to a device."""
    p50_ns: float | None = None
    p99_ns: float | None = None
    instructions_p50: float | None = None
    """Median of the instructions of a query, where instructions were counted and not time."""
    paced_p95_ns: float | None = None
    """The same as p95_ns, of queries that each came after a pause."""
    flash_bytes: float | None = None
    """Code and model on a microcontroller."""
    ram_bytes: float | None = None
    """Of a microcontroller, without the seen items that it is asked with."""
    estimated: frozenset[str] = frozenset()
    """Fields that were computed and not measured."""
    recall: float | None = None
    """Recall@cutoff."""
    recall_at_10: float | None = None
    ndcg_at_10: float | None = None
    auc: float | None = None
    """Of a click bundle on its test rows."""
    cutoff: int | None = None
    """The K by which the data is judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits that must hold, each inclusive. None: no limit."""

    max_file_bytes: int | None = None
    max_bundle_bytes: int | None = None
    max_p95_ns: int | None = None
    max_peak_bytes: int | None = None
    max_p50_ns: int | None = None
    max_p99_ns: int | None = None
    max_instructions_p50: int | None = None
    max_paced_p95_ns: int | None = None
    max_flash_bytes: int | None = None
    max_ram_bytes: int | None = None
    min_recall: float | None = None
    """Of Recall@K, at the K that judges the data: 50 but for small catalogues."""
    min_recall_at_10: float | None = None
    min_ndcg_at_10: float | None = None
    min_auc: float | None = None

    @property
    def limited(self) -> bool:
        """True when at least one limit is set."""
        return bool(_set(self))

    def __str__(self) -> str:
        parts = [
            f"{limit.title} {'≥' if limit.least else '≤'} {limit.form(bound)}" for limit, bound in _set(self)
        ]
        return ", ".join(parts) or "none"


@dataclass(frozen=True, slots=True)
class LimitKind:
    """One kind of limit: the field of a cost, the field of a budget, and how both are written."""

    constraint: str
    field: str
    title: str
    form: Callable[[float], str]
    least: bool = False
    """True where more is better."""


LIMITS: Final = (
    LimitKind("file_bytes", "max_file_bytes", "file", format_bytes),
    LimitKind("bundle_bytes", "max_bundle_bytes", "bundle", format_bytes),
    LimitKind("p50_ns", "max_p50_ns", "p50", format_ns),
    LimitKind("p95_ns", "max_p95_ns", "p95", format_ns),
    LimitKind("p99_ns", "max_p99_ns", "p99", format_ns),
    LimitKind("paced_p95_ns", "max_paced_p95_ns", "paced p95", format_ns),
    LimitKind("peak_bytes", "max_peak_bytes", "peak memory", format_bytes),
    LimitKind("flash_bytes", "max_flash_bytes", "flash", format_bytes),
    LimitKind("ram_bytes", "max_ram_bytes", "RAM", format_bytes),
    LimitKind("instructions_p50", "max_instructions_p50", "instructions of a query", lambda n: f"{n:,.0f}"),
    LimitKind("recall", "min_recall", "Recall@K", format_share, least=True),
    LimitKind("recall_at_10", "min_recall_at_10", "Recall@10", format_share, least=True),
    LimitKind("ndcg_at_10", "min_ndcg_at_10", "NDCG@10", format_share, least=True),
    LimitKind("auc", "min_auc", "AUC", format_share, least=True),
)


def _set(budget: Budget) -> list[tuple[LimitKind, float]]:
    bounds = [(limit, getattr(budget, limit.field)) for limit in LIMITS]
    return [(limit, bound) for limit, bound in bounds if bound is not None]


@dataclass(frozen=True, slots=True)
class Check:
    """One limit held against one cost, in the limit's base unit."""

    kind: LimitKind
    limit: float
    found: float | None
    cutoff: int | None = None
    """The K of a Recall@K."""
    estimated: bool = False
    """Whether what was found was computed and not measured."""

    @property
    def constraint(self) -> str:
        """file_bytes, bundle_bytes, p95_ns, peak_bytes, …"""
        return self.kind.constraint

    @property
    def title(self) -> str:
        """The limit by name, and a Recall with its K."""
        return self.kind.title if self.cutoff is None else self.kind.title.replace("@K", f"@{self.cutoff}")

    @property
    def holds(self) -> bool:
        """False also when the cost is not known: nothing shows that it fits."""
        return self.margin is not None and self.margin >= 0

    @property
    def margin(self) -> float | None:
        """How much of the limit is left, in its base unit; negative when it is missed."""
        if self.found is None:
            return None
        return self.found - self.limit if self.kind.least else self.limit - self.found

    def __str__(self) -> str:
        kind, limit = self.kind, self.kind.form(self.limit)
        if self.found is None or self.margin is None:
            return f"{self.title} not known, limit {limit}"
        signs, words = (("≥", "<"), ("above", "below")) if kind.least else (("≤", ">"), ("left", "over"))
        broken = not self.holds
        by = f"({kind.form(abs(self.margin))} {words[broken]})"
        found = f"{kind.form(self.found)}{' (estimated)' if self.estimated else ''}"
        return f"{self.title} {found} {signs[broken]} {limit} {by}"


def checks(cost: Cost, budget: Budget) -> tuple[Check, ...]:
    """Every limit that is set, held against the cost."""
    return tuple(
        Check(
            limit,
            bound,
            getattr(cost, limit.constraint),
            cost.cutoff,
            estimated=limit.constraint in cost.estimated,
        )
        for limit, bound in _set(budget)
    )


def misses(cost: Cost, budget: Budget) -> tuple[Check, ...]:
    """The limits that do not hold."""
    return tuple(check for check in checks(cost, budget) if not check.holds)


def fits(cost: Cost, budget: Budget) -> bool:
    """True when every limit that is set holds."""
    return not misses(cost, budget)
