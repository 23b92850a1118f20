"""What a bundle holds that new items are made against: its items' rows, and users with what they consumed."""

from dataclasses import dataclass, replace

import numpy as np

from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.contract import ALL_USERS
from recpress_edge.artifacts.evaluation import Evaluation
from recpress_edge.core.arrays import F32, F64, I64
from recpress_edge.models.new_rows import Bags, as_long_as, in_reach
from recpress_export.update.history import StoredHistory
from recpress_export.update.stored import Stored


@dataclass(frozen=True, slots=True, eq=False)
class BundleSide:
    """Rows as floats, in the numbers of the file: their products rank as it does."""

    item_rows: F32
    """(I, D)"""
    user_rows: F32
    """(U, D)"""
    seen: tuple[I64, I64]
    """Users and items of pairs that are known to be consumed (n,)."""
    relevant: tuple[I64, I64]
    """Users and items that are held out (m,)."""
    many: bool
    """Whether the users are many, so that the reach of an item can be asked; one user has none."""
    history_rows: F32 | None = None
    """(I, D) of a history bundle: what each item adds to whoever consumed it."""
    retired: tuple[int, ...] = ()
    """Items that are in no list."""

    @property
    def bags(self) -> Bags | None:
        """What each user has consumed; None where nothing is known of anybody."""
        users, items = self.seen
        return Bags.of_pairs(users, items, len(self.user_rows)) if users.size else None

    def with_seen(self, users: I64, items: I64) -> "BundleSide":
        """With further pairs (n,) that are consumed."""
        more = np.concatenate([self.seen[0], users]), np.concatenate([self.seen[1], items])
        return replace(self, seen=more)

    def with_users(self, rows: F32, users: I64, items: I64) -> "BundleSide":
        """With further users (N, D) behind the others, and pairs (n,) of them that are consumed."""
        first = len(self.user_rows)
        both = np.concatenate([self.user_rows, rows])
        return replace(self, user_rows=both, many=True).with_seen(users + first, items)

    def fitted(self, directions: F64) -> F32:
        """Vectors (N, D) of new items that point there, as long as a new item is."""
        if not self.many:
            live = np.delete(self.item_rows, np.asarray(self.retired, np.int64), axis=0)
            return as_long_as(directions, live).astype(np.float32)
        return in_reach(directions, self.user_rows, self.item_rows, self.bags, self.retired)


def side_of(bundle: Bundle, stored: Stored) -> BundleSide:
    """A bundle's own side: its users, and what its evaluation rows know of them."""
    rows = bundle.evaluation()
    if stored.history is not None:
        return replace(_of_histories(stored, stored.history, rows), retired=bundle.contract.retired)
    none = np.empty(0, np.int64), np.empty(0, np.int64)
    if rows is None or not bundle.contract.n_users:
        return BundleSide(
            stored.item_rows,
            stored.user_rows,
            none,
            none,
            bundle.contract.profile == ALL_USERS,
            retired=bundle.contract.retired,
        )
    users = np.maximum(rows.users, 0).astype(np.int64)  # of a bundle of one user they name nobody
    return BundleSide(
        stored.item_rows,
        stored.user_rows,
        (np.repeat(users, np.diff(rows.seen_indptr)), rows.seen_indices.astype(np.int64)),
        (np.repeat(users, np.diff(rows.relevant_indptr)), rows.relevant_indices.astype(np.int64)),
        bundle.contract.profile == ALL_USERS,
        retired=bundle.contract.retired,
    )


def _of_histories(stored: Stored, history: StoredHistory, rows: Evaluation | None) -> BundleSide:
    """Users as the file makes them of what the evaluation rows have seen."""
    if rows is None:
        none = np.empty(0, np.int64), np.empty(0, np.int64)
        return BundleSide(
            stored.item_rows, history.users([]), none, none, many=False, history_rows=history.rows
        )
    count = np.arange(rows.users.size)
    return BundleSide(
        stored.item_rows,
        history.users([rows.seen(row) for row in count.tolist()]),
        (np.repeat(count, np.diff(rows.seen_indptr)), rows.seen_indices.astype(np.int64)),
        (np.repeat(count, np.diff(rows.relevant_indptr)), rows.relevant_indices.astype(np.int64)),
        many=bool(count.size),
        history_rows=history.rows,
    )
