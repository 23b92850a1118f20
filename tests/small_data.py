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
    the only one of the right parity.
    """
    users, items = np.nonzero(np.add.outer(np.arange(size), np.arange(size)) % 2 == 0)
    everyone = np.arange(size)
    held_out = (items == users) | (items == (users + 2) % size)
    return dataset(
        Interactions.from_pairs(users[~held_out], items[~held_out], size, size),
        Interactions.from_pairs(everyone, (everyone + 2) % size, size, size),
        Interactions.from_pairs(everyone, everyone, size, size),
        f"checkerboard-{size}",
    )


def two_tastes(n_users: int = 60, n_items: int = 80, per_user: int = 8) -> Dataset:
    """Users of two tastes, each for one half of the items; one item each for validation and test."""
    rng = stream(0, "two tastes")
    half = n_items // 2
    drawn = [rng.permutation(half)[: per_user + 2] + half * (user % 2) for user in range(n_users)]
    items = np.stack(drawn)  # (U, per_user + 2)
    users = np.arange(n_users)
    return dataset(
        Interactions.from_pairs(np.repeat(users, per_user), items[:, :per_user].ravel(), n_users, n_items),
        Interactions.from_pairs(users, items[:, per_user], n_users, n_items),
        Interactions.from_pairs(users, items[:, per_user + 1], n_users, n_items),
        "two-tastes",
    )
