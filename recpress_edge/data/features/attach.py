"""Titles and features from tables of users and items, matched to the ids of a data set."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge.core.arrays import I64
from recpress_edge.core.errors import DataError
from recpress_edge.core.files import sha256_file
from recpress_edge.data.features.clock import log_column
from recpress_edge.data.features.columns import Features, FeatureTable
from recpress_edge.data.features.encode import FeatureSpec, encode_column
from recpress_edge.data.features.match import ID_NAMES, NO_ROW, check_repeats, find_ids, match_ids
from recpress_edge.data.features.table import SideTable, TableForm, read_side_table
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.data.log import Log, TextColumn
from recpress_edge.data.readers.names import visible
from recpress_edge.data.titles import clean_title, describe_titles

SIDES: Final = ("item", "user")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChoice:
    """What is taken from one table of users or items."""

    side: str
    """One of SIDES."""
    path: Path
    id_column: str | None = None
    """A header name or a place from 1; None: by a known name, or the first column."""
    title: str | None = None
    """Likewise; of items alone."""
    features: tuple[FeatureSpec, ...] = ()
    form: TableForm

    def facts(self) -> dict[str, Any]:
        """What was asked of it, for a record."""
        features = [spec.words() for spec in self.features]
        return {"of": self.side, "id": self.id_column, "title": self.title, "features": features}

    def asked(self) -> list[str]:
        """The columns that are named."""
        named = [column for column in (self.id_column, self.title) if column is not None]
        return [*named, *(spec.column for spec in self.features)]


def attach(
    dataset: Dataset, choice: TableChoice, clean: Callable[[str], str]
) -> tuple[Dataset, dict[str, Any]]:
    """The data set with the titles and features of a table, and the record of it.

    ``clean``: what was done to the ids of the log. Refused with a DataError or ConfigError: a table of
    which no row is of the log, rows of one id that differ, and columns that cannot be told.
    """
    side = choice.side
    ids = dataset.item_ids if side == "item" else dataset.user_ids
    table = read_side_table(choice.path, choice.form, choice.asked(), ID_NAMES[side])
    key = find_ids(table, side, ids, choice.id_column, clean)
    matched = match_ids(table, key, side, ids, clean)
    places = [table.place(f"--{side}-features {spec.column}", spec.column) for spec in choice.features]
    title = None if choice.title is None else table.place(f"--title {choice.title}", choice.title)
    repeats = check_repeats(table, key, [*places, *([] if title is None else [title])], matched, clean)
    notes = [f"{choice.path.name}: {table.note}; ids in {table.called(key)}; {matched.note}"]
    notes += [repeats] if repeats else []
    made = dataset
    if title is not None:
        titles = tuple(map(clean_title, _by_id(table, title, matched.rows)))
        if not any(titles):
            raise DataError(f"{choice.path}: no item of the log has a title in {table.called(title)}")
        notes.append(f"titles from {table.called(title)}: {describe_titles(titles)}")
        made = replace(made, titles=titles)
    if places:
        columns, words = [], []
        for spec, place in zip(choice.features, places, strict=True):
            texts = _texts(table, place, spec, matched.rows)
            column, text = encode_column(spec, texts, table.kind(place))
            columns.append(column)
            words.append(text + (f", {column.missing():,} {side}s without" if column.missing() else ""))
        notes.append(f"{side} features: {'; '.join(words)}")
        made = replace(
            made, features=replace(made.features or Features(), **{side: FeatureTable(tuple(columns))})
        )
    source = {"file": choice.path.name, "sha256": sha256_file(choice.path), **choice.facts()}
    return made, {**source, "read": notes}


def attach_all(
    dataset: Dataset, choices: Sequence[TableChoice], clean: Callable[[str], str]
) -> tuple[Dataset, list[dict[str, Any]]]:
    """:func:`attach` of several tables."""
    records = []
    for choice in choices:
        dataset, record = attach(dataset, choice, clean)
        records.append(record)
    return dataset, records


def context_rows(log: Log, parts: Sequence[Interactions]) -> I64:
    """The row of the log of each interaction, part by part; ``log``: the distinct rows that were split."""
    n_items = max(len(log.item_ids), 1)
    return _places(log.users.astype(np.int64) * n_items + log.items, _keys(parts, n_items))


def context_table(
    log: Log, rows: I64, specs: Sequence[FeatureSpec], time_features: Sequence[str]
) -> tuple[FeatureTable, tuple[str, ...]]:
    """The context columns of these rows (n,) of a log, in this order, then those of its times; and notes."""
    encoded = [
        encode_column(spec, replace(column.take(rows), name=_name(spec, None)), None)
        for spec, column in zip(specs, log.context, strict=True)
    ]
    notes = tuple(f"context: {text}" for _, text in encoded)
    columns = [column for column, _ in encoded]
    if time_features and log.times is not None:
        columns += [log_column(name, log, rows) for name in time_features]
        notes += (f"context: {' and '.join(time_features)} of the times, in UTC",)
    return FeatureTable(tuple(columns)), notes


def resorted(
    features: Features | None, before: Sequence[Interactions], after: Sequence[Interactions]
) -> Features | None:
    """Features of the same interactions in other parts: a row of context goes with its interaction. Not for a
    data set with labels, whose rows of context stay where they are."""
    if features is None or features.context is None:
        return features
    n_items = max(before[0].n_items, 1)
    rows = _places(_keys(before, n_items), _keys(after, n_items))
    return replace(features, context=features.context.take(rows))


def _keys(parts: Sequence[Interactions], n_items: int) -> I64:
    """A number for each pair, part by part."""
    return np.concatenate([part.users().astype(np.int64) * n_items + part.indices for part in parts])


def _places(keys: I64, wanted: I64) -> I64:
    """Where each of ``wanted`` is in ``keys``."""
    order = np.argsort(keys)
    found: I64 = order[np.searchsorted(keys[order], wanted)]
    return found


def _by_id(table: SideTable, place: int, rows: I64) -> list[str]:
    return [table.rows[row][1][place] if row != NO_ROW else "" for row in rows.tolist()]


def _texts(table: SideTable, place: int, spec: FeatureSpec, rows: I64) -> TextColumn:
    index: dict[str, int] = {}
    codes = [index.setdefault(text, len(index)) for text in _by_id(table, place, rows)]
    header = table.layout.names[place] if table.layout.names else None
    return TextColumn(_name(spec, header), tuple(index), np.array(codes, np.int32))


def _name(spec: FeatureSpec, header: str | None) -> str:
    """What a column is called: as asked, by its header, or by its place."""
    by_place = f"column-{spec.column}" if spec.column.isdigit() else spec.column
    return spec.name or visible(header or "") or by_place
