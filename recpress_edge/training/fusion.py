"""Whether several teachers as one are worth more than the best of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from recpress_edge.core.metrics import BALANCED, HEAD_CUTOFF, worth


def below_member(
    metrics: Mapping[str, float | None] | None, members: Sequence[Mapping[str, Any]], cutoff: int, by: str
) -> dict[str, Any] | None:
    """The member that is better on validation than the ensemble, with both figures; None where none is.

    ``metrics``: the ensemble's on validation, if it has any; ``members`` as its model.json has them.
    Compared as epochs are, by :func:`worth`.
    """
    rated = [member for member in members if "valid" in member["metrics"]]
    if not metrics or not rated:
        return None
    best = max(rated, key=lambda member: worth(member["metrics"]["valid"], cutoff, by))
    theirs, ours = (worth(of, cutoff, by) for of in (best["metrics"]["valid"], metrics))
    if ours >= theirs:
        return None
    first = int(ours[0] == theirs[0])  # which of the two figures tells them apart
    return {
        "metric": _name(metrics, cutoff, by) if not first else f"ndcg@{cutoff}",
        "value": ours[first],
        "member": best["name"],
        "seed": best["seed"],
        "member_value": theirs[first],
    }


def _name(metrics: Mapping[str, float | None], cutoff: int, by: str) -> str:
    """What the first figure of :func:`worth` is."""
    if metrics[f"recall@{cutoff}"] is None:
        return f"ndcg@{cutoff}"
    if by == BALANCED:
        return f"balance of recall@{cutoff} and ndcg@{min(HEAD_CUTOFF, cutoff)}"
    return by if "@" in by else f"{by}@{cutoff}"


def not_above_member(
    metrics: Mapping[str, float | None] | None, members: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """:func:`below_member` of click models, whose ensemble must be above its best member by AUC."""
    if not metrics:
        return None
    best = max(members, key=lambda member: member["metrics"]["valid"]["auc"])
    theirs, ours = best["metrics"]["valid"]["auc"], metrics["auc"]
    if ours is not None and ours > theirs:
        return None
    return {
        "metric": "AUC",
        "value": ours,
        "member": best["name"],
        "seed": best["seed"],
        "member_value": theirs,
    }


def below_member_words(name: str, below: Mapping[str, Any]) -> str:
    """The same in a sentence, with what to do."""
    return (
        f"{name} ranks worse than its member {below['member']}: valid {below['metric']} "
        f"{below['value']:.4f} against {below['member_value']:.4f}. Distil from {below['member']}, or leave "
        "out the weakest member."
    )
