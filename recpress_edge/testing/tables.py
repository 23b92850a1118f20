"""Tables whose right answers are obvious, and the numpy answer for any tables in any recipe."""

import numpy as np

from recpress_edge.artifacts.quantize import quantize, stored_floats
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.arrays import F32
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.device.reference import ReferenceRuntime


def random_tables(n_users: int, n_items: int, dim: int, seed: int = 0) -> tuple[F32, F32]:
    """user_emb (U, D) and item_emb (I, D), normal."""
    rng = stream(seed, "test student")
    user_emb = rng.standard_normal((n_users, dim), np.float32)
    return user_emb, rng.standard_normal((n_items, dim), np.float32)


def parity_tables(size: int = 50) -> tuple[F32, F32]:
    """(size, 2) twice: user u scores 1 on the items of its own parity, 0 on the others."""
    parity = np.eye(2, dtype=np.float32)[np.arange(size) % 2]
    return parity, parity


def board_tables(size: int = 50) -> tuple[F32, F32]:
    """(size, size) twice: user u scores 2 on item u, 1 on items of its own parity, 0 on the others."""
    parity, _ = parity_tables(size)
    own = np.eye(size, dtype=np.float32)
    return parity @ parity.T + own, own


def reference_of(recipe: str, user_emb: F32, item_emb: F32) -> ReferenceRuntime:
    """numpy's answers from what the exporter stores of these tables."""
    stored = quantize(RECIPES[recipe], user_emb, item_emb)
    if stored is None:
        users, items = stored_floats(RECIPES[recipe], user_emb, item_emb)
        return ReferenceRuntime.from_float(users.astype(np.float32), items.astype(np.float32))
    return ReferenceRuntime.from_int8(
        stored.user_q, stored.item_q, stored.user_scale, item_scale=stored.item_row_scale
    )


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
