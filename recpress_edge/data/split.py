"""Train, validation and test: which of a user's interactions are held out."""

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.errors import ConfigError, DataError, unknown_name
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Interactions
from recpress_edge.data.log import Log
from recpress_edge.data.order import ordered_by, stable_order
from recpress_edge.data.ties import by_pair, earliest_first, tied_users
from recpress_edge.data.times import date_text, read_date

Places = NDArray[np.integer]

SPLITS: Final = (
    "given", "loo-random", "loo-time", "loo-order", "ratio:TRAIN/VALID/TEST",
    "time:TRAIN/VALID/TEST", "time:DATE", "time:DATE/DATE", "rows:TRAIN/VALID/TEST",
)  # fmt: skip
PER_USER: Final = ("loo-random", "loo-time", "loo-order", "ratio")
"""Kinds that hold out items of each user, whenever others consumed theirs."""
FEWEST_TO_HOLD_OUT = 3
"""With fewer items a user cannot give one each to train, validation and test."""


@dataclass(frozen=True, slots=True)
class Split:
    """The three parts and what a reader should know of them."""

    train: Interactions
    valid: Interactions
    test: Interactions
    protocol: str
    """In words, seed included where one was used."""
    users_not_held_out: int
    """Users whose every interaction went to train."""
    ties: str = ""
    """How many users' held-out items a tie in time decides, and how; empty where none does."""
    tied_users: int = 0


@dataclass(frozen=True, slots=True)
class SplitRule:
    """A parsed --split."""

    kind: str
    """given, loo-random, loo-time, loo-order, ratio, time or rows."""
    ratio: tuple[int, int, int] | None = None
    """Percent in train, valid, test: of each user's items, or, of a cut in time and of rows, of all rows."""
    cuts: tuple[float, ...] = ()
    """Unix seconds at which test begins, or at which validation and test begin."""

    def draws(self, n_files: int) -> bool:
        """Whether anything is drawn at random, so that a seed has a meaning."""
        return self.kind in ("loo-random", "ratio", "rows") or (self.kind == "given" and n_files == 2)


def parse_rule(text: str) -> SplitRule:
    """'ratio:60/20/20' and the other SPLITS; anything else is a ConfigError."""
    kind, colon, value = text.partition(":")
    if kind not in ("ratio", "time", "rows"):
        if text not in SPLITS:
            raise unknown_name("split", text, SPLITS)
        return SplitRule(kind)
    parts = value.split("/")
    if kind == "time" and (cuts := _cuts(text, value)):
        return SplitRule(kind, cuts=cuts)
    if not colon or len(parts) != 3 or not all(p.isascii() and p.isdigit() and len(p) <= 3 for p in parts):
        dates = ", time:2024-05-01 or time:2024-04-01/2024-05-01" if kind == "time" else ""
        raise ConfigError(f"--split {text!r}: write for example {kind}:80/10/10{dates}")
    train, valid, test = (int(part) for part in parts)
    if train + valid + test != 100 or min(train, valid, test) == 0:
        raise ConfigError(
            f"--split {text!r}: the three must be above 0 and add up to 100, not {train + valid + test}"
        )
    return SplitRule(kind, (train, valid, test))


def _cuts(text: str, value: str) -> tuple[float, ...]:
    """The one or two dates of time:DATE and time:DATE/DATE; none where these are no dates."""
    dates = [read_date(part) for part in value.split("/")]
    cuts = tuple(date for date in dates if date is not None)
    if len(cuts) < len(dates) or len(cuts) > 2:
        return ()
    if len(cuts) == 2 and cuts[0] >= cuts[1]:
        raise ConfigError(f"--split {text}: validation must begin before test does. Swap the dates.")
    return cuts


def split_log(log: Log, rule: SplitRule, seed: int) -> Split:
    """Split distinct rows; the seed is used by the random protocols alone."""
    if rule.kind == "given":
        return split_given(log, seed)
    if rule.kind == "loo-time":
        return leave_one_out_by_time(log)
    if rule.kind == "loo-order":
        return leave_one_out_by_order(log)
    if rule.kind == "time":
        return by_parts(log, *part_at_times(log, rule))
    return split_at_random(log, rule, seed)


