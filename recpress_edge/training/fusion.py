"""Whether several teachers as one are worth more than the best of them."""

from collections.abc import Mapping, Sequence
from typing import Any


def below_member(
    metrics: Mapping[Any, Mapping[str, float | None]], members: Sequence[Mapping[str, Any]], cutoff: int
) -> dict[str, Any] | None:
    """The member that is better on validation than the ensemble, with both figures; None where none is.

    ``metrics`` by split, the ensemble's; ``members`` as its model.json has them. Compared by
    Recall@cutoff, or by NDCG@cutoff where that recall is 1 in whatever order.
    """
    mine = metrics.get("valid")
    rated = [member for member in members if "valid" in member["metrics"]]
    if not mine or not rated:
        return None
    metric = f"{'ndcg' if mine[f'recall@{cutoff}'] in (None, 1.0) else 'recall'}@{cutoff}"
    best = max(rated, key=lambda member: float(member["metrics"]["valid"][metric]))
    value, theirs = mine[metric], best["metrics"]["valid"][metric]
    if value is None or value >= theirs:
        return None
    return {
        "metric": metric,
        "value": value,
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
