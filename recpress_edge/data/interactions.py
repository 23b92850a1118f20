"""Who consumed what, and in which order: one sparse row container for train, validation and test."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.ids import index_of
from recpress_edge.core.arrays import F64, I32, I64, places_of_rows
from recpress_edge.core.errors import DataError
from recpress_edge.core.files import sha256_bytes
from recpress_edge.data.features.columns import Features
from recpress_edge.data.features.rows import LabelledRows
from recpress_edge.data.order import ordered_by, stable_order

if TYPE_CHECKING:
    from recpress_edge.data.prepare import Preparation


@dataclass(frozen=True, slots=True)
class Interactions:
    """Distinct (user, item) pairs; each user's items ascending.

    indptr (U + 1,) int64, indices (nnz,) int32: user u consumed indices[indptr[u]:indptr[u + 1]].
    """

    n_users: int
    n_items: int
    indptr: I64
    indices: I32
    ranks: I32 | None = None
    """(nnz,), aligned with ``indices``: place in the user's whole log, earliest 0, counted over all splits.

    None where the log has no order.
    """
    weights: F64 | None = None
    """(nnz,), aligned with ``indices``: how often or how long, positive. None: each pair counts alike."""

    @classmethod
    def from_pairs(
        cls,
        users: NDArray[np.integer],
        items: NDArray[np.integer],
        n_users: int,
        n_items: int,
        ranks: NDArray[np.integer] | None = None,
        weights: F64 | None = None,
    ) -> "Interactions":
        """Sort the pairs and drop duplicates: the earliest stays. users, items, ranks, weights (nnz,)."""
        for kind, ids, count in (("user", users, n_users), ("item", items, n_items)):
            if ids.size and (ids.min() < 0 or ids.max() >= count):
                raise DataError(f"{kind} index outside 0..{count - 1}: found {ids.min()}..{ids.max()}")
        keys = users.astype(np.int64) * n_items + items
        first: slice | I64 = slice(None)
        if not (keys[1:] > keys[:-1]).all():
            if ranks is not None:
                earliest_first = stable_order(ranks)
                keys, ranks = keys[earliest_first], ranks[earliest_first]
                weights = None if weights is None else weights[earliest_first]
            keys, first = np.unique(keys, return_index=True)
        rows, columns = np.divmod(keys, max(n_items, 1))
        indptr = np.zeros(n_users + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=n_users), out=indptr[1:])
        kept = None if ranks is None else ranks[first].astype(np.int32)
        weighed = None if weights is None else weights[first]
        return cls(n_users, n_items, indptr, columns.astype(np.int32), kept, weighed)

    def __len__(self) -> int:
        return int(self.indices.size)

    def of(self, user: int) -> I32:
        """Items of one user, ascending."""
        return self.indices[self.indptr[user] : self.indptr[user + 1]]

    def in_order(self) -> I32:
        """``indices`` (nnz,) with each user's items earliest first, under the same ``indptr``."""
        if self.ranks is None:
            raise DataError(
                "the order in which users consumed their items is not known. Import the log again: with "
                "times, or with --split loo-order where its lines are in the order of time."
            )
        return self.indices[ordered_by(self.users(), self.ranks)]

    def counts(self) -> I64:
        """Number of items of each user (U,)."""
        return np.diff(self.indptr)

    def users(self) -> I32:
        """The user of each pair (nnz,), aligned with ``indices``."""
        return np.repeat(np.arange(self.n_users, dtype=np.int32), self.counts())

    def positions_of(self, users: I64) -> I64:
        """Where the pairs of these users (B,) are in ``indices``, user by user: (P,)."""
        return places_of_rows(self.indptr, users)

    def pairs_of(self, users: I64) -> tuple[I64, I64]:
        """(position in ``users``, item) of all pairs of these users (B,): (P,) each, user by user."""
        counts = self.indptr[users + 1] - self.indptr[users]
        return np.repeat(np.arange(users.size), counts), self.indices[self.positions_of(users)].astype(
            np.int64
        )

    def rows(self, users: I64) -> "Interactions":
        """Of these users (B,) alone, who are users 0 to B − 1 there; without their order."""
        at, items = self.pairs_of(users)
        weights = None if self.weights is None else self.weights[self.positions_of(users)]
        return Interactions.from_pairs(at, items, users.size, self.n_items, weights=weights)

    def only(self, users: I64) -> "Interactions":
        """The pairs of these users (B,) alone, ascending, of the same users and items."""
        counts = np.zeros(self.n_users, np.int64)
        counts[users] = self.counts()[users]
        indptr = np.concatenate([[0], np.cumsum(counts)])
        kept = self.positions_of(users)
        return Interactions(
            self.n_users,
            self.n_items,
            indptr,
            self.indices[kept],
            None if self.ranks is None else self.ranks[kept],
            None if self.weights is None else self.weights[kept],
        )

    def none(self) -> "Interactions":
        """No pair, of the same users and items: joined to others it takes nothing from them."""
        return self.only(np.empty(0, np.int64))

    def transposed(self) -> "Interactions":
        """Items as users and users as items."""
        return Interactions.from_pairs(
            self.indices, self.users(), self.n_items, self.n_users, weights=self.weights
        )

    def item_counts(self) -> I64:
        """Number of users of each item (I,)."""
        return np.bincount(self.indices, minlength=self.n_items)

    def union(self, other: "Interactions") -> "Interactions":
        """Pairs in either; both must describe the same users and items."""
        if (self.n_users, self.n_items) != (other.n_users, other.n_items):
            raise DataError(
                f"cannot join {self.n_users}x{self.n_items} with {other.n_users}x{other.n_items} interactions"
            )
        return Interactions.from_pairs(
            np.concatenate([self.users(), other.users()]),
            np.concatenate([self.indices, other.indices]),
            self.n_users,
            self.n_items,
            _joined(self.ranks, other.ranks),
            _joined(self.weights, other.weights),
        )

    def digest(self) -> str:
        """SHA-256 over the counts and both arrays; order and weights have digests of their own."""
        head = np.array([self.n_users, self.n_items], np.int64)
        return sha256_bytes(head.tobytes() + self.indptr.tobytes() + self.indices.tobytes())


