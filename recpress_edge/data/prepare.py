"""From files to a data set: read, filter, split, and write down what was done."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from recpress_edge.core.arrays import I64
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.files import sha256_file
from recpress_edge.data.features.attach import context_rows, context_table
from recpress_edge.data.features.columns import Features
from recpress_edge.data.features.encode import FeatureSpec
from recpress_edge.data.features.labels import KINDS, LabelRule, labels_of, split_labelled
from recpress_edge.data.features.rows import LabelledRows
from recpress_edge.data.filter import Filters, Removed, apply_filters
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.log import Log
from recpress_edge.data.notes import check_needs, rating_notes, split_notes, why_empty
from recpress_edge.data.readers.columns import ColumnChoice
from recpress_edge.data.readers.frames import kind_of
from recpress_edge.data.readers.read import Progress, Reading, ReadResult, read_log, unseen
from recpress_edge.data.split import Split, SplitRule, parse_rule, split_log
from recpress_edge.data.strangers import Strangers, settle_strangers
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
    time_features: tuple[str, ...] = ()
    """Of clock.TIME_FEATURES: what the times of the log become, beside ``context``."""
    label: LabelRule | None = None
    """What tells rows that were taken from others; None: all rows were."""
    weight: str | None = None
    """The column of how often or how long, added up where an interaction is repeated."""
    filters: Filters = field(default_factory=Filters)
    licence: str = "not stated"
    strangers: str | None = None
    """One of strangers.CHOICES, for a given split; None asks where they are many."""

    def __post_init__(self) -> None:
        if self.label is not None and self.weight is not None:
            raise ConfigError(
                "--weight is of a log in which every row was taken, not of one with labels. Remove one."
            )
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
        """The same with its weight in its context, and with its context, then its label, in its columns."""
        spec = weight_spec(self.weight)
        context = self.context if spec is None or spec in self.context else (*self.context, spec)
        label = () if self.label is None or self.label.column is None else (self.label.column,)
        asked = (*(one.column for one in context), *label)
        if not asked:
            return self
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
    check_needs(read, how, rule)
    make = _observed if how.label is None else _labelled
    made = make(read, how, rule, _part_names(files, of_part))
    log, split, removed = made.log, made.split, made.removed
    three = (split.train, split.valid, split.test)
    dataset = Dataset(name, *three, log.user_ids, log.item_ids, split.protocol, how.licence, split.ties)
    dataset, of_context = _with_context(replace(dataset, labelled=made.labelled), made, how)
    record = {
        "sources": _sources(files, how.reading),
        "read": [*read.notes, *of_context, *made.notes],
        "strangers": list(made.strangers.notes),
        "asked": {
            **_asked(how.reading),
            "strangers": how.strangers,
            "context": [spec.words() for spec in how.context],
            **({"time_features": list(how.time_features)} if how.time_features else {}),
            **({"label": how.label.words()} if how.label else {}),
        },
        "filters": asdict(how.filters),
        "rows": {
            "read": len(read.log),
            "kept": len(log),
            **{f"left_out_{k}": v for k, v in read.left_out.items()},
            "left_out_strangers": made.strangers.dropped,
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


@dataclass(frozen=True, slots=True)
class _Parted:
    """A log that is filtered and split."""

    log: Log
    split: Split
    removed: Removed
    strangers: Strangers
    context_rows: I64
    """Row of the log of each row of the context columns."""
    notes: tuple[str, ...]
    labelled: LabelledRows | None = None


def _observed(read: ReadResult, how: Preparation, rule: SplitRule, names: tuple[str, ...]) -> _Parted:
    """A log in which every row is an interaction. ``names``: of the parts' files."""
    gather = None if how.weight is None else partial(sum_weights, column=how.weight)
    log, removed = apply_filters(read.log, how.filters, gather)
    _check_several(log)
    strangers = settle_strangers(log, names, how.strangers)
    log = strangers.log
    split = split_log(log, rule, how.seed or 0)
    three = (split.train, split.valid, split.test)
    for part, interactions in zip(("train", "validation", "test"), three, strict=True):
        if not len(interactions):
            raise DataError(f"no {part} interaction: {why_empty(log, how, split)}")
    notes = (*rating_notes(read, how), *split_notes(log, rule, split))
    return _Parted(log, split, removed, strangers, context_rows(log, three), notes)


