"""Small data sets for the training tests, with answers a reader can see."""

import numpy as np

from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.testing.tables import checkerboard, dataset

__all__ = ["checkerboard", "dataset", "two_tastes"]


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
