"""Small data sets for the training tests, with answers a reader can see."""

import numpy as np

from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Dataset, Interactions


def dataset(train: Interactions, valid: Interactions, test: Interactions, name: str = "small") -> Dataset:
    """A data set with the indices as ids."""
    users = tuple(map(str, range(train.n_users)))
    items = tuple(map(str, range(train.n_items)))
    return Dataset(name, train, valid, test, users, items, "given files", "made here")


def checkerboard(size: int = 50) -> Dataset:
    """User u consumes the items of its own parity; the diagonal is held out for test, (u + 2) for validation.

    Whoever has learned the board ranks item u first for user u: of the items that are not masked, it is
    the only one of the right parity. Everybody consumed the items in an order of their own.
    """
    users, items = np.nonzero(np.add.outer(np.arange(size), np.arange(size)) % 2 == 0)
    everyone = np.arange(size)
    held_out = (items == users) | (items == (users + 2) % size)
    ranks = stream(0, "checkerboard order").permutation(np.count_nonzero(~held_out))
    last = np.full(size, ranks.size)
    return dataset(
        Interactions.from_pairs(users[~held_out], items[~held_out], size, size, ranks),
        Interactions.from_pairs(everyone, (everyone + 2) % size, size, size, last),
        Interactions.from_pairs(everyone, everyone, size, size, last + 1),
        f"checkerboard-{size}",
    )


def two_tastes(n_users: int = 60, n_items: int = 80, per_user: int = 8) -> Dataset:
    """Users of two tastes, each for one half of the items; the last two of each are held out."""
    rng = stream(0, "two tastes")
    half = n_items // 2
    drawn = [rng.permutation(half)[: per_user + 2] + half * (user % 2) for user in range(n_users)]
    items = np.stack(drawn)  # (U, per_user + 2)
    users, places = np.arange(n_users), np.broadcast_to(np.arange(per_user + 2), items.shape)

    def part(columns: slice) -> Interactions:
        columns_of = items[:, columns]
        each = np.repeat(users, columns_of.shape[1])
        ranks = places[:, columns].ravel()
        return Interactions.from_pairs(each, columns_of.ravel(), n_users, n_items, ranks)

    return dataset(
        part(slice(per_user)),
        part(slice(per_user, per_user + 1)),
        part(slice(per_user + 1, per_user + 2)),
        "two-tastes",
    )
