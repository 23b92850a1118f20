"""The fields of a data set with labels: vocabularies, ranges and edges from its train rows, and every row."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from recpress_edge.artifacts.clicks.fields import MISSING, NO_VALUE, FeatureField, normal
from recpress_edge.core.arrays import F64, I32, I64, places_of_rows
from recpress_edge.core.errors import ConfigError, DataError
from recpress_edge.data.features.columns import (
    CATEGORICAL,
    HASHED,
    MISSING_CODE,
    NUMERIC,
    FeatureColumn,
    Features,
)
from recpress_edge.data.features.rows import LabelledRows
from recpress_edge.data.interactions import Dataset

NUMERIC_BUCKETS: Final = 16
"""Of a numeric column that states no size."""
HASH_BUCKETS: Final = 1024
"""Of a hashed column that states no size."""
HASH_SEED: Final = 1
MOST_INTEGERS: Final = 2**20
"""Rows of an integer field; a wider range holds amounts."""


def labelled_rows(data: Dataset) -> LabelledRows:
    """The rows with labels; ConfigError for a data set without."""
    if data.labelled is None:
        raise ConfigError(
            f"data set {data.name!r} has no labels, and click models learn from rows that were taken and "
            "from those that were not. Import the log with --label COLUMN, or --label-from R of ratings."
        )
    return data.labelled


def fit_fields(data: Dataset, min_count: int, rows: LabelledRows | None = None) -> tuple[FeatureField, ...]:
    """The fields of user, item and context: their ids first, then their columns as they were imported.

    Everything is fitted on the train rows alone: values in fewer than ``min_count`` of them are unknown,
    edges are quantiles. Two columns of one name are a ConfigError. ``rows``: None for those with labels.
    """
    rows = rows or labelled_rows(data)
    fields = [_fitted(side, column, at, min_count) for side, column, at in _columns(data, rows, "train")]
    ((name, times),) = Counter(field.name for field in fields).most_common(1)
    if times > 1:
        raise ConfigError(
            f"{times} features are called {name!r}, ids of users and items with them. Import the log again "
            f"with another name for one: --context other={name}"
        )
    return tuple(fields)


def encode_rows(
    fields: tuple[FeatureField, ...], data: Dataset, part: str, rows: LabelledRows | None = None
) -> I32:
    """The rows of a part as rows of the fields' tables (n, Σ width), field by field.

    A field of many values has as many columns as its capacity, those without a value NO_VALUE. ``rows``: None
    for those with labels.
    """
    columns = _columns(data, rows or labelled_rows(data), part)
    known = {column.name: (column, at) for _, column, at in columns}
    encoded = [_encoded(field, column)[at] for field in fields for column, at in [known[field.name]]]
    return np.ascontiguousarray(np.concatenate(encoded, axis=1))


def encode_items(fields: tuple[FeatureField, ...], data: Dataset) -> I32:
    """Every item of the catalogue as rows of the tables of those of the ``fields`` that are items' (I, W)."""
    return _encode_side(fields, data, "item", data.item_ids)


def encode_users(fields: tuple[FeatureField, ...], data: Dataset) -> I32:
    """Every user as rows of the tables of those of the ``fields`` that are users' (U, W)."""
    return _encode_side(fields, data, "user", data.user_ids)


def _encode_side(fields: tuple[FeatureField, ...], data: Dataset, side: str, ids: tuple[str, ...]) -> I32:
    own = [FeatureColumn(side, CATEGORICAL, ids, codes=np.arange(len(ids), dtype=np.int32))]
    tables = (data.features or Features()).tables()
    own += tables[side].columns if side in tables else ()
    known = {column.name: column for column in own}
    encoded = [_encoded(field, known[field.name]) for field in fields if field.side == side]
    return np.ascontiguousarray(np.concatenate(encoded, axis=1))


def _columns(data: Dataset, rows: LabelledRows, part: str) -> Iterator[tuple[str, FeatureColumn, I64]]:
    """Side, column and the row of the column that each row of a part (n,) has."""
    at, features = rows.part(part), data.features or Features()
    for side, ids, places in (("user", data.user_ids, rows.users), ("item", data.item_ids, rows.items)):
        of_part = places[at].astype(np.int64)
        yield side, FeatureColumn(side, CATEGORICAL, ids, codes=np.arange(len(ids), dtype=np.int32)), of_part
        for column in features.tables()[side].columns if side in features.tables() else ():
            yield side, column, of_part
    for column in features.context.columns if features.context else ():
        yield "context", column, np.arange(at.start, at.stop)


def _fitted(side: str, column: FeatureColumn, rows: I64, min_count: int) -> FeatureField:
    """The field of a column of which train has these rows (n,)."""
    name, kind = column.name, column.kind
    if kind == HASHED:
        return FeatureField(name, side, kind, buckets=column.size or HASH_BUCKETS, seed=HASH_SEED)
    if column.numbers is not None:
        numbers = column.numbers[rows]
        known = numbers[~np.isnan(numbers)]
        if not known.size:
            raise DataError(f"feature {name!r} has no value in the train rows. Leave it out.")
        if kind == NUMERIC:
            return FeatureField(name, side, kind, edges=_edges(known, column.size or NUMERIC_BUCKETS))
        least, most = int(known.min()), int(known.max())
        if most - least >= MOST_INTEGERS:
            raise ConfigError(
                f"feature {name!r} of whole numbers from {least:,} to {most:,} would have a row for each. "
                f"Import it as amounts: {name}:{NUMERIC}"
            )
        return FeatureField(name, side, kind, least=least, most=most)
    assert column.codes is not None
    if column.indptr is None:
        used = column.codes[rows]
        used = used[used != MISSING_CODE]
        capacity = 1
    else:
        used = column.codes[places_of_rows(column.indptr, rows)]
        capacity = column.size or max(int(np.diff(column.indptr)[rows].max(initial=1)), 1)
    counts = np.bincount(used, minlength=len(column.values))
    kept = [normal(column.values[place]) for place in np.flatnonzero(counts >= max(min_count, 1)).tolist()]
    return FeatureField(name, side, kind, tuple(dict.fromkeys(kept)), capacity=capacity)


def _edges(known: F64, buckets: int) -> tuple[float, ...]:
    """Edges between ``buckets`` of equal mass, in float32; merged where values repeat, none at the least."""
    edges = np.quantile(known, np.arange(1, buckets) / buckets).astype(np.float32)
    return tuple(np.unique(edges[edges > known.min()]).tolist())


def _encoded(field: FeatureField, column: FeatureColumn) -> I32:
    """Every row of a column as rows of the field's table (N, width)."""
    if column.numbers is not None:
        return field.rows_of_numbers(column.numbers)[:, None]
    assert column.codes is not None
    table = np.append(field.rows_of_texts(column.values), np.int32(MISSING))  # the last for MISSING_CODE
    if column.indptr is None:
        return table[column.codes][:, None]
    counts = np.diff(column.indptr)
    found = np.full((counts.size, field.capacity), NO_VALUE, np.int32)
    owner = np.repeat(np.arange(counts.size), counts)
    within = np.arange(owner.size) - np.repeat(column.indptr[:-1], counts)
    fits = within < field.capacity
    found[owner[fits], within[fits]] = table[column.codes[fits]]
    found[counts == 0, 0] = MISSING
    return found