def _joined(ours: NDArray[Any] | None, others: NDArray[Any] | None) -> NDArray[Any] | None:
    return None if ours is None or others is None else np.concatenate([ours, others])


@dataclass(frozen=True, slots=True)
class Dataset:
    """A split log and the names of its users and items."""

    name: str
    train: Interactions
    valid: Interactions
    test: Interactions
    user_ids: tuple[str, ...]
    """External id of each user index; kept all the way to the device."""
    item_ids: tuple[str, ...]
    """External id of each item index."""
    protocol: str
    """How the split was made, for example 'given files' or 'leave-one-out by time, seed 0'."""
    licence: str
    """Terms of the data in one line, as far as known."""
    ties: str = ""
    """How many users' held-out items a tie in time decides, and how; empty where none does."""
    titles: tuple[str, ...] | None = None
    """Of each item, empty where it has none; None where none were given."""
    features: Features | None = None
    """Columns of users, items and interactions; None where none were given."""
    labelled: LabelledRows | None = None
    """Rows of both outcomes, of which the interactions are the pairs with label 1; None without labels."""

    @staticmethod
    def from_frame(
        frame: Any,
        *,
        name: str = "frame",
        split: str = "loo-random",
        min_rating: float | None = None,
        how: "Preparation | None" = None,
        **columns: str,
    ) -> "Dataset":
        """The data set of a pandas or Polars frame, an Arrow table, a DuckDB relation or a dict of arrays.

        ``columns``: user, item, rating and time name their columns; those that are not named are found by
        their names. ``how`` says the rest, as the flags of ``data import`` do. The frame passes the same
        checks as a file, and its questions are the same ConfigErrors. Nothing is stored: ``ImportRequest``
        stores a frame. Integer ids become their decimal text, and every place that takes an id takes them
        as integers too.
        """
        from recpress_edge.data.frames import prepare_frame
        from recpress_edge.data.prepare import Preparation

        how = how or Preparation()
        filters = how.filters if min_rating is None else replace(how.filters, min_rating=min_rating)
        return prepare_frame(frame, name, columns, replace(how, split=split, filters=filters)).dataset

    def user_index(self, user: str | int) -> int:
        """The index of a user; one that is not known is a ConfigError."""
        return index_of("user", user, self.user_ids)

    def item_index(self, item: str | int) -> int:
        """The index of an item; one that is not known is a ConfigError."""
        return index_of("item", item, self.item_ids)

    def facts(self) -> dict[str, str]:
        """What a model's record says of the data that it was made from."""
        ties = {"ties": self.ties} if self.ties else {}
        return {
            "name": self.name,
            "digest": self.digest(),
            "protocol": self.protocol,
            **ties,
            "licence": self.licence,
        }

    @property
    def n_users(self) -> int:
        return self.train.n_users

    @property
    def n_items(self) -> int:
        return self.train.n_items

    def digest(self) -> str:
        """SHA-256 that changes when any split or id changes; the order and the features have their own."""
        ids = "\n".join((*self.user_ids, "", *self.item_ids)).encode()
        parts = [self.train.digest(), self.valid.digest(), self.test.digest(), sha256_bytes(ids)]
        return sha256_bytes("".join(parts).encode())

    def order_digest(self) -> str | None:
        """SHA-256 over each user's order; None where it is not known. Only what reads the order needs it."""
        ranks = [part.ranks for part in (self.train, self.valid, self.test)]
        known = [part for part in ranks if part is not None]
        return sha256_bytes(b"".join(part.tobytes() for part in known)) if len(known) == len(ranks) else None

    def weights_digest(self) -> str | None:
        """SHA-256 over the weights of train; None where there are none. Only what reads them needs it."""
        return None if self.train.weights is None else sha256_bytes(self.train.weights.tobytes())

    def features_digest(self) -> str | None:
        """SHA-256 over all feature columns; None where there are none. Only what reads features needs it."""
        return None if self.features is None else self.features.digest()

    def labels_digest(self) -> str | None:
        """SHA-256 over the rows with labels; None where there are none. Only what reads labels needs it."""
        return None if self.labelled is None else self.labelled.digest()

    def click_digests(self) -> dict[str, str | None]:
        """Both of what click models learn from, by the names that records give them; none without labels."""
        if self.labelled is None:
            return {}
        return {"labels_digest": self.labels_digest(), "features_digest": self.features_digest()}
