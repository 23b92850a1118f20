"""The metrics that tables and verdicts of a search show, and how they are written."""

from typing import Final

from recpress_edge.core.metrics import HEAD_CUTOFF

_WRITTEN: Final = {"recall": "Recall", "ndcg": "NDCG"}


def shown_metrics(cutoff: int) -> tuple[str, ...]:
    """What every table and verdict shows: Recall@10, NDCG@10 and Recall at the K that judges."""
    return tuple(dict.fromkeys((f"recall@{HEAD_CUTOFF}", f"ndcg@{HEAD_CUTOFF}", f"recall@{cutoff}")))


def written(metric: str) -> str:
    """'recall@10' -> 'Recall@10'."""
    kind, _, k = metric.partition("@")
    return f"{_WRITTEN[kind]}@{k}"
