"""What a file must answer, computed by numpy: in exact integers, or in float64. Asked as the file is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.integers import EXACT_FLOAT32, QMAX, rounded_rows
from recpress_edge.artifacts.quantize import QuantizedTables
from recpress_edge.artifacts.tanh_history import tanh_row
from recpress_edge.device.query import (
    NONE_RETIRED,
    Answer,
    Catalogue,
    Query,
    SeenItems,
    check_query,
    no_items,
)
from recpress_edge.device.reference import best_unseen

_ONE: Final = np.float32(1)

Scores = tuple[NDArray[Any], np.float32]
"""Scores (I,) as they are ranked, or the row (D,) that makes them; and the factor of the returned ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Ranks by ``scores_of`` a query: the best unseen items, ties to the lower index."""

    n_users: int
    """0 where the answer depends on the seen items alone."""
    n_items: int
    scores_of: Callable[[Query], Scores]
    sequence: bool = False
    """Whether the order of the seen items counts."""
    retired: NDArray[np.int64] = field(default_factory=lambda: NONE_RETIRED)
    """Items that are never recommended."""

    def recommend(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Answer:
        """(items (k,) int64, scores (k,) float32); ConfigError on an id out of range."""
        catalogue = Catalogue(self.n_users, self.n_items, self.retired, sequence=self.sequence)
        asked = check_query(user, seen, k, catalogue)
        if not asked.k:
            return no_items()
        scores, factor = self.scores_of(asked)
        items = best_unseen(scores, asked.seen, self.retired, asked.k)
        return items, scores[items].astype(np.float32) * factor


def table_reference(tables: Mapping[str, NDArray[Any]]) -> Reference:
    """The answer of a file's tables: exact where they are integers, else with products in float64.

    tables: under the names of recpress_edge.device.tables. Integers are multiplied as float32 where that
    is exact: every partial sum < 2^24.
    """
    exact, dim = tables["item_emb"].dtype == np.int8, tables["item_emb"].shape[1]
    kind = np.float32 if exact and dim * QMAX * QMAX < EXACT_FLOAT32 else np.float64
    items, users = tables["item_emb"].astype(kind), tables.get("user_emb")
    user_scale, item_scale = tables.get("user_scale"), tables.get("item_scale")
    wide_scale = None if item_scale is None else item_scale.astype(np.float32)

    def row_of(asked: Query) -> Scores:
        if users is not None:
            return users[asked.user], _ONE if user_scale is None else user_scale[asked.user]
        if "roots" in tables:
            total = tanh_row(tables, asked.seen)
        else:
            total = history_sum(tables, asked.seen, np.int64 if exact else np.float64)
        if not exact:
            return total, _ONE
        rows, peaks = rounded_rows(total[None])
        return rows[0], np.float32(peaks[0]) * np.float32(tables["step"])

    def scores_of(asked: Query) -> Scores:
        row, factor = row_of(asked)
        sums = items @ row.astype(kind)  # (I,)
        return (sums if wide_scale is None else sums.astype(np.float32) * wide_scale), factor

    n_users = 0 if users is None else len(users)
    return Reference(n_users, len(items), scores_of, sequence="age_weights" in tables)


def history_sum(tables: Mapping[str, NDArray[Any]], seen: NDArray[np.int64], wide: type) -> NDArray[Any]:
    """The sum (D,) of a history: every item alike, or the last ones by their age."""
    prior, rows, weights = tables["prior"], tables["history_emb"], tables.get("age_weights")
    if weights is None:
        return np.asarray(prior + rows[seen].sum(axis=0, dtype=wide))
    total: NDArray[Any] = prior.astype(wide) * weights[-1].astype(wide)
    for age, item in enumerate(seen[::-1][: len(weights) - 1]):
        total = total + rows[item].astype(wide) * weights[-2 - age].astype(wide)
    return total


def item_tables(tables: QuantizedTables) -> dict[str, NDArray[Any]]:
    """The integer items as :func:`table_reference` takes them."""
    scale = tables.item_row_scale
    return {"item_emb": tables.item_q, **({} if scale is None else {"item_scale": scale})}


def integer_tables(tables: QuantizedTables) -> dict[str, NDArray[Any]]:
    """The integer tables as :func:`table_reference` takes them."""
    return {"user_emb": tables.user_q, "user_scale": tables.user_scale, **item_tables(tables)}
