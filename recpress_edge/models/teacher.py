"""A trained model as its student sees it. No torch."""

from dataclasses import dataclass
from typing import Literal

from recpress_edge.models.outputs import Rankings, StoredNetwork, Tables, Trajectory

Knowledge = Literal["embeddings", "product", "rankings", "scores", "sequences", "trajectories", "clicks"]
"""Embeddings are rows for users and items; a product is embeddings whose product is the score; scores are
those of all items for every train user, seen ones too;
sequences are scores after every place of any sequence, hence rankings too; clicks are the chances that a row
with features is taken, of which no ranking of a catalogue is kept."""


@dataclass(frozen=True, slots=True, eq=False)
class Teacher:
    """A teacher's outputs: at least one of tables and rankings."""

    name: str
    tables: Tables | None = None
    rankings: Rankings | None = None
    trajectory: Trajectory | None = None
    """None unless it was trained with its trajectory."""
    features: Tables | None = None
    """Rows of a network that stand for its users and items, though their product is no score."""
    near: Tables | None = None
    """Two tables near to its scores, of an ensemble."""
    sequence: StoredNetwork | None = None
    """The network of one that reads sequences."""
    catalogue: StoredNetwork | None = None
    """The network of one that scores all items of every train user."""

    def has(self, what: Knowledge) -> bool:
        """Every teacher provides rankings; those with rows for users and items provide embeddings too."""
        if what == "trajectories":
            return self.trajectory is not None
        if what == "product":
            return self.tables is not None
        if what == "scores":
            return self.tables is not None or self.catalogue is not None
        if what == "sequences":
            return self.sequence is not None
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
