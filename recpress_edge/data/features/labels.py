"""Labels: which rows of a log were taken and which refused, and their split into parts."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from recpress_edge.core.arrays import I64, U8
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.core.rng import stream
from recpress_edge.data.features.rows import PARTS, LabelledRows
from recpress_edge.data.log import Log
from recpress_edge.data.order import ordered_by, stable_order
from recpress_edge.data.split import Places, Split, SplitRule, by_parts, part_at_times

KINDS: Final = ("given", "rows", "time")
"""Splits of rows with labels."""
USUAL_SPLIT: Final = "rows:80/10/10"
_WORDS: Final = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRule:
    """What tells rows apart: a column of 0 and 1, or a rating."""

    column: str | None = None
    """A header name, or a place from 1."""
    least: float | None = None
    """Rows rated so high have label 1, the others 0."""

    def __post_init__(self) -> None:
        if self.column is not None and self.least is not None:
            raise ConfigError("--label and --label-from both say which rows were taken. Remove one.")
        if self.least is not None and not np.isfinite(self.least):
            raise ConfigError(f"--label-from must be a finite number, got {self.least}")

    def words(self) -> str:
        """For a record."""
        return f"column {self.column}" if self.least is None else f"rating >= {self.least:g}"


@dataclass(frozen=True, slots=True)
class SplitRows:
    """Rows with labels in their parts, and what is derived from them."""

    rows: LabelledRows
    order: I64
    """Row of the log of each row (n,)."""
    split: Split
    """The pairs with label 1, each in the first part that has it."""
    notes: tuple[str, ...]


def labels_of(log: Log, rule: LabelRule) -> tuple[Log, U8]:
    """The log without its column of labels, and the label of each row (n,)."""
    if rule.least is not None:
        if log.ratings is None:
            raise ConfigError(
                "--label-from needs ratings, and this log has none. Name their column with --rating COLUMN, "
                "or a column of 0 and 1 with --label COLUMN"
            )
        return log, (log.ratings >= rule.least).astype(np.uint8)
    *context, column = log.context
    used = np.unique(column.codes)
    texts = [(*column.values, "")[code] for code in used.tolist()]
    wrong = [text for text in texts if text.strip().lower() not in _WORDS]
    if wrong:
        raise DataError(
            f"--label {rule.column}: a label is 0 or 1, and {len(wrong):,} values are not, such as "
            f"{wrong[0]!r}. Name another column, or make one with --query "
            "\"SELECT *, (event = 'buy')::INT AS label FROM log\""
        )
    known = np.zeros(len(column.values) + 1, np.uint8)
    known[used] = [_WORDS[text.strip().lower()] for text in texts]
    return replace(log, context=tuple(context)), known[column.codes]


def split_labelled(log: Log, labels: U8, rule: SplitRule, seed: int) -> SplitRows:
    """Rows in parts: given, by one cut in time, or at random by the seed; a part with one outcome alone is
    a DataError.

    What the retrieval models learn from and are judged by are the pairs with label 1: each once, in the
    first part that has it.
    """
    part, protocol = _part_of_rows(log, labels, rule, seed)
    for number, name in enumerate(PARTS):
        found = np.bincount(labels[part == number], minlength=2)
        if not found.all():
            raise DataError(
                f"{name} has {found[1]:,} rows with label 1 and {found[0]:,} with 0 ({protocol}): both are "
                "needed. Name other labels, or another split."
            )
    order = stable_order(part)
    rows = LabelledRows(
        log.users[order], log.items[order], labels[order], tuple(np.bincount(part, minlength=3).tolist())
    )
    rows.check(len(log.user_ids), len(log.item_ids))
    taken = order[labels[order] == 1]
    if log.times is not None:
        taken = taken[ordered_by(part[taken], log.times[taken])]
    keys = log.users[taken].astype(np.int64) * len(log.item_ids) + log.items[taken]
    first = taken[np.sort(np.unique(keys, return_index=True)[1])]
    split = by_parts(log.take(first), part[first], protocol)
    again = taken.size - first.size
    notes = [f"labels: {int(labels.sum()):,} of {len(log):,} rows are 1; {rows_in_words(rows)}"]
    if again:
        notes.append(
            f"{again:,} rows with label 1 repeat a user and an item: as interactions they count once"
        )
    if rule.kind == "rows" and log.times is not None:
        notes.append(
            "--split rows draws rows at random, so that train holds what others did later: figures are "
            "higher than those of a cut in time, --split time:80/10/10"
        )
    return SplitRows(rows, order, split, tuple(notes))


def rows_in_words(rows: LabelledRows) -> str:
    """Rows and share of label 1 of each part."""
    return ", ".join(
        f"{name} {facts['rows']:,} ({facts['share'] or 0:.1%})" for name, facts in rows.facts().items()
    )


def _part_of_rows(log: Log, labels: U8, rule: SplitRule, seed: int) -> tuple[Places, str]:
    """Part of each row (n,), and the protocol in words."""
    if rule.kind == "time":
        return part_at_times(log, rule)
    if rule.kind == "given":
        if log.parts.max(initial=0) == 2:
            return log.parts, "given files"
        train, drawn = np.flatnonzero(log.parts == 0), _drawn(log, labels, seed)
        part = np.where(log.parts == 1, 2, 0).astype(np.int8)
        valid = train[stable_order(drawn[train])][train.size - train.size // 10 :]
        part[valid] = 1
        return part, f"given train and test, a tenth of train's rows for validation, seed {seed}"
    assert rule.ratio is not None
    train_share, valid_share, test_share = rule.ratio
    place = np.empty(len(log), np.int64)
    place[stable_order(_drawn(log, labels, seed))] = np.arange(len(log))
    cuts = [-(-len(log) * share // 100) for share in (train_share, train_share + valid_share)]
    part = (place >= cuts[0]).astype(np.int8) + (place >= cuts[1])
    return part, f"{train_share}/{valid_share}/{test_share} of the rows at random, seed {seed}"


def _drawn(log: Log, labels: U8, seed: int) -> Any:
    """A draw for each row (n,) that does not depend on the order of the file, but for rows that are alike."""
    keys = (labels, *(() if log.times is None else (log.times,)), log.items, log.users)
    drawn = np.empty(len(log))
    drawn[np.lexsort(keys)] = stream(seed, "split rows").random(len(log))
    return drawn
