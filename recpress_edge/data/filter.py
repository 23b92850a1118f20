"""Which rows count as interactions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.log import Log
from recpress_edge.data.order import ordered_by, stable_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Applied in this order: rating, duplicates (always), minimum counts."""

    min_rating: float | None = None
    """Rows rated lower are dropped; the bound itself stays."""
    min_user: int = 1
    """Fewest distinct items a user must have."""
    min_item: int = 1
    """Fewest distinct users an item must have."""

    def __post_init__(self) -> None:
        for name in ("min_user", "min_item"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name.replace('_', '-')} must be at least 1, got {getattr(self, name)}")
        if self.min_rating is not None and not np.isfinite(self.min_rating):
            raise ConfigError(f"--min-rating must be a finite number, got {self.min_rating}")

    def any(self) -> bool:
        """Whether something beyond duplicates is removed."""
        return self != Filters()


@dataclass(frozen=True, slots=True)
class Removed:
    """Rows taken out by each step."""

    low_ratings: int
    duplicates: int
    rare: int
    """Rows of users or items below the minimum counts."""


def apply_filters(
    log: Log, filters: Filters, gather: Callable[[Log], Log] | None = None
) -> tuple[Log, Removed]:
    """The rows that count, sorted by user, item; only users and items that have one remain.

    ``gather`` takes the rows that are rated high enough before duplicates are dropped.
    """
    rated = log
    if filters.min_rating is not None:
        if log.ratings is None:
            raise ConfigError("--min-rating needs ratings, and this log has none. Remove it.")
        rated = log.take(log.ratings >= filters.min_rating)
    distinct = drop_duplicates(rated if gather is None else gather(rated))
    core = k_core(distinct, filters.min_user, filters.min_item)
    if not len(core):
        raise DataError(
            f"no interaction is left of {len(log):,}: {len(log) - len(rated):,} are below the rating "
            f"threshold and {len(distinct):,} belong to users or items below the minimum counts. "
            "Lower the bounds."
        )
    removed = Removed(len(log) - len(rated), len(rated) - len(distinct), len(distinct) - len(core))
    return core.compact(), removed


def drop_duplicates(log: Log) -> Log:
    """One row for each part, user and item, sorted so: the earliest; at equal or no times, the first read.

    The earliest, because the question a split asks is when the user first met the item.
    """
    keys = log.users + log.parts.astype(np.int64) * len(log.user_ids)
    keys *= len(log.item_ids)
    keys += log.items
    order = stable_order(keys) if log.times is None else ordered_by(keys, log.times)
    keys = keys[order]
    first = np.ones(len(keys), np.bool_)
    first[1:] = keys[1:] != keys[:-1]
    return log.take(order[first])


def k_core(log: Log, min_user: int, min_item: int) -> Log:
    """Drop users and items with too few rows until none is left that has too few.

    The rows must be distinct. The result does not depend on the order of dropping.
    """
    while True:
        per_user = np.bincount(log.users, minlength=len(log.user_ids))
        per_item = np.bincount(log.items, minlength=len(log.item_ids))
        keep = (per_user[log.users] >= min_user) & (per_item[log.items] >= min_item)
        if keep.all():
            return log
        log = log.take(keep)
