"""What a reader of a data set's figures should know of how it was made, and what is missing for making it."""

import shlex
from typing import TYPE_CHECKING

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.log import Log
from recpress_edge.data.readers.names import plain
from recpress_edge.data.readers.read import ReadResult
from recpress_edge.data.split import PER_USER, Split, SplitRule
from recpress_edge.data.times import date_text

if TYPE_CHECKING:
    from recpress_edge.data.prepare import Preparation


def why_empty(log: Log, how: "Preparation", split: Split) -> str:
    """Why a part of the split holds nothing."""
    if log.times is None or not how.split.startswith("time:"):
        return f"no user has enough items for the split {how.split!r}"
    first, last = (date_text(float(time), clock=True) for time in (log.times.min(), log.times.max()))
    return f"--split {how.split} is {split.protocol}, and the times of the log are {first} to {last}"


def rating_notes(read: ReadResult, how: "Preparation") -> list[str]:
    """That low ratings count too, where nothing leaves them out."""
    ratings = read.log.ratings
    if ratings is None or how.filters.min_rating is not None or how.split == "given":
        return []
    low, high = float(ratings.min()), float(ratings.max())
    if low == high:
        return []
    none = int((ratings <= 0).sum())
    odd = f", {none:,} of them 0 or lower, which is 'not rated' in some logs" * bool(none)
    return [
        f"ratings from {low:g} to {high:g}{odd}: every row counts alike; --min-rating leaves out low ones"
    ]


def split_notes(log: Log, rule: SplitRule, split: Split) -> list[str]:
    """What a reader of the figures should know of the split: users whom it cannot judge, and leakage."""
    if rule.kind == "time":
        held_out = [part.counts() > 0 for part in (split.valid, split.test)]
        tested = held_out[0] | held_out[1]
        new_users = int((tested & (split.train.counts() == 0)).sum())
        untrained = int(
            (
                (split.valid.item_counts() + split.test.item_counts() > 0) & (split.train.item_counts() == 0)
            ).sum()
        )
        return [
            f"{split.users_not_held_out:,} of {split.train.n_users:,} users have no row after the first cut, "
            f"and are not judged; {new_users:,} users and {untrained:,} items have none before it: nothing "
            "can be learnt of them"
        ]
    if rule.kind in PER_USER and log.times is not None:
        return [
            f"--split {rule.kind} holds out items of each user, so that train holds what others did later: "
            "figures are higher than those of a cut in time, --split time:80/10/10"
        ]
    return []


def check_needs(read: ReadResult, how: "Preparation", rule: SplitRule) -> None:
    """ConfigError where ratings or times are needed that no column was taken for."""
    if how.filters.min_rating is not None and read.log.ratings is None:
        raise _no_ratings(read)
    if rule.kind in ("loo-time", "time") and read.log.times is None and read.may_be_times:
        raise ConfigError(
            f"--split {how.split} needs timestamps, and no column was taken for them. Is it "
            f"{' or '.join(read.may_be_times)}? Say so with --time {shlex.quote(read.may_be_times[0])}"
        )


def _no_ratings(read: ReadResult) -> ConfigError:
    """--min-rating without ratings: a column that may hold them is named."""
    likely = [
        name
        for name in read.ignored_columns
        if any(word in plain(name) for word in ("rating", "score", "star"))
    ]
    if not likely:
        return ConfigError(
            "--min-rating needs ratings, and this log has none. Remove it, or name the column that holds "
            "them with --rating COLUMN"
        )
    return ConfigError(
        f"--min-rating needs ratings, and no column was taken for them. Is it {' or '.join(likely)}? Say so "
        f"with --rating {shlex.quote(likely[0])}; mind what its values mean: 0 is 'not rated' in some logs."
    )