def split_given(log: Log, seed: int = 0) -> Split:
    """Part 0 trains, the last part tests; a pair in two parts is refused.

    With three parts, part 1 validates. With two, a tenth of each user's training items is drawn for
    it, rounded down: 10 items give 1, 9 none.
    """
    pairs = log.users.astype(np.int64) * len(log.item_ids) + log.items
    unique, counts = np.unique(pairs, return_counts=True)
    if (twice := unique[counts > 1]).size:
        user, item = divmod(int(twice[0]), len(log.item_ids))
        raise DataError(
            f"{twice.size:,} interactions are in more than one of the given files, first user "
            f"{log.user_ids[user]!r} with item {log.item_ids[item]!r}. "
            "A held-out item that was trained on cannot be recommended: remove it from one file."
        )
    if log.parts.max(initial=0) == 2:
        return by_parts(log, log.parts, "given files")
    place, _ = _place_in_user(log, _shuffled(log, seed, first=log.parts))
    total = np.bincount(log.users[log.parts == 0], minlength=len(log.user_ids))[log.users]
    part = np.where(log.parts == 1, 2, (place >= total - total // 10).astype(np.int8))
    return by_parts(
        log, part, f"given train and test, a tenth of each user's train for validation, seed {seed}"
    )


def leave_one_out_by_time(log: Log) -> Split:
    """The last item of each user tests, the one before validates; equal times are ordered as ties.py says."""
    if log.times is None:
        raise _without_times("loo-time")
    order, how = earliest_first(log)
    ranks = _ranks(log, order)
    part = _hold_out_two(log, ordered_by(log.users, -ranks))
    split = by_parts(log, part, "leave-one-out by time", ranks)
    tied, held_out = tied_users(log, order, part), len(log.user_ids) - split.users_not_held_out
    if not tied:
        return split
    ties = (
        f"the items held out of {tied:,} of {held_out:,} users ({tied / held_out:.0%}) are decided by a tie"
    )
    return dataclasses.replace(split, ties=f"{ties} in time; ties are {how}", tied_users=tied)


def leave_one_out_by_order(log: Log) -> Split:
    """The last item of each user in the file tests, the one before validates: for lines in order of time."""
    if log.places is None:
        raise ConfigError("--split loo-order needs rows that were read from a file. Use --split loo-random.")
    latest_first = ordered_by(log.users, -log.places)
    part = _hold_out_two(log, latest_first)
    return by_parts(log, part, "leave-one-out by order in the file", _ranks(log, latest_first[::-1]))


def part_at_times(log: Log, rule: SplitRule) -> tuple[Places, str]:
    """Part of each row (n,) by one cut for all users, and the protocol in words: what came first trains, what
    came last tests; equal times stay together.

    With shares, test begins at the time of the row at which its share of all rows begins. With one date,
    the last tenth of the rows before it validates.
    """
    if log.times is None:
        raise _without_times("time")
    times = np.sort(log.times)
    if rule.ratio is not None:
        train, valid, _ = rule.ratio
        cuts = [float(times[len(times) * share // 100]) for share in (train, train + valid)]
    elif len(rule.cuts) == 2:
        cuts = list(rule.cuts)
    else:
        earlier = times[times < rule.cuts[0]]
        cuts = [float(earlier[len(earlier) * 9 // 10]) if earlier.size else rule.cuts[0], rule.cuts[0]]
    part = (log.times >= cuts[0]).astype(np.int8) + (log.times >= cuts[1])
    dates = [date_text(cut, clock=True) for cut in cuts]
    words = f"one cut in time for all users: validation from {dates[0]}, test from {dates[1]}"
    return part, words


def _without_times(split: str) -> ConfigError:
    return ConfigError(
        f"--split {split} needs timestamps, and this log has none. Use --split loo-random, or name their "
        "column with --time COLUMN"
    )


def split_at_random(log: Log, rule: SplitRule, seed: int) -> Split:
    """Leave-one-out, or a share of each user's items, drawn without regard to the order of the rows.

    With a ratio, the cuts are rounded up, so what does not divide goes to train first: 3 items at
    60/20/20 give 2, 1, 0.
    """
    order = _shuffled(log, seed)
    if rule.ratio is None:
        return by_parts(log, _hold_out_two(log, order), f"leave-one-out at random, seed {seed}")
    train, valid, test = rule.ratio
    place, total = _place_in_user(log, order)
    part = (place >= -(-total * train // 100)).astype(np.int8) + (place >= -(-total * (train + valid) // 100))
    return by_parts(
        log, part.astype(np.int8), f"{train}/{valid}/{test} of each user's items at random, seed {seed}"
    )


def _shuffled(log: Log, seed: int, first: Places | None = None) -> Places:
    """Rows by user, then by ``first``, then at random."""
    draw = np.empty(len(log))
    draw[by_pair(log)] = stream(seed, "split").random(len(log))
    return ordered_by(log.users, draw) if first is None else ordered_by(log.users, first, draw)


def _hold_out_two(log: Log, order: Places) -> Places:
    """Part of each row: the first of a user in ``order`` tests, the second validates."""
    place, total = _place_in_user(log, order)
    part = np.where(place == 0, 2, np.where(place == 1, 1, 0))
    return np.where(total < FEWEST_TO_HOLD_OUT, 0, part).astype(np.int8)


def _place_in_user(log: Log, order: Places) -> tuple[Places, Places]:
    """For each row, its place among its user's rows in ``order``, and how many these are."""
    counts = np.bincount(log.users, minlength=len(log.user_ids))
    starts = np.cumsum(counts) - counts
    place = np.empty(len(log), np.int64)
    place[order] = np.arange(len(log)) - starts[log.users[order]]
    return place, counts[log.users]


def _ranks(log: Log, earliest_first: Places) -> Places:
    """Place of each row in its user's log (n,); ``earliest_first`` orders the rows of any one user."""
    by_user = earliest_first[stable_order(log.users[earliest_first])]
    return _place_in_user(log, by_user)[0]


def by_parts(log: Log, part: Places, protocol: str, ranks: Places | None = None) -> Split:
    """The three parts; with the order of each user's items where it was given or the log has times."""
    n_users, n_items = len(log.user_ids), len(log.item_ids)
    if ranks is None and log.times is not None:
        ranks = _ranks(log, earliest_first(log)[0])
    parts = [
        Interactions.from_pairs(
            log.users[part == p],
            log.items[part == p],
            n_users,
            n_items,
            None if ranks is None else ranks[part == p],
        )
        for p in range(3)
    ]
    held_out = (parts[1].counts() > 0) | (parts[2].counts() > 0)
    return Split(parts[0], parts[1], parts[2], protocol, int((~held_out).sum()))