def _labelled(read: ReadResult, how: Preparation, rule: SplitRule, names: tuple[str, ...]) -> _Parted:
    """A log in which a label tells what was taken; all rows stay, repeated ones too."""
    assert how.label is not None
    log, labels = labels_of(read.log, how.label)
    _check_several(log)
    found = split_labelled(log, labels, rule, how.seed or 0)
    unchanged = Removed(0, 0, 0), Strangers(log, (), 0)
    return _Parted(log, found.split, *unchanged, found.order, found.notes, found.rows)


def _check_several(log: Log) -> None:
    for kind, ids in (("user", log.user_ids), ("item", log.item_ids)):
        if len(ids) < 2:
            raise DataError(f"only one {kind} ({ids[0]!r}): nothing can be learnt from this log")


def read_files(
    files: Sequence[Path], how: Preparation, parts: Sequence[int], progress: Progress = unseen
) -> ReadResult:
    """Read the files, with what the split and the filters need."""
    rule = parse_rule(how.split)
    named = how.columns is not None and "time" in (how.columns.columns or {})
    timed = named or rule.kind in ("loo-time", "time") or bool(how.time_features)
    label = how.label or LabelRule()
    bounded = how.filters.min_rating is not None or label.least is not None
    reading = replace(how.reading, bounded=bounded, needs_times=timed, label=label.column)
    return read_log(files, how.fmt, how.columns, reading, parts=parts, progress=progress)


def _with_context(dataset: Dataset, made: _Parted, how: Preparation) -> tuple[Dataset, tuple[str, ...]]:
    """The data set with the columns of --context and --time-features, and notes on them."""
    if not (how.context or how.time_features):
        return dataset, ()
    table, notes = context_table(made.log, made.context_rows, how.context, how.time_features)
    duplicates = made.removed.duplicates
    if duplicates and len(table.columns) > (how.weight is not None):
        notes += (f"context of repeated interactions: that of the first of {duplicates:,} more",)
    if how.weight is not None:
        notes += ("weights: als learns from them; other methods count each pair once",)
    with_table = replace(dataset, features=Features(context=table))
    return weigh(with_table) if how.weight is not None else with_table, notes


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
    if how.label is None and rule.kind == "rows":
        raise ConfigError(
            f"--split {how.split} is of rows with labels: name them with --label or --label-from, or write "
            "--split ratio:80/10/10 for a share of each user's items"
        )
    if how.label is not None and rule.kind not in KINDS:
        raise ConfigError(
            f"--split {how.split} holds out items of each user, and rows with labels are split whole: write "
            "--split rows:80/10/10, time:80/10/10, or give the files"
        )
    if how.label is not None and (how.filters.any() or how.strangers is not None):
        raise ConfigError(
            "of a log with labels every row counts: remove --min-rating, --min-user, --min-item and "
            "--strangers. Rare and new users and items share a row of their own (method.min_count)."
        )
    if rule.kind != "given" and how.strangers is not None:
        raise ConfigError(f"--strangers is for given files: remove it, or the split {how.split}")
    if how.seed is not None and not rule.draws(n_files):
        raise ConfigError(f"--split {how.split} draws nothing at random: remove --seed")
    if not how.licence.isprintable():
        raise ConfigError(f"--licence {how.licence!r}: write one line of plain text")
    if how.seed is not None and how.seed < 0:
        raise ConfigError(f"--seed must not be negative, got {how.seed}")
    return rule


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
