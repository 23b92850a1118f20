"""Whether several teachers as one are worth more than the best of them."""

from collections.abc import Mapping, Sequence
from typing import Any

from recpress_edge.training.settings import judged


def below_member(
    metrics: Mapping[str, float | None] | None, members: Sequence[Mapping[str, Any]], cutoff: int
) -> dict[str, Any] | None:
    """The member that is better on validation than the ensemble, with both figures; None where none is.

    ``metrics``: the ensemble's on validation, if it has any; ``members`` as its model.json has them.
    Compared as epochs are: by Recall@cutoff, where that is equal by NDCG@cutoff.
    """
    rated = [member for member in members if "valid" in member["metrics"]]
    if not metrics or not rated:
        return None
    best = max(rated, key=lambda member: judged(member["metrics"]["valid"], cutoff))
    theirs = best["metrics"]["valid"]
    if judged(metrics, cutoff) >= judged(theirs, cutoff):
        return None
    kind = "ndcg" if metrics[f"recall@{cutoff}"] == theirs[f"recall@{cutoff}"] else "recall"
    metric = f"{kind}@{cutoff}"
    return {
        "metric": metric,
        "value": metrics[metric],
        "member": best["name"],
        "seed": best["seed"],
        "member_value": theirs[metric],
    }


def below_member_words(name: str, below: Mapping[str, Any]) -> str:
    """The same in a sentence, with what to do."""
    return (
        f"{name} ranks worse than its member {below['member']}: valid {below['metric']} "
        f"{below['value']:.4f} against {below['member_value']:.4f}. Distil from {below['member']}, or leave "
        "out the weakest member."
    )
