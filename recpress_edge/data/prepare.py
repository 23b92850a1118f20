"""From files to a data set: read, filter, split, and write down what was done."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.files import sha256_file
from recpress_edge.data.features.attach import context_table
from recpress_edge.data.features.columns import Features
from recpress_edge.data.features.encode import FeatureSpec
from recpress_edge.data.filter import Filters, apply_filters
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.log import Log
from recpress_edge.data.readers.columns import ColumnChoice
from recpress_edge.data.readers.frames import kind_of
from recpress_edge.data.readers.names import plain
from recpress_edge.data.readers.read import Progress, Reading, ReadResult, read_log, unseen
from recpress_edge.data.split import PER_USER, Split, SplitRule, parse_rule, split_log
from recpress_edge.data.strangers import settle_strangers
from recpress_edge.data.times import date_text
from recpress_edge.data.weights import WEIGHT, sum_weights, weigh, weight_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Everything that turns given files into one and the same data set."""

    fmt: str = "auto"
    """One of read.FORMATS, or auto."""
    columns: ColumnChoice | None = None
    reading: Reading = field(default_factory=Reading)
    split: str = "loo-random"
    """One of split.SPLITS; 'given' takes train, valid and test, or train and test."""
    seed: int | None = None
    """For a split that draws; None is 0."""
    context: tuple[FeatureSpec, ...] = ()
    """Columns of the log that become features of its interactions."""
    weight: str | None = None
    """The column of how often or how long, added up where an interaction is repeated."""
    filters: Filters = field(default_factory=Filters)
    licence: str = "not stated"
    strangers: str | None = None
    """One of strangers.CHOICES, for a given split; None asks where they are many."""

    def __post_init__(self) -> None:
        named = [spec.column for spec in self.context if (spec.name or spec.column) == WEIGHT]
        if self.weight is None and named:
            raise ConfigError(
                f"--context {named[0]}: {WEIGHT} is the name of what --weight reads. Write --weight "
                f"{named[0]} where it says how often or how long, or give it another name: amount={named[0]}"
            )
        others = [spec for spec in self.context if spec != weight_spec(self.weight)]
        names, columns = [spec.name or spec.column for spec in others], [spec.column for spec in others]
        if self.weight is not None and (WEIGHT in names or self.weight in columns):
            raise ConfigError(
                f"--context names {self.weight} or a {WEIGHT}, and so does --weight. Remove one."
            )

    def complete(self) -> "Preparation":
        """The same with its weight among its context, and with its context among its columns."""
        spec = weight_spec(self.weight)
        context = self.context if spec is None or spec in self.context else (*self.context, spec)
        if not context:
            return self
        asked = tuple(one.column for one in context)
        return replace(self, context=context, columns=replace(self.columns or ColumnChoice(), context=asked))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set and the record of how it was made."""

    dataset: Dataset
    record: dict[str, Any]
    """JSON: sources with SHA-256, what was read, filters, rows removed, split."""


def prepare(
    name: str,
    files: Sequence[Path],
    how: Preparation,
    *,
    parts: Sequence[int] | None = None,
    progress: Progress = unseen,
) -> Prepared:
    """Read ``files`` and split them; combinations that make no sense are a ConfigError.

    ``parts``: of a given split, the part of each file; None is one file a part.
    """
    how = how.complete()
    of_part = range(len(files)) if parts is None else parts
    rule = _rule(how, len(set(of_part)) or 1)
    seed = how.seed or 0
    read = read_files(files, how, of_part, progress)
    _check_needs(read, how, rule)
    gather = None if how.weight is None else partial(sum_weights, column=how.weight)
    log, removed = apply_filters(read.log, how.filters, gather)
    for kind, ids in (("user", log.user_ids), ("item", log.item_ids)):
        if len(ids) < 2:
            raise DataError(f"only one {kind} ({ids[0]!r}): nothing can be learnt from this log")
    strangers = settle_strangers(log, _part_names(files, of_part), how.strangers)
    log = strangers.log
    split = split_log(log, rule, seed)
    for part, interactions in (("train", split.train), ("validation", split.valid), ("test", split.test)):
        if not len(interactions):
            raise DataError(f"no {part} interaction: {_why_empty(log, how, split)}")
    three = (split.train, split.valid, split.test)
    dataset = Dataset(name, *three, log.user_ids, log.item_ids, split.protocol, how.licence, split.ties)
    dataset, of_context = _with_context(dataset, log, how, removed.duplicates)
    record = {
        "sources": _sources(files, how.reading),
        "read": [*read.notes, *of_context, *_rating_notes(read, how), *_split_notes(log, rule, split)],
        "strangers": list(strangers.notes),
        "asked": {
            **_asked(how.reading),
            "strangers": how.strangers,
            "context": [spec.words() for spec in how.context],
        },
        "filters": asdict(how.filters),
        "rows": {
            "read": len(read.log),
            "kept": len(log),
            **{f"left_out_{k}": v for k, v in read.left_out.items()},
            "left_out_strangers": strangers.dropped,
            **{f"removed_{k}": v for k, v in asdict(removed).items()},
        },
        "split": {
            "kind": how.split,
            "seed": seed if rule.draws(len(set(of_part))) else None,
            "users_not_held_out": split.users_not_held_out,
            "tied_users": split.tied_users,
        },
    }
    return Prepared(dataset, record)


def read_files(
    files: Sequence[Path], how: Preparation, parts: Sequence[int], progress: Progress = unseen
) -> ReadResult:
    """Read the files, with what the split and the filters need."""
    rule = parse_rule(how.split)
    named = how.columns is not None and "time" in (how.columns.columns or {})
    timed = named or rule.kind in ("loo-time", "time")
    reading = replace(how.reading, bounded=how.filters.min_rating is not None, needs_times=timed)
    return read_log(files, how.fmt, how.columns, reading, parts=parts, progress=progress)


def _with_context(
    dataset: Dataset, log: Log, how: Preparation, duplicates: int
) -> tuple[Dataset, tuple[str, ...]]:
    """The data set with the columns of --context, and notes on them."""
    if not how.context:
        return dataset, ()
    table, notes = context_table(log, (dataset.train, dataset.valid, dataset.test), how.context)
    if duplicates and len(how.context) > (how.weight is not None):
        notes += (f"context of repeated interactions: that of the first of {duplicates:,} more",)
    if how.weight is not None:
        notes += ("weights: als learns from them; other methods count each pair once",)
    return weigh(replace(dataset, features=Features(context=table))), notes


def _sources(files: Sequence[Path], reading: Reading) -> list[dict[str, str]]:
    """The files with their digests; of a frame, what it was, for what it held is in the data set's digest."""
    if reading.frame is not None:
        return [{"frame": kind_of(reading.frame)}]
    return [{"file": path.name, "sha256": sha256_file(path)} for path in files]


