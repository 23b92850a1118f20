"""What a trained model gives: tables, rankings, the rankings of its training. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from recpress_edge.core.arrays import F32, I32

RANKING_LENGTH: Final = 1000
"""Items of each user that a model without tables keeps; what is further down teaches nothing."""
RANKING_PLACES: Final = 2**27
"""Of all users together, an item and a score each: a gibibyte. More users have shorter lists."""
SHORTEST_RANKING: Final = 100
"""What a student reads by default."""


LARGE_SCORES: Final = 4_000_000_000
"""Users times items of tables whose product is not worth its rows."""


def ranking_length(n_users: int, n_items: int) -> int:
    """Length of the lists that a model without tables keeps of so many users."""
    fitting = max(RANKING_PLACES // max(n_users, 1), SHORTEST_RANKING)
    return min(RANKING_LENGTH, fitting, n_items)


def is_large(n_users: int, n_items: int) -> bool:
    """Whether ranks and lists of so many users and items come from parts of the product of their tables."""
    return n_users * n_items >= LARGE_SCORES


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """A factorised model: user_emb (U, D), item_emb (I, D), float32; score = user · item."""

    user_emb: F32
    item_emb: F32


@dataclass(frozen=True, slots=True, eq=False)
class StoredNetwork:
    """A trained network as its folder holds it: its architecture, and its parameters by name."""

    architecture: Mapping[str, Any]
    parameters: Mapping[str, F32]


@dataclass(frozen=True, slots=True, eq=False)
class Rankings:
    """Each user's best unobserved items (train items masked), best first, ties to the lower index.

    items (U, L) int32 and their scores (U, L) float32; where fewer exist, -1 and -inf at the end.
    """

    items: I32
    scores: F32

    def head(self, length: int) -> "Rankings":
        """The first ``length`` places, or all where there are fewer."""
        return Rankings(self.items[:, :length], self.scores[:, :length])


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """A teacher's rankings at a few points of its training, from early to final: C stages.

    items (C, U, L) int32: each user's best unobserved items, -1 where there are fewer; observed (C, nnz)
    int32: the rank of each train pair's item among its user's train items, in the order of the pairs.
    """

    items: I32
    observed: I32
    epochs: tuple[int, ...]
