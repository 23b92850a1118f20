"""How often or how long: a column of weights, one for each user and item."""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

import numpy as np

from recpress_edge.core.errors import ConfigError
from recpress_edge.data.events import as_sql, positive_sql
from recpress_edge.data.features.columns import NUMERIC
from recpress_edge.data.features.encode import FeatureSpec
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.log import Log, TextColumn
from recpress_edge.data.times import read_number

WEIGHT: Final = "weight"
"""The name of the column among the features of interactions."""


def weight_spec(column: str | None) -> FeatureSpec | None:
    """How the column of --weight is kept."""
    return None if column is None else FeatureSpec(column, WEIGHT, NUMERIC)


def weigh(data: Dataset) -> Dataset:
    """The data set whose interactions have the weights among its features, if it has any.

    A column of that name that is no weight, of a data set stored when such were context, stays context.
    """
    columns = data.features.context.columns if data.features and data.features.context else ()
    weights = next((column.numbers for column in columns if column.name == WEIGHT), None)
    if weights is None or not (np.isfinite(weights) & (weights > 0)).all():
        return data
    parts = (data.train, data.valid, data.test)
    ends = np.cumsum([0, *map(len, parts)])
    train, valid, test = (
        replace(part, weights=weights[start:end])
        for part, (start, end) in zip(parts, pairwise(ends.tolist()), strict=True)
    )
    return replace(data, train=train, valid=valid, test=test)


def sum_weights(log: Log, column: str) -> Log:
    """The log with the weights of repeated interactions added up in each of their rows.

    ``column``: of the log's context, as it was asked for. A weight that is no positive number is a
    ConfigError.
    """
    at = next(place for place, found in enumerate(log.context) if found.name == column)
    given = log.context[at]
    numbers = np.array([read_number(text) or 0.0 for text in (*given.values, "")], np.float64)
    weights = numbers[given.codes]
    bad = ~(weights > 0)
    if bad.any():
        first = (*given.values, "")[given.codes[int(np.argmax(bad))]]
        raise ConfigError(
            f"--weight {column}: {int(bad.sum()):,} of {len(log):,} rows have no positive number there, the "
            f"first {first!r}. Leave them out, for example --where "
            f"{shlex.quote(positive_sql(column, given.values))}"
        )
    _check_style(column, given.values)
    pairs = (log.parts.astype(np.int64) * len(log.user_ids) + log.users) * len(log.item_ids) + log.items
    _, group = np.unique(pairs, return_inverse=True)
    sums, code = np.unique(np.bincount(group, weights)[group], return_inverse=True)
    summed = TextColumn(column, tuple(f"{value:.17g}" for value in sums.tolist()), code.astype(np.int32))
    return replace(log, context=(*log.context[:at], summed, *log.context[at + 1 :]))


def _check_style(column: str, texts: Sequence[str]) -> None:
    """ConfigError where commas stand in some numbers and points in others: one of them is no decimal mark."""
    commas, points = (next((text for text in texts if mark in text), None) for mark in (",", "."))
    if commas is not None and points is not None:
        raise ConfigError(
            f"--weight {column}: {commas!r} has a comma and {points!r} a point, so that one of them parts "
            f'thousands. Write all with a decimal point, for example --query "SELECT * REPLACE '
            f"(replace(replace({as_sql(column)}, '.', ''), ',', '.') AS {as_sql(column)}) FROM log\""
        )


def check_power(power: float | None, data: Dataset) -> None:
    """ConfigError where a power of weights is set, and the data set has none."""
    if power and data.train.weights is None:
        raise ConfigError(
            f"method.weight_power is {power:g}, and data set {data.name!r} has no weights, so that it would "
            "change nothing. Leave it out, or import the log with --weight COLUMN."
        )
