"""What a held-out evaluation masks and what counts as a hit, decided in one place."""

import dataclasses
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.core.metrics import judging_cutoff
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Dataset, Interactions

Split = Literal["valid", "test"]
MOST_COMPARED: Final = 30_000
"""Validation users on whom a file is compared with its references: of more, a seeded sample. All of them
would cost users times items, hours for a million users and half a million items."""


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


def history_holdout(data: Dataset, split: Split, most: int | None = None) -> Evaluation:
    """As :func:`holdout`, but what is masked is only what a user has consumed before: the history.

    For valid the train items alone (never the test item), for test train and valid items.
    """
    relevant, masked = relevant_items(data, split), history(data, split)
    users = judged_users(data, split, most)
    return Evaluation(users, *_rows(masked, users), *_rows(relevant, users))


def sequence_holdout(data: Dataset, split: Split, most: int | None = None) -> Evaluation:
    """As :func:`history_holdout`, each history in its order, oldest first."""
    rows, before = history_holdout(data, split, most), history(data, split)
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


def judged_users(data: Dataset, split: Split, most: int | None = None) -> NDArray[np.int32]:
    """Users with something held out in ``split``, ascending; of more than ``most`` a seeded sample, always
    the same."""
    users = np.flatnonzero(relevant_items(data, split).counts()).astype(np.int32)
    if most and users.size > most:
        users = np.sort(stream(0, f"{split} users").choice(users, most, replace=False))
    return users


def holdout(data: Dataset, split: Split, most: int | None = None) -> Evaluation:
    """Users with something held out in ``split``, at most so many, their masked and their relevant items."""
    relevant, masked = relevant_items(data, split), masked_items(data, split)
    users = judged_users(data, split, most)
    return Evaluation(users, *_rows(masked, users), *_rows(relevant, users))


def _rows(pairs: Interactions, users: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """indptr (B + 1,) and indices of some users' rows."""
    indptr = np.concatenate([[0], np.cumsum(pairs.counts()[users])]).astype(np.int64)
    rows = [pairs.of(user) for user in users.tolist()]
    return indptr, np.concatenate(rows or [np.empty(0, np.int32)])
