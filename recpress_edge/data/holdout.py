"""What a held-out evaluation masks and what counts as a hit, decided in one place."""

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.core.arrays import I32, I64, places_of_rows
from recpress_edge.core.metrics import judging_cutoff
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Dataset, Interactions

Split = Literal["valid", "test"]


def relevant_items(data: Dataset, split: Split) -> Interactions:
    """What counts as a hit, per user."""
    return data.valid if split == "valid" else data.test


def masked_items(data: Dataset, split: Split) -> Interactions:
    """What is not ranked, per user.

    Test masks train and valid. Valid masks train, and under leave-one-out also the other held-out
    item, as in the protocol of Topology Distillation (Kang et al., KDD 2021, section 5.1).
    """
    first, *others = _masked_parts(data, split)
    return first.union(others[0]) if others else first


def _masked_parts(data: Dataset, split: Split) -> list[Interactions]:
    if split == "test":
        return [data.train, data.valid]
    return [data.train, data.test] if _leaves_one_out(data) else [data.train]


def candidates(data: Dataset, split: Split) -> NDArray[np.int64]:
    """Unmasked items of each user with something held out in ``split`` (B,)."""
    parts = [part.counts() for part in _masked_parts(data, split)]  # which share no pair
    masked = np.sum(parts, axis=0)
    return np.asarray((data.n_items - masked)[relevant_items(data, split).counts() > 0], np.int64)


def dataset_cutoff(data: Dataset) -> int:
    """The K by which models of a data set are chosen and gated, one for all its splits.

    The smallest that :func:`judging_cutoff` gives of a split that holds something; where none does, that of
    all users after what they consumed.
    """
    splits: tuple[Split, Split] = ("valid", "test")
    return min(
        (judging_cutoff(candidates(data, split)) for split in splits if len(relevant_items(data, split))),
        default=judging_cutoff(data.n_items - data.train.counts()),
    )


def masking_rule(data: Dataset, split: Split) -> str:
    """:func:`masked_items` in words, for a record."""
    if split == "test":
        return "train and valid items masked"
    return "train items and the other held-out item masked" if _leaves_one_out(data) else "train items masked"


def history(data: Dataset, split: Split) -> Interactions:
    """What users had consumed before what is held out: train items, for test the valid items too."""
    return data.train if split == "valid" else data.train.union(data.valid)


def history_holdout(data: Dataset, split: Split) -> Evaluation:
    """As :func:`holdout`, but what is masked is only what a user has consumed before: the history.

    For valid the train items alone (never the test item), for test train and valid items.
    """
    relevant, masked = relevant_items(data, split), history(data, split)
    users = np.flatnonzero(relevant.counts()).astype(np.int32)
    return Evaluation(users, *_rows(masked, users), *_rows(relevant, users))


def sequence_holdout(data: Dataset, split: Split) -> Evaluation:
    """As :func:`history_holdout`, each history in its order, oldest first."""
    rows, before = history_holdout(data, split), history(data, split)
    items = before.in_order()
    ordered = [items[before.indptr[user] : before.indptr[user + 1]] for user in rows.users.tolist()]
    return dataclasses.replace(rows, seen_indices=np.concatenate(ordered or [rows.seen_indices]))


def history_rule(split: Split) -> str:
    """What :func:`history_holdout` masks and gives as history, in words."""
    items = "train" if split == "valid" else "train and valid"
    return f"{items} items are the history and masked"


def _leaves_one_out(data: Dataset) -> bool:
    """At most one item held out per user and split, and a test split to mask."""
    most = max(int(part.counts().max(initial=0)) for part in (data.valid, data.test))
    return most <= 1 and len(data.test) > 0


def holdout(data: Dataset, split: Split) -> Evaluation:
    """Users with something held out in ``split``, their masked items and their relevant items."""
    relevant, masked = relevant_items(data, split), masked_items(data, split)
    users = np.flatnonzero(relevant.counts()).astype(np.int32)
    return Evaluation(users, *_rows(masked, users), *_rows(relevant, users))


def _rows(pairs: Interactions, users: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """indptr (B + 1,) and indices of some users' rows."""
    indptr = np.concatenate([[0], np.cumsum(pairs.counts()[users])]).astype(np.int64)
    rows = [pairs.of(user) for user in users.tolist()]
    return indptr, np.concatenate(rows or [np.empty(0, np.int32)])


def sampled(rows: Evaluation, split: Split, most: int) -> Evaluation:
    """The rows of so many of their users, drawn once; all where there are no more."""
    if rows.users.size <= most:
        return rows
    at = np.sort(stream(0, f"{split} users").permutation(rows.users.size)[:most])

    def taken(indptr: I64, indices: I32) -> tuple[I64, I32]:
        counts = np.diff(indptr)[at]
        return np.concatenate([[0], np.cumsum(counts)]), indices[places_of_rows(indptr, at)]

    seen = taken(rows.seen_indptr, rows.seen_indices)
    return Evaluation(rows.users[at], *seen, *taken(rows.relevant_indptr, rows.relevant_indices))
