"""What a file may lose: a recipe against its reference, a history against the user table that it replaces."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Final

from recpress_edge.core.config import load_config, read_toml
from recpress_edge.core.errors import GateError
from recpress_edge.core.metrics import metric_title
from recpress_export.compare import Change, Parity

GATES: Final = Path(__file__).with_name("export.toml")
ERRORS: Final = 1.0
"""Standard errors of the paired differences by which a loss may be above its limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a recipe may lose; see export.toml."""

    min_overlap: float
    max_recall_loss: float
    max_ndcg_loss: float
    max_item_shift: float
    lost_users: int

    def allowed_loss(self, metric: str, before: float, n_users: int, noise: float = 0.0) -> float:
        """Largest mean loss of a metric over so many users; at most half of what there is.

        ``noise``: what the draw of the users may add to a loss.
        """
        limit = self.max_recall_loss if metric.startswith("recall") else self.max_ndcg_loss
        return min(max(limit + noise, self.lost_users / n_users), before / 2)

    def allowed_shift(self, n_users: int) -> float:
        """Largest share of so many users whose list one item may enter or leave; never all of several."""
        allowed = max(self.max_item_shift, self.lost_users / n_users)
        return min(allowed, (n_users - 1) / n_users) if n_users > 1 else allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryGate:
    """Limits as shares of what the user table reaches; see export.toml."""

    max_recall_share: float
    max_ndcg_share: float
    lost_users: int

    def allowed_loss(self, metric: str, before: float, n_users: int, noise: float = 0.0) -> float:
        """Largest mean loss of a metric over so many users: hits of a few may be lost, but not most hits.

        ``noise``: what the draw of the users may add to a loss.
        """
        limit = before * (self.max_recall_share if metric.startswith("recall") else self.max_ndcg_share)
        return max(limit, min(max(limit + noise, self.lost_users / n_users), before / 2))


def load_gate(recipe: str, path: Path | None = None) -> Gate:
    """The gate of a recipe, of export.toml unless another file is named."""
    where = path or GATES
    return load_config(Gate, read_toml(where)["gate"][recipe], f"{where.name} [gate.{recipe}]")


def load_history_gate(path: Path | None = None) -> HistoryGate:
    """The limits of export.toml, unless another file is named."""
    where = path or GATES
    return load_config(HistoryGate, read_toml(where)["history"], f"{where.name} [history]")


def gate_failure(parity: Parity, gate: Gate, recipe: str) -> str | None:
    """The figure that is below the gate, its limit and the limit's key; None where the gate is met."""
    where, k = f"({GATES.name} [gate.{recipe}])", parity.cutoff
    if parity.certain:
        return (
            f"it could not fail: none of the {parity.users} validation users has more than {k} items "
            f"to rank, so overlap@{k} and Recall@{k} are 1 for any file"
        )
    overlap = parity.overlap[f"overlap@{k}"].mean
    if not overlap >= gate.min_overlap:
        return f"overlap@{k} {overlap:.4f} < min_overlap {gate.min_overlap} {where}"
    allowed = gate.allowed_shift(parity.users)
    if not parity.item_shift <= allowed:
        return (
            f"an item enters or leaves the first {k} of {100 * parity.item_shift:.1f} % of "
            f"{parity.users} validation users, allowed {100 * allowed:.1f} % by max_item_shift {where}"
        )
    return next(
        (
            f"{metric_title(metric)} loses {loss:.4f} on {parity.users} validation users, "
            f"allowed {limit:.4f} by max_{_kind(metric)}_loss {where}"
            for metric, loss, limit in _losses(parity, gate)
        ),
        None,
    )


def history_failure(parity: Parity, gate: HistoryGate) -> str | None:
    """What the file loses against the user table beyond its limit; None where the gate is met."""
    for metric, loss, limit in _losses(parity, gate)[:1]:
        change = parity.change[metric]
        return (
            f"from their train items {parity.users} validation users get {metric_title(metric)} "
            f"{change.after:.4f}, by the user table {change.before:.4f}: it loses {loss:.4f}, allowed "
            f"{limit:.4f} by max_{_kind(metric)}_share ({GATES.name} [history])"
        )
    return None


def _kind(metric: str) -> str:
    """recall or ndcg."""
    return metric.partition("@")[0]


def allowed_losses(changes: Mapping[str, Change], n_users: int, gate: Gate | HistoryGate) -> dict[str, float]:
    """Largest mean loss of each metric: its limit, and what the draw of the users may add to it.

    The users are a sample, of whom rounding moves relevant items over the end of a list both ways: one draw
    of them adds a standard error of the paired differences, :data:`ERRORS` times.
    """
    times = ERRORS / NormalDist().inv_cdf(0.975)  # of half a 95 % interval
    return {
        metric: gate.allowed_loss(
            metric, change.before, n_users, times * (change.delta.high - change.delta.low) / 2
        )
        for metric, change in changes.items()
    }


def _losses(parity: Parity, gate: Gate | HistoryGate) -> list[tuple[str, float, float]]:
    """Metrics that lose more than they may, with the loss and the limit."""
    allowed = allowed_losses(parity.change, parity.users, gate)
    losses = {metric: -change.delta.mean for metric, change in parity.change.items()}
    return [(m, loss, allowed[m]) for m, loss in losses.items() if not loss <= allowed[m]]  # NaN too


def with_gate(
    parity: Parity, gate: Gate | HistoryGate, failure: str | None, *, overruled: bool | None = None
) -> dict[str, Any]:
    """The figures, the gate, what it allowed, and what came of it, as plain JSON.

    ``overruled``: whether --force publishes below this gate; None where another gate states it.
    """
    allowed = allowed_losses(parity.change, parity.users, gate)
    facts = dataclasses.asdict(gate) | {"allowed_loss": allowed, "met": failure is None, "failure": failure}
    if overruled is not None:
        facts["overruled"] = failure is not None and overruled
    return parity.facts() | {"gate": facts}


def gate_error(failure: str, recipe: str, *, of_history: bool = False) -> GateError:
    """The error of a gate that is not met; ``of_history``: the ranking is lost before any rounding."""
    if of_history:
        advice = " --profile all-users holds the user table itself; another seed or dim may lose less."
    elif recipe == "fp32":
        advice = ""
    else:
        advice = " A plain export (fp32) keeps the ranking; so may another recipe, seed or dim."
    return GateError(
        f"parity gate failed: {failure}.{advice} --force publishes it all the same, and the bundle says so."
    )
