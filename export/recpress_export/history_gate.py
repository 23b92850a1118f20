"""What a history file may lose against the user table that it replaces."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recpress_edge.core.config import load_config, read_toml
from recpress_export.parity import GATES, Parity


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryGate:
    """Limits as shares of what the user table reaches; see export.toml."""

    max_recall_share: float
    max_ndcg_share: float
    lost_users: int

    def allowed_loss(self, metric: str, before: float, n_users: int) -> float:
        """Largest mean loss of a metric over so many users: hits of a few may be lost, but not most hits."""
        share = self.max_recall_share if metric.startswith("recall") else self.max_ndcg_share
        return max(share * before, min(self.lost_users / n_users, before / 2))


def load_history_gate(path: Path = GATES) -> HistoryGate:
    """The limits that are shipped."""
    return load_config(HistoryGate, read_toml(path)["history"], f"{path.name} [history]")


def history_failure(beside: Parity, gate: HistoryGate) -> str | None:
    """What the file loses against the user table beyond its limit; None where the gate is met."""
    for metric, change in beside.change.items():
        loss, allowed = -change.delta.mean, gate.allowed_loss(metric, change.before, beside.users)
        if not loss <= allowed:
            kind, _, k = metric.partition("@")
            name = {"recall": "Recall", "ndcg": "NDCG"}[kind]
            return (
                f"from their train items {beside.users} validation users get {name}@{k} "
                f"{change.after:.4f}, by the user table {change.before:.4f}: it loses {loss:.4f}, allowed "
                f"{allowed:.4f} by max_{kind}_share ({GATES.name} [history])"
            )
    return None


def history_gate_facts(gate: HistoryGate, beside: Parity, failure: str | None) -> dict[str, Any]:
    """The gate, what it allowed and what came of it, as plain JSON."""
    allowed = {
        f"allowed_{metric.partition('@')[0]}_loss": gate.allowed_loss(metric, change.before, beside.users)
        for metric, change in beside.change.items()
    }
    return dataclasses.asdict(gate) | allowed | {"met": failure is None, "failure": failure}
