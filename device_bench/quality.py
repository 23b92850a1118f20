"""Recall and NDCG of a bundle's answers over its evaluation users."""

import hashlib
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.core.arrays import I64
from recpress_edge.core.metrics import (
    CUTOFFS,
    RECALL_DEFINITION,
    ndcg_at_k,
    recall_at_k,
    reported_cutoffs,
    stated_cutoff,
    telling_cutoff,
    without_certain,
)
from recpress_edge.device.query import Answer
from recpress_edge.device.verify import Verified

LIST_LENGTH: Final = max(CUTOFFS)
"""Items of each evaluation user that are ranked."""


def ranking_quality(verified: Verified, keep: Callable[[Answer], None] = lambda _: None) -> dict[str, Any]:
    """Recall and NDCG over every evaluation user, and a digest of the ranked ids.

    Without evaluation rows the self-test's queries are ranked, and there are no metrics: ``users`` is 0.
    ``keep`` takes each answer.
    """
    asked = verified.asked
    topk = np.full((asked.users.size, LIST_LENGTH), -1, np.int64)  # -1 is no item, so never a hit
    ids = hashlib.sha256()
    for row in range(asked.users.size):
        items, scores = verified.runtime.recommend(asked.user(row), asked.seen(row), LIST_LENGTH)
        keep((items, scores))
        topk[row, : items.size] = items
        ids.update(items.astype("<i8").tobytes())
    if verified.evaluation is None:
        return {
            "cutoff": stated_cutoff(verified.bundle.quality),
            "definition": RECALL_DEFINITION,
            "split": None,
            "users": 0,
            "ids_sha256": ids.hexdigest(),
        }
    contract, evaluation = verified.bundle.contract, verified.evaluation
    candidates = evaluation.candidates(contract.n_items, contract.retired)
    cutoff = telling_cutoff(verified.bundle.quality, candidates)
    return {
        **ranking_metrics(topk, evaluation, candidates, cutoff),
        "cutoff": cutoff,
        "definition": RECALL_DEFINITION,
        "split": "test",
        "users": int(candidates.size),
        "ids_sha256": ids.hexdigest(),
    }


def ranking_metrics(
    topk: I64, evaluation: Evaluation, candidates: I64, cutoff: int
) -> dict[str, float | None]:
    """recall@K and ndcg@K for every cut-off, None for a Recall that is 1 by necessity.

    topk (B, 50), padded with -1; candidates (R,): of the users with a relevant item.
    """
    relevant = [evaluation.relevant(row).tolist() for row in range(evaluation.users.size)]
    cutoffs = reported_cutoffs(cutoff)
    metrics = {f"recall@{k}": recall_at_k(topk[:, :k], relevant) for k in cutoffs}
    metrics |= {f"ndcg@{k}": ndcg_at_k(topk[:, :k], relevant) for k in cutoffs}
    return without_certain(metrics, candidates)
