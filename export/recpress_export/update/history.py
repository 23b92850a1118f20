"""A new item of a history bundle: what it adds to whoever consumed it, beside the row it is ranked by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.integers import QMAX
from recpress_edge.artifacts.tanh_history import LAYER
from recpress_edge.core.arrays import F32, F64, I64
from recpress_edge.core.errors import ArtifactError, DataError
from recpress_export.update.changes import Placed

OF_HISTORY: Final = ("history_emb", "prior", "step", "age_weights", *LAYER)
"""Tables that make a user's row, under the names of recpress_edge.device.tables."""


@dataclass(frozen=True, slots=True, eq=False)
class StoredHistory:
    """What makes users' rows in a file: its own tables, and the item scales that they take part in."""

    tables: Mapping[str, NDArray[Any]]
    """Those of OF_HISTORY that the file has."""
    item_scale: F32 | None
    """(D,) of integer tables, folded into the history's rows; None of floats."""

    @property
    def table(self) -> NDArray[Any]:
        """(I, D) the items' rows as they are stored."""
        return self.tables["history_emb"]

    @property
    def has_tanh(self) -> bool:
        """Whether a hidden layer lies between the sum and the user's row."""
        return "roots" in self.tables

    @property
    def rows(self) -> F32:
        """(I, D) what each item adds to a user's vector; products with item vectors rank as the file."""
        return self._as_floats(self.table)

    def users(self, seen: Sequence[NDArray[Any]]) -> F32:
        """(B, D) vectors of users after what they have seen; oldest first where the history forgets."""
        prior, rows, weights = (
            self._as_floats(self.tables["prior"]),
            self.rows,
            self.tables.get("age_weights"),
        )
        made = np.repeat(prior[None].astype(np.float64), len(seen), axis=0)  # (B, D)
        if weights is None:
            for at, items in enumerate(seen):
                made[at] += rows[np.unique(items).astype(np.int64)].sum(axis=0)
            return made.astype(np.float32)
        ages = weights.astype(np.float64) / (1 if self.item_scale is None else QMAX)
        for at, items in enumerate(seen):
            read = np.asarray(items, np.int64)[-(len(ages) - 1) :]
            made[at] += (rows[read] * ages[len(ages) - 1 - read.size : -1]).sum(axis=0)
        return made.astype(np.float32)

    def stored(self, rows: F32) -> tuple[NDArray[Any], F64]:
        """Rows (n, D) in the table's own numbers, and each one's largest value over the end of range (n,)."""
        if self.item_scale is None:
            most = float(np.finfo(self.table.dtype).max)
            if rows.size and not np.abs(rows).max() < most:
                raise DataError(f"history rows of new items cannot be stored as {self.table.dtype}")
            return rows.astype(self.table.dtype), np.zeros(len(rows))
        levels = np.rint(rows.astype(np.float64) / self._unit)
        over = np.abs(levels).max(axis=1, initial=0) / QMAX
        return np.clip(levels, -QMAX, QMAX).astype(np.int8), over

    def fitted(self, rows: F32) -> F32:
        """Rows (n, D) shortened to the range of the table, so that none is clipped and turned."""
        if self.item_scale is None:
            return rows
        over = (np.abs(rows) / (self._unit * QMAX)).max(axis=1, initial=0)
        found: F32 = (rows / np.maximum(over, 1)[:, None]).astype(np.float32)
        return found

    def with_rows(self, rows: I64, values: NDArray[Any] | None, n_items: int) -> "StoredHistory":
        """The same with ``n_items`` items, of which ``rows`` (n,) have these values (n, D)."""
        if values is None:
            return self
        grown = np.zeros((n_items, self.table.shape[1]), self.table.dtype)
        grown[: len(self.table)] = self.table
        grown[rows] = values
        return StoredHistory({**self.tables, "history_emb": grown}, self.item_scale)

    @property
    def _unit(self) -> F64:
        """(D,) what one level of a row is worth in a user's vector."""
        assert self.item_scale is not None
        weight = QMAX if "age_weights" in self.tables else 1
        return np.float64(self.tables["step"]) * QMAX * weight / self.item_scale.astype(np.float64)

    def _as_floats(self, table: NDArray[Any]) -> F32:
        if self.item_scale is None:
            return table.astype(np.float32)
        return np.asarray(table * self._unit, np.float32)


def history_of(tensors: Mapping[str, NDArray[Any]], scale: F32 | None) -> StoredHistory:
    """That of a file's tables."""
    return StoredHistory({name: tensors[name] for name in OF_HISTORY if name in tensors}, scale)


def row_alone(tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """(1, D) what stands where a table of users would: the row of whoever has consumed nothing."""
    prior = tensors["prior"]
    kind = np.int8 if tensors["item_emb"].dtype == np.int8 else prior.dtype
    return np.asarray(np.clip(prior, -QMAX, QMAX) if kind == np.int8 else prior).astype(kind)[None]


def check_rows(old: Bundle, history: StoredHistory | None, placed: Placed) -> None:
    """ArtifactError where new items cannot take part in histories; DataError where their rows are amiss."""
    given = 0 if placed.history is None else len(placed.history)
    if history is None:
        if given:
            raise DataError(
                f"append_history and replace_history are of history bundles, and {old.folder} is of profile "
                f"{old.contract.profile}. Leave them out."
            )
    elif history.has_tanh and len(placed.emb):
        raise ArtifactError(
            f"{old.folder} is a history bundle with a tanh: what an item adds goes through a layer that "
            "learned with all of them, and no closed form makes a row for it. Items can be retired; for new "
            "ones train on the new catalogue and export again."
        )
    elif given != len(placed.emb):
        raise DataError(
            f"{old.folder} is a history bundle: a new item needs a row that it is ranked by, append_emb or "
            "replace_emb, and one that it adds to whoever consumed it, append_history or replace_history. "
            f"{len(placed.emb)} of the first and {given} of the second are there; fold-in makes both."
        )