def _part_names(files: Sequence[Path], parts: Sequence[int]) -> tuple[str, ...]:
    """The first file of each part."""
    first: dict[int, str] = {}
    for path, part in zip(files, parts, strict=True):
        first.setdefault(part, path.name)
    return tuple(first.values())


def _rule(how: Preparation, n_files: int) -> SplitRule:
    """The split that is asked for, where it fits the files and the other flags."""
    rule = parse_rule(how.split)
    if rule.kind == "given" and n_files not in (2, 3):
        raise ConfigError(f"--split given needs train, valid and test, or train and test; got {n_files} file")
    if rule.kind != "given" and n_files != 1:
        raise ConfigError(f"--split {how.split} takes one file, got {n_files}; for ready splits use given")
    if rule.kind == "given" and how.filters.any():
        raise ConfigError("a given split is taken as it is: remove --min-rating, --min-user and --min-item")
    if rule.kind != "given" and how.strangers is not None:
        raise ConfigError(f"--strangers is for given files: remove it, or the split {how.split}")
    if how.seed is not None and not rule.draws(n_files):
        raise ConfigError(f"--split {how.split} draws nothing at random: remove --seed")
    if not how.licence.isprintable():
        raise ConfigError(f"--licence {how.licence!r}: write one line of plain text")
    if how.seed is not None and how.seed < 0:
        raise ConfigError(f"--seed must not be negative, got {how.seed}")
    return rule


def _why_empty(log: Log, how: Preparation, split: Split) -> str:
    if log.times is None or not how.split.startswith("time:"):
        return f"no user has enough items for the split {how.split!r}"
    first, last = (date_text(float(time), clock=True) for time in (log.times.min(), log.times.max()))
    return f"--split {how.split} is {split.protocol}, and the times of the log are {first} to {last}"


def _asked(reading: Reading) -> dict[str, Any]:
    return {
        "encoding": reading.encoding,
        "member": reading.member,
        "where": reading.where,
        "query": reading.query,
        "only": [f"{only.column}={','.join(only.values)}" for only in reading.only],
        "missing": list(reading.ids.missing),
        "ids": reading.ids.form,
        "time_unit": reading.time_unit,
        "date_order": reading.date_order,
    }


def _rating_notes(read: ReadResult, how: Preparation) -> list[str]:
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


def _split_notes(log: Log, rule: SplitRule, split: Split) -> list[str]:
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


def _check_needs(read: ReadResult, how: Preparation, rule: SplitRule) -> None:
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
