"""What a trained model hands on: its tables, or its rankings where no two tables make them. No torch here."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from recpress_edge.data.interactions import Interactions

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]

RANKING_LENGTH: Final = 1000
"""Items of each user that a model without tables keeps; what is further down teaches nothing."""

Knowledge = Literal["embeddings", "product", "rankings", "trajectories"]
"""Embeddings are rows for users and items; a product is embeddings whose product is the score."""


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """A factorised model: user_emb (U, D), item_emb (I, D), float32; score = user · item."""

    user_emb: F32
    item_emb: F32


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


@dataclass(frozen=True, slots=True, eq=False)
class Teacher:
    """What a student is given: at least one of tables and rankings."""

    name: str
    tables: Tables | None = None
    rankings: Rankings | None = None
    trajectory: Trajectory | None = None
    """Only of a teacher that was asked for it."""
    features: Tables | None = None
    """Rows of a network that stand for its users and items, though their product is no score."""

    def has(self, what: Knowledge) -> bool:
        """Rankings can be had of every teacher, embeddings of those with rows for users and items."""
        if what == "trajectories":
            return self.trajectory is not None
        if what == "product":
            return self.tables is not None
        return what == "rankings" or self.tables is not None or self.features is not None

    def embeddings(self) -> Tables:
        """The rows of a teacher that has them; that it does is checked where names are read."""
        rows = self.tables or self.features
        assert rows is not None
        return rows

    def product(self) -> Tables:
        """The tables whose product is the score, of a teacher that has them."""
        assert self.tables is not None
        return self.tables

    def stages(self) -> Trajectory:
        """The trajectory of a teacher that was trained with it."""
        assert self.trajectory is not None
        return self.trajectory

    def top_items(self, train: Interactions, length: int) -> Rankings:
        """The best ``length`` unobserved items of each user, fewer where the catalogue or the list ends."""
        if self.tables is None:
            assert self.rankings is not None
            return self.rankings.head(length)
        from recpress_edge.models.ranking import top_of_tables  # torch only from here on

        return top_of_tables(self.tables, train, length)
