"""Logs cut into nights: what a shop knew at the end of each day. Without torch."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from recpress_edge.core.arrays import F64, I64
from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.readers.read import read_log
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.store import TrainedModel

LOGS: Final[Mapping[str, tuple[str, str]]] = {
    "ml-1m": ("ml-1m/sequences.txt", "adjacency"),
    "citeulike": ("citeulike/users.dat", "counted-adjacency"),
    "ml-100k": ("ml-100k/ml-100k.inter", "inter"),
}
"""File below RECPRESS_DATA_DIR, and its format."""
NIGHTS: Final = 5
SHARE: Final = 0.01
"""Of the log, a night."""
LEAST_ITEMS: Final = 5
"""Of a user, in the whole log."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Interactions (n,), earliest first, with the names behind them."""

    name: str
    users: I64
    items: I64
    times: F64
    """(n,), ascending."""

    def take(self, kept: I64) -> "Rows":
        """These rows (m,)."""
        return Rows(self.name, self.users[kept], self.items[kept], self.times[kept])

    def since(self, earlier: "Rows") -> "Rows":
        """The rows behind those of an earlier state of the same log."""
        return self.take(np.arange(earlier.users.size, self.users.size))

    def dataset(self, name: str) -> Dataset:
        """Leave-one-out by time."""
        columns = {"user": self.users, "item": self.items, "time": self.times}
        return Dataset.from_frame(columns, name=name, split="loo-time", user="user", item="item", time="time")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which log, and what is trained on it."""
    parser.add_argument("--log", choices=list(LOGS), default="ml-1m", help="default: %(default)s")
    parser.add_argument("--student", default="soft_dim32", help="default: %(default)s")
    parser.add_argument("--teacher", help="default: the student's usual one")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")


def student(
    args: argparse.Namespace,
    data: Dataset,
    work: Path,
    earlier: TrainedModel | None = None,
    on_event: OnEvent = silent,
) -> TrainedModel:
    """The student of :func:`add_model_options` on a log, found or trained, going on from an earlier one."""
    choice = TrainOptions(teacher=args.teacher, earlier=str(earlier.folder) if earlier else None)
    return ensure_model(ModelRequest(name=args.student, seed=args.seed, options=choice), data, work, on_event)


def rows_of(name: str) -> Rows:
    """A log of LOGS in order of time.

    MovieLens 100K has times. The other two have an order of each user alone, CiteULike's that of its file:
    there a user begins at a drawn moment, and the user's items follow at drawn moments in their order.
    """
    if name not in LOGS:
        raise unknown_name("log", name, list(LOGS))
    folder = os.environ.get("RECPRESS_DATA_DIR")
    if not folder:
        raise ConfigError(f"--log {name} is read from the folder that RECPRESS_DATA_DIR names; it is not set")
    file, kind = LOGS[name]
    log = read_log([Path(folder) / file], kind).log
    users, items = log.users.astype(np.int64), log.items.astype(np.int64)
    times = _drawn_times(users) if log.times is None else log.times.astype(np.float64)
    enough = np.bincount(users, minlength=users.max() + 1)[users] >= LEAST_ITEMS
    order = np.lexsort((np.arange(users.size), times))
    found = Rows(name, users[order], items[order], times[order])
    return found.take(np.flatnonzero(enough[order]))


def _drawn_times(users: I64) -> F64:
    """A moment in [0, 1) for each row (n,), ascending within each user."""
    rng = stream(0, "nights")
    begins = rng.random(users.max() + 1)
    moments = rng.random(users.size)
    ascending = np.lexsort((moments, users))
    by_user = np.argsort(users, kind="stable")
    own = np.empty(users.size)
    own[by_user] = moments[ascending]
    return np.asarray(begins[users] + (1 - begins[users]) * own, np.float64)


def nights(rows: Rows, count: int, share: float) -> list[Rows]:
    """The log before the first night, and after each of ``count``: each adds a share of all rows."""
    total = rows.users.size
    if not 0 < share * count < 0.5:
        raise ConfigError(f"{count} nights of {share:g} of the log each are not below a half of it")
    ends = [total - round(total * share * (count - night)) for night in range(count + 1)]
    return [rows.take(np.arange(end)) for end in ends]
