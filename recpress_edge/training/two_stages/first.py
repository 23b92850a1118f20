"""What a second stage needs of its first: scores of all items at a moment, and what a file holds of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from numpy.typing import NDArray

from recpress_edge.artifacts.fold_in import FoldIn
from recpress_edge.core.arrays import F32, I64
from recpress_edge.models.outputs import Tables
from recpress_edge.training.store import TrainedModel

FORGETS: Final = "lrh"
"""Kind of a first stage that reads a history, as its architecture says it."""


class FirstStage(Protocol):
    """Finds candidates."""

    @property
    def reads_history(self) -> bool:
        """Whether its scores depend on what was consumed before, in place of who asks."""

    def scores(self, user: int, history: I64) -> F32:
        """Of all items (I,) for a user who consumed these, oldest first."""


@dataclass(frozen=True, slots=True, eq=False)
class FirstTables:
    """A student of two tables: who asks is a row."""

    tables: Tables
    reads_history: bool = False

    def scores(self, user: int, history: I64) -> F32:
        found: F32 = self.tables.item_emb @ self.tables.user_emb[user]
        return found


@dataclass(frozen=True, slots=True, eq=False)
class FirstHistory:
    """A history that forgets (ADR 0030): who asks is what was consumed last."""

    item_emb: F32
    fold_in: FoldIn
    reads_history: bool = True

    def scores(self, user: int, history: I64) -> F32:
        found: F32 = self.item_emb @ self.fold_in.row_after(history)
        return found


def reads_history(model: TrainedModel) -> bool:
    """Whether a first stage reads a history."""
    return bool(model.metadata.get("architecture", {}).get("kind") == FORGETS)


def first_of(model: TrainedModel) -> FirstStage:
    """A trained first stage."""
    if not reads_history(model):
        return FirstTables(Tables(model.user_emb, model.item_emb))
    known = model.network
    fold_in = FoldIn(
        known["history_emb"],
        known["prior"],
        decay=known["decay"],
        length=int(model.metadata["architecture"]["history_length"]),
    )
    return FirstHistory(known["item_emb"], fold_in)


def first_arrays(model: TrainedModel) -> dict[str, NDArray[Any]]:
    """What the folder of both stages holds of the first, by name."""
    if not reads_history(model):
        return {"user_emb": model.user_emb, "item_emb": model.item_emb}
    return {name: model.network[name] for name in ("item_emb", "history_emb", "prior", "decay")}


def first_facts(model: TrainedModel) -> Mapping[str, Any]:
    """What these arrays do not tell, as plain JSON: of a first stage that reads a history its length."""
    return model.metadata["architecture"] if reads_history(model) else {}
