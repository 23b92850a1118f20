"""The one tie rule of a ranking: of equal scores the lower item index comes first."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import I32, Bool

Scores = NDArray[np.integer[Any]] | NDArray[np.floating[Any]]


def topk_unseen(scores: Scores, seen: Bool, k: int) -> I32:
    """Best k unseen items per user, best first; ties go to the lower item index.

    Ties need a rule: int8 scores collide, and two runtimes that break them
    differently would look like a lost recommendation.

    scores (B, I), seen (B, I) -> (B, k). Integer scores stay integers, so nothing is rounded.
    """
    order = np.lexsort((-_ordered(scores), seen), axis=1)  # unseen first, then best first; stable
    return order[:, :k].astype(np.int32)


def _ordered(scores: Scores) -> NDArray[np.int64] | NDArray[np.floating[Any]]:
    """Wide enough to negate: -(-2**31) does not fit in int32."""
    if np.issubdtype(scores.dtype, np.integer):
        return scores.astype(np.int64)
    return cast(NDArray[np.floating[Any]], scores)
