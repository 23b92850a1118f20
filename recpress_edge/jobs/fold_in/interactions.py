"""New items that known users were with: which pairs of a log are of use."""

from dataclasses import dataclass

import numpy as np

from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.contract import ALL_USERS
from recpress_edge.core.arrays import F32, I64, places_among
from recpress_edge.core.errors import ArtifactError
from recpress_edge.data.log import Log
from recpress_edge.jobs.fold_in.side import BundleSide
from recpress_edge.models.new_rows import REACH, Bags, folded_items
from recpress_export.update.history import StoredHistory


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of a file of interactions."""

    interactions: int = 0
    """Of new items with known users: those that vectors are made from."""
    unknown_users: int = 0
    """Interactions of users that the bundle does not know."""
    known_items: int = 0
    """Interactions with items that are there already, retired ones included."""
    left_out: tuple[str, ...] = ()
    """New items that no known user was with, or fewer than asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class NewPairs:
    """Interactions of known users: with each new item, and with known ones."""

    names: tuple[str, ...]
    bags: Bags
    """Known users of each new item."""
    seen: tuple[I64, I64]
    """Users and items of interactions with known items."""
    counted: Counted

    @property
    def counts(self) -> list[int]:
        return [int(count) for count in np.diff(self.bags.indptr)]

    @classmethod
    def of(cls, log: Log, places: I64, item_ids: list[str], least: int) -> "NewPairs":
        """``places``: the row of each user of the log (U,) in the table of users, -1 of one that has none."""
        users = places[log.users]
        items = places_among(log.item_ids, item_ids)[log.items]
        there, new = items >= 0, (items < 0) & (users >= 0)
        pairs = np.unique(np.stack([log.items[new].astype(np.int64), users[new]]), axis=1)
        counts = np.bincount(pairs[0], minlength=len(log.item_ids))
        kept = np.flatnonzero(counts >= max(least, 1))
        place = np.full(len(log.item_ids), -1)
        place[kept] = np.arange(kept.size)
        chosen = place[pairs[0]] >= 0
        bags = Bags.of_pairs(place[pairs[0][chosen]], pairs[1][chosen], kept.size)
        is_new = np.zeros(len(log.item_ids), np.bool_)
        is_new[log.items[~there]] = True
        is_new[kept] = False
        counted = Counted(
            interactions=int(chosen.sum()),
            unknown_users=int((users < 0).sum()),
            known_items=int(there.sum()),
            left_out=tuple(log.item_ids[item] for item in np.flatnonzero(is_new)),
        )
        both = there & (users >= 0)
        return cls(tuple(log.item_ids[item] for item in kept), bags, (users[both], items[both]), counted)

    def vectors(self, side: BundleSide) -> F32:
        """(N, D) in the numbers of the bundle's own items."""
        users, items = side.user_rows, side.item_rows
        if not self.names:
            return np.empty((0, items.shape[1]), np.float32)
        usual = min(REACH / (len(items) - len(side.retired)), 1.0) * len(users)
        return folded_items(self.bags, users, items, usual, side.bags, side.retired)


def users_of(
    log: Log, bundle: Bundle, side: BundleSide, history: StoredHistory | None, item_ids: list[str]
) -> tuple[I64, BundleSide]:
    """The row of each user of a log (U,) in the table of users, -1 of one that has none, and that table.

    A history bundle holds no users: those of the log are made as its file makes them, of the known items that
    they were with, in the order of time where the log has times, else of its rows. ArtifactError for a
    bundle of one user.
    """
    if history is None:
        if bundle.contract.profile != ALL_USERS:
            raise ArtifactError(
                f"{bundle.folder} is of profile {bundle.contract.profile}, and new items are folded in "
                f"against the vectors of many users, which bundles of profile {ALL_USERS} hold and history "
                "bundles make. Name items that they are like with --like NEW=ID,ID."
            )
        return places_among(log.user_ids, bundle.user_ids()), side
    items = places_among(log.item_ids, item_ids)[log.items]
    kept = np.flatnonzero(items >= 0)
    if log.times is not None:
        kept = kept[np.argsort(log.times[kept], kind="stable")]
    kept = kept[np.argsort(log.users[kept], kind="stable")]
    who, starts = np.unique(log.users[kept], return_index=True)
    rows = history.users(np.split(items[kept], starts[1:]) if who.size else [])
    places = np.full(len(log.user_ids), -1, np.int64)
    places[who] = np.arange(who.size) + len(side.user_rows)
    of_log = np.searchsorted(who, log.users[kept]).astype(np.int64)
    return places, side.with_users(rows, of_log, items[kept])
