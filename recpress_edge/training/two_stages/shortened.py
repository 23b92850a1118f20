"""A data set without the last train items of its users: what an out-of-sample first stage learns from."""

import dataclasses

import numpy as np

from recpress_edge.core.arrays import I64
from recpress_edge.core.progress import left_out_words
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.data.order import ordered_by


def held_back(counts: I64, most: int) -> I64:
    """How many last items of users with so many (U,) are held back: ``most``, never more than half."""
    return np.minimum(counts // 2, most)


def in_order_places(pairs: Interactions) -> I64:
    """Where each user's items are in ``indices``, earliest first, user by user (nnz,)."""
    assert pairs.ranks is not None, "checked where a model asks for an order"
    return ordered_by(pairs.users(), pairs.ranks)


def without_last(data: Dataset, most: int) -> Dataset:
    """The same without the last ``most`` train items of each user in the order of time, or half of them.

    Features stay behind: rows of context belong to interactions that are not there.
    """
    train = data.train
    order, counts = in_order_places(train), train.counts()
    from_end = np.repeat(train.indptr[1:], counts) - np.arange(len(train)) - 1
    kept = np.sort(order[from_end >= np.repeat(held_back(counts, most), counts)])
    shorter = Interactions.from_pairs(
        train.users()[kept],
        train.indices[kept],
        train.n_users,
        train.n_items,
        None if train.ranks is None else train.ranks[kept],
        None if train.weights is None else train.weights[kept],
    )
    protocol = f"{data.protocol}{left_out_words(most)}"
    return dataclasses.replace(data, train=shorter, protocol=protocol, features=None, labelled=None)
