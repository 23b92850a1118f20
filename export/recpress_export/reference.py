"""What a file must answer, computed by numpy: in exact integers, or in float64. Asked as the file is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.fold_in import QuantizedHistory, fold_float, fold_rows
from recpress_edge.artifacts.quantize import F16, F32, QuantizedTables
from recpress_edge.device.query import NONE_RETIRED, Answer, Query, SeenItems, check_query, no_items
from recpress_edge.device.reference import best_unseen

_EXACT_FLOAT32: Final = 2**24
_ONE: Final = np.float32(1)

Scores = tuple[NDArray[Any], np.float32]
"""Scores (I,) as they are ranked, and the factor of the returned ones."""
UserRow = tuple[NDArray[Any], np.float32]
"""The row (D,) that the items are multiplied with, and the factor of the returned scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Ranks by ``scores_of`` a query: the best unseen items, ties to the lower index."""

    n_users: int
    """0 where the answer depends on the seen items alone."""
    n_items: int
    scores_of: Callable[[Query], Scores]
    sequence: bool = False
    """Whether the order of the seen items counts."""

    def recommend(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Answer:
        """(items (k,) int64, scores (k,) float32); ConfigError on an id out of range."""
        asked = check_query(user, seen, k, self.n_users, self.n_items, sequence=self.sequence)
        if not asked.k:
            return no_items()
        scores, factor = self.scores_of(asked)
        items = best_unseen(scores, asked.seen, NONE_RETIRED, asked.k)
        return items, scores[items].astype(np.float32) * factor


def exact_reference(tables: QuantizedTables, history: QuantizedHistory | None = None) -> Reference:
    """The integer answer, through float32 products where these are exact: every partial sum < 2^24.

    With a ``history`` the user's row is what that makes of the seen items.
    """
    kind = np.float32 if tables.item_q.shape[1] * 127 * 127 < _EXACT_FLOAT32 else np.float64
    items, row_scale = tables.item_q.astype(kind), tables.item_row_scale
    item_scale = None if row_scale is None else row_scale.astype(np.float32)

    def row_of(asked: Query) -> UserRow:
        if history is None:
            return tables.user_q[asked.user], tables.user_scale[asked.user]
        rows, factors = fold_rows(history, [asked.seen])
        return rows[0], factors[0]

    def scores_of(asked: Query) -> Scores:
        row, factor = row_of(asked)
        sums = items @ row.astype(kind)  # (I,)
        return (sums if item_scale is None else sums.astype(np.float32) * item_scale), factor

    return Reference(0 if history else len(tables.user_q), len(items), scores_of)


def float64_reference(user_emb: F32 | F16, item_emb: F32 | F16) -> Reference:
    """The answer of float tables with products in float64. user_emb (U, D), item_emb (I, D)."""
    users, items = user_emb.astype(np.float64), item_emb.astype(np.float64)
    return Reference(len(users), len(items), lambda asked: (items @ users[asked.user], _ONE))


def history_reference(history_emb: F32 | F16, prior: F32 | F16, item_emb: F32 | F16) -> Reference:
    """The float64 answer from a history. history_emb, item_emb (I, D), prior (D,)."""
    items = item_emb.astype(np.float64)
    return Reference(
        0, len(items), lambda asked: (items @ fold_float(history_emb, prior, [asked.seen])[0], _ONE)
    )
