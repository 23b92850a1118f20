"""What one request computes, without saying how any runtime spells it.

A writer turns each step into its own operators; what a step means is said here once:
a user's row -> scores of all items -> seen items excluded -> the k best -> their scale.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.bundle import Contract
from recpress_export.quantize import F32, QuantizedTables, Recipe

Table = NDArray[np.float32] | NDArray[np.int8]


@dataclass(frozen=True, slots=True, eq=False)
class LookUp:
    """row (D,) = table[user]."""

    table: Table
    """(U, D)"""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreAll:
    """scores (I,) = table · row, in float32, or exactly in int32 where the tables are int8."""

    table: Table
    """(I, D), of the same type as the looked-up row."""


@dataclass(frozen=True, slots=True)
class ExcludeSeen:
    """scores[seen] = value, which is below every score; ``seen`` may be empty or repeat itself."""

    value: float


@dataclass(frozen=True, slots=True)
class SelectTop:
    """The k best scores, best first, and their items; equal scores: lower item index first."""


@dataclass(frozen=True, slots=True, eq=False)
class ScaleScores:
    """scores (k,) float32 = scores · scale[user]."""

    scale: F32
    """(U,)"""


Step = LookUp | ScoreAll | ExcludeSeen | SelectTop | ScaleScores

INT32_LOWEST: Final = int(np.iinfo(np.int32).min)


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """The steps of a request in order, and the names and sizes that the contract gives them."""

    contract: Contract
    steps: tuple[Step, ...]


def describe(contract: Contract, user_emb: F32, item_emb: F32) -> Graph:
    """The request on float32 tables. user_emb (U, D), item_emb (I, D)."""
    return Graph(contract, (LookUp(user_emb), ScoreAll(item_emb), ExcludeSeen(-np.inf), SelectTop()))


def describe_int8(contract: Contract, tables: QuantizedTables) -> Graph:
    """The request on int8 tables: only the k returned scores ever become floats."""
    return Graph(
        contract,
        (
            LookUp(tables.user_q),
            ScoreAll(tables.item_q),
            ExcludeSeen(INT32_LOWEST),
            SelectTop(),
            ScaleScores(tables.user_scale),
        ),
    )


def contract_for(
    recipe: Recipe,
    *,
    model_file: str,
    file_format: str,
    n_users: int,
    n_items: int,
    dim: int,
    tolerance: float,
) -> Contract:
    """The contract of an all-users file. ``tolerance``: largest score error allowed, 0 when exact."""
    return Contract(
        model_file=model_file,
        format=file_format,
        recipe=recipe.name,
        profile="all-users",
        n_users=n_users,
        n_items=n_items,
        dim=dim,
        exact=recipe.exact,
        score_tolerance=tolerance,
    )
