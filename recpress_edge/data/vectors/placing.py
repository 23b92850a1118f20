"""Vectors in the order of a data set's ids, and what becomes of biases, cosines and absent users."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from recpress_edge.core.arrays import F32, F64, I64, Bool
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.interactions import Interactions
from recpress_edge.data.vectors.sides import Side

Missing = Literal["error", "mean", "zero"]
_ASKED: Final = 64
"""Users, spread over all, by whom placed tables are tried."""
_FIRST: Final = 10
_MOST_LOST: Final = 0.01
"""Of the standard deviation of a user's scores, what float32 may change."""
_NOISE: Final = 1e-12
"""Scores that differ by no more, relatively, are the same."""


@dataclass(frozen=True, slots=True, eq=False)
class PlacedVectors:
    """Vectors in the order of a data set's ids."""

    rows: F64
    """(N, D)"""
    absent: Bool
    """Which of the data set's ids have no vector of their own (N,)."""
    left_out: int
    """Vectors whose id the data set does not hold."""
    biases: F64 | None = None
    """(N,)"""

    @property
    def without(self) -> int:
        """Ids of the data set that have no vector."""
        return int(self.absent.sum())


def place(side: Side, wanted: Sequence[str], missing: Missing) -> PlacedVectors:
    """The vectors in the order of the ids of the data set.

    Ids that the data set does not hold are left out. Where an id of the data set has no vector it is a
    DataError, or, with ``missing``, the mean of the vectors or zeros; the same for its bias.
    """
    table = side.rows if side.biases is None else np.column_stack([side.rows, side.biases])
    rows = _rows_of(side, wanted)
    absent = rows < 0
    if absent.any() and missing == "error":
        first = wanted[int(np.argmax(absent))]
        raise DataError(
            f"{int(absent.sum()):,} of {len(wanted):,} {side.kind}s of the data set have no vector, first "
            f"{first!r}. Say what they get, with --missing mean or --missing zero, or import a log "
            "without them."
        )
    placed = table[rows]
    placed[absent] = table.mean(axis=0) if missing == "mean" else 0.0
    found = PlacedVectors(placed, absent, len(table) - int((~absent).sum()))
    if side.biases is None:
        return found
    return dataclasses.replace(found, rows=placed[:, :-1], biases=placed[:, -1])


def _rows_of(side: Side, wanted: Sequence[str]) -> I64:
    """The row of each wanted id, -1 where it has none."""
    kind, ids = side.kind, side.ids
    if ids is None:
        if len(side.rows) != len(wanted):
            raise DataError(
                f"{len(side.rows):,} {kind} vectors for the {len(wanted):,} {kind}s of the data set. "
                f"Give their ids: --{kind}-ids FILE"
            )
        return np.arange(len(wanted))
    row_of = {name: row for row, name in enumerate(ids)}
    rows = np.array([row_of.get(name, -1) for name in wanted], np.int64)
    if (rows < 0).all():
        raise DataError(
            f"no {kind} of the data set has a vector: there the ids are like {wanted[0]!r}, those of the "
            f"vectors like {ids[0]!r}. Are they of the same log, and written alike?"
        )
    return rows


def mean_of_items(items: PlacedVectors, train: Interactions) -> PlacedVectors:
    """A vector for each user (U, D): the mean of those of the train items that have one of their own."""
    own = ~items.absent[train.indices]
    owners, taken = train.users()[own], train.indices[own]
    sums = np.zeros((train.n_users, items.rows.shape[1]))
    np.add.at(sums, owners, items.rows[taken])
    counts = np.bincount(owners, minlength=train.n_users)
    return PlacedVectors(sums / np.maximum(counts, 1)[:, None], counts == 0, 0)


def score_tables(users: PlacedVectors, items: PlacedVectors) -> tuple[F32, F32]:
    """Tables whose product is user · item + user bias + item bias: a dimension more for each bias."""
    if users.rows.shape[1] != items.rows.shape[1]:
        raise ConfigError(
            f"the users have {users.rows.shape[1]} dimensions and the items {items.rows.shape[1]}: their "
            "product is no score. Are they of the same model, and none of them transposed?"
        )
    user, item = users.rows, items.rows
    if items.biases is not None:
        user, item = _beside(user, np.ones(len(user))), _beside(item, items.biases)
    if users.biases is not None:
        user, item = _beside(user, users.biases), _beside(item, np.ones(len(item)))
    return _as_float32(user), _as_float32(item)


def _beside(table: F64, column: F64) -> F64:
    return np.concatenate([table, column[:, None]], axis=1)


def unit(placed: PlacedVectors) -> PlacedVectors:
    """Rows of length one, so that their product is the cosine; a row of zeros stays."""
    length = np.linalg.norm(placed.rows, axis=1, keepdims=True)
    rows: F64 = np.divide(placed.rows, length, out=np.zeros_like(placed.rows), where=length > 0)
    return dataclasses.replace(placed, rows=rows)


def _as_float32(table: F64) -> F32:
    return np.ascontiguousarray(table, dtype=np.float32)


def check_products(
    users: PlacedVectors, items: PlacedVectors, tables: tuple[F32, F32], user_ids: Sequence[str]
) -> None:
    """DataError where float32 products of the ``tables`` lose what tells a user's items apart.

    The products of some users, spread over all, beside those in float64: numbers that are far too large or
    small, and a bias beside which the rest vanishes.
    """
    chosen = np.unique(np.linspace(0, len(users.rows) - 1, _ASKED).astype(np.int64))
    for user in chosen.tolist():
        exact = items.rows @ users.rows[user]
        exact = exact if items.biases is None else exact + items.biases
        spread = float(exact.std())
        offset = 0.0 if users.biases is None else float(users.biases[user])
        with np.errstate(over="ignore", invalid="ignore"):
            lost = np.abs((tables[1] @ tables[0][user]).astype(np.float64) - offset - exact)
        if spread > _NOISE * float(np.abs(exact).max()) and not (lost <= _MOST_LOST * spread).all():
            off = float(lost.max()) if np.isfinite(lost).all() else np.inf
            largest = [float(np.abs(table).max()) for table in tables]
            raise DataError(
                f"in float32, in which devices compute, the scores of user {user_ids[user]!r} are off by up "
                f"to {off:.2g}, and they spread by {spread:.2g} only: the largest number of a user is "
                f"{largest[0]:.2g}, of an item {largest[1]:.2g}. Bring both to the size of 1, and leave out "
                "a bias that is the same for all items: no ranking changes."
            )


def absent_in_lists(items: PlacedVectors, tables: tuple[F32, F32], train: Interactions) -> tuple[int, int]:
    """How many users get an item without a vector in their first ten, and of how many, spread over all."""
    chosen = np.unique(np.linspace(0, len(tables[0]) - 1, _ASKED).astype(np.int64)).tolist()
    found = 0
    for user in chosen:
        scores = tables[1] @ tables[0][user]
        scores[train.of(user)] = -np.inf
        found += bool(items.absent[np.argsort(-scores, kind="stable")[:_FIRST]].any())
    return found, len(chosen)
