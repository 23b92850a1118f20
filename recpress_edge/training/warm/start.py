"""The tables that a warm start begins with: an earlier model's rows by name, new rows by fold-in."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from recpress_edge.core.arrays import F32, I64, Bool, places_among
from recpress_edge.core.errors import ConfigError
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.models.new_rows import Bags, folded_items, folded_users
from recpress_edge.models.outputs import Tables
from recpress_edge.training.warm.earlier import Earlier

LEAST_SHARED: Final = 1
"""Users, and items, that both must know."""


@dataclass(frozen=True, slots=True, eq=False)
class Started:
    """First tables of a data set's users (U, D) and items (I, D), and where each row is from."""

    tables: Tables | None
    """None where all rows are computed again, so that earlier ones are compared and not taken."""
    earlier_users: I64
    """(U,): the row in the earlier model; -1 of a new user."""
    earlier_items: I64
    """(I,): likewise."""
    drawn_users: Bool
    """(U,): new, and nothing is known of them; the method draws their rows."""
    drawn_items: Bool
    """(I,): likewise."""

    @property
    def anew(self) -> bool:
        """Whether all rows are computed again."""
        return self.tables is None

    def facts(self) -> dict[str, dict[str, int]]:
        """What a record says of the rows."""
        if self.anew:
            places = {"users": self.earlier_users, "items": self.earlier_items}
            return {
                side: {"known": int((at >= 0).sum()), "new": int((at < 0).sum())}
                for side, at in places.items()
            }
        sides = {
            "users": (self.earlier_users, self.drawn_users),
            "items": (self.earlier_items, self.drawn_items),
        }
        return {
            side: {
                "known": int((places >= 0).sum()),
                "folded_in": int(((places < 0) & ~drawn).sum()),
                "drawn": int(drawn.sum()),
            }
            for side, (places, drawn) in sides.items()
        }


def started(earlier: Earlier, data: Dataset, *, anew: bool = False) -> Started:
    """Rows of users and items that the earlier model knows, and of new ones that were with any of those.

    ``anew``: the model is computed again, so that only whose rows are whose is asked.

    A new item is solved against the users that have rows, then a new user against the items that have, and so
    on until nobody follows. ConfigError where the two have no user or no item in common.
    """
    users, items = (
        places_among(ids, known)
        for ids, known in ((data.user_ids, earlier.user_ids), (data.item_ids, earlier.item_ids))
    )
    for kind, places in (("user", users), ("item", items)):
        if (places >= 0).sum() < LEAST_SHARED:
            raise ConfigError(
                f"--from {earlier.model.folder} knows no {kind} of data set {data.name!r}: their ids have "
                "nothing in common. Is it another log, or are they written otherwise there?"
            )
    if anew:
        return Started(None, users, items, users < 0, items < 0)
    user_emb, item_emb = (
        _taken(table, places)
        for table, places in ((earlier.model.user_emb, users), (earlier.model.item_emb, items))
    )
    has_user, has_item = _fold_in(user_emb, item_emb, users >= 0, items >= 0, data.train)
    return Started(Tables(user_emb, item_emb), users, items, ~has_user, ~has_item)


def _taken(table: F32, places: I64) -> F32:
    """Rows by place (N, D), zeros where there is none."""
    taken = np.where((places >= 0)[:, None], table[np.maximum(places, 0)], np.float32(0))
    return np.ascontiguousarray(taken, np.float32)


def _fold_in(
    user_emb: F32, item_emb: F32, known_user: Bool, known_item: Bool, train: Interactions
) -> tuple[Bool, Bool]:
    """Fill the rows of new users and items in place; who has a row then."""
    has_user, has_item = known_user.copy(), known_item.copy()
    across = train.transposed()
    usual = len(train) / train.n_users, len(train) / train.n_items
    seen = Bags(train.indptr, train.indices.astype(np.int64))
    while True:
        items, of_items = _reached(across, ~has_item, has_user)
        if items.size:
            known = np.flatnonzero(known_item)
            masks = _renamed(seen, np.flatnonzero(has_user), known, train.n_items)
            item_emb[items] = folded_items(of_items, user_emb[has_user], item_emb[known], usual[1], masks)
            has_item[items] = True
        users, of_users = _reached(train, ~has_user, has_item)
        if users.size:
            user_emb[users] = folded_users(of_users, item_emb[has_item], user_emb[known_user], usual[0])
            has_user[users] = True
        if not items.size and not users.size:
            return has_user, has_item


def _reached(rows: Interactions, new: Bool, there: Bool) -> tuple[I64, Bags]:
    """New rows (N,) that are with something that is there, and with what: places among what is there."""
    place = np.cumsum(there) - 1
    candidates = np.flatnonzero(new)
    at, others = rows.pairs_of(candidates)
    kept = there[others]
    bags = Bags.of_pairs(at[kept], place[others[kept]], candidates.size)
    filled = np.flatnonzero(np.diff(bags.indptr))
    indptr = np.concatenate([[0], np.cumsum(np.diff(bags.indptr)[filled])])
    return candidates[filled], Bags(indptr, bags.indices)


def _renamed(bags: Bags, rows: I64, columns: I64, n_columns: int) -> Bags:
    """These rows and columns alone, counted among themselves."""
    place = np.full(n_columns, -1)
    place[columns] = np.arange(columns.size)
    counts = np.diff(bags.indptr)[rows]
    at = np.repeat(np.arange(rows.size), counts)
    starts = np.repeat(bags.indptr[rows] - (np.cumsum(counts) - counts), counts)
    found = place[bags.indices[starts + np.arange(at.size)]]
    return Bags.of_pairs(at[found >= 0], found[found >= 0], rows.size)
