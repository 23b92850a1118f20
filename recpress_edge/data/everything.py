"""A data set whose whole log is trained on: what a user ships once nothing is left to choose."""

import dataclasses
from pathlib import Path
from typing import Final

import numpy as np

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.core.errors import ConfigError
from recpress_edge.data.features.attach import resorted
from recpress_edge.data.holdout import history
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.prepare import Prepared
from recpress_edge.data.store import dataset_path, open_dataset, read_manifest, save_dataset

NO_TEST: Final = "trained on everything: no test figure is possible"
JOINED: Final = "joined_from"
"""Key of the manifest that names the data set it was made of."""
SUFFIX: Final = "-everything"
ASKED_USERS: Final = 10_000
"""Users whose lists are compared when nothing is held out: more say nothing new of a file."""


def everything(data: Dataset) -> Dataset:
    """Train, validation and test as the train split, and nothing held out."""
    whole = history(data, "test").union(data.test)
    none = data.train.none()
    return dataclasses.replace(
        data,
        name=data.name[: 64 - len(SUFFIX)] + SUFFIX,
        train=whole,
        valid=none,
        test=none,
        features=resorted(data.features, (data.train, data.valid, data.test), (whole,)),
        protocol=f"{data.protocol}; {NO_TEST}",
        ties="",
    )


def holds_nothing_out(data: Dataset) -> bool:
    """Whether the whole log is trained on."""
    return not len(data.valid) and not len(data.test)


def check_name_free(data: Dataset, work: Path) -> Dataset:
    """:func:`everything`; ConfigError where a data set of that name was imported."""
    whole = everything(data)
    folder = dataset_path(work, whole.name)
    if folder.exists() and JOINED not in read_manifest(folder):
        raise ConfigError(
            f"data set {whole.name!r} was imported, and --final would take its name. Import it under another."
        )
    return whole


def store_everything(data: Dataset, work: Path) -> Dataset:
    """:func:`everything` among the data sets of a work folder, where models of it are found by its name."""
    whole = check_name_free(data, work)
    folder = dataset_path(work, whole.name)
    if not folder.exists() or _held(open_dataset(folder)) != _held(whole):
        made_of = {JOINED: {"name": data.name, "digest": data.digest()}}
        save_dataset(Prepared(whole, made_of), work, force=True)
    return whole


def _held(data: Dataset) -> tuple[object, ...]:
    """All that is stored of a data set's rows, ids, order, weights, titles and features."""
    return data.digest(), data.order_digest(), data.features_digest(), data.titles


def unjudged(data: Dataset) -> Evaluation:
    """Users spread over all, with what they consumed masked and nothing to hit: lists, no metric."""
    users = np.unique(np.linspace(0, data.n_users - 1, ASKED_USERS).astype(np.int64))
    counts = data.train.counts()[users]
    return Evaluation(
        users.astype(np.int32),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        data.train.indices[data.train.positions_of(users)],
        np.zeros(users.size + 1, np.int64),
        np.empty(0, np.int32),
    )
