"""Features of a log's times: the hour and the weekday of a row, and the time since its user's last one."""

from typing import Final

import numpy as np

from recpress_edge.core.arrays import F64, I64
from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.data.features.columns import INTEGER, NUMERIC, FeatureColumn
from recpress_edge.data.log import Log
from recpress_edge.data.order import ordered_by

GAP: Final = "gap"
TIME_FEATURES: Final = ("hour", "weekday", GAP)
"""Hour 0 to 23; weekday 0 is Monday; gap in seconds since the user's row before, missing in the first.
In UTC, for a log holds no time zone: where an application gives its own hour, import a column of local hours
with --context."""
_DAY_S: Final = 86_400
_HOUR_S: Final = 3_600
_THURSDAY: Final = 3
"""Weekday of the first day of Unix time."""


def parse_time_features(text: str) -> tuple[str, ...]:
    """'hour,weekday' of --time-features; ConfigError for any other form."""
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in TIME_FEATURES:
            raise unknown_name("time feature", name, TIME_FEATURES)
    if len(set(names)) < len(names):
        raise ConfigError(f"--time-features {text}: each once")
    return names


def log_column(name: str, log: Log, rows: I64) -> FeatureColumn:
    """The column of one of TIME_FEATURES of these rows (n,) of a log with times."""
    assert log.times is not None
    if name == GAP:
        return FeatureColumn(name, NUMERIC, numbers=gaps(log)[rows])
    return time_column(name, log.times[rows])


def gaps(log: Log) -> F64:
    """Seconds from the row before of the same user to each row of a log with times; NaN at a user's first.

    Rows of one time follow each other as they stand.
    """
    assert log.times is not None
    order = ordered_by(log.users, log.times)
    found = np.full(len(log), np.nan)
    same = np.flatnonzero(log.users[order][1:] == log.users[order][:-1]) + 1
    found[order[same]] = log.times[order[same]] - log.times[order[same - 1]]
    return found


def time_column(name: str, times: F64) -> FeatureColumn:
    """The column of hour or weekday of these Unix times (n,), in seconds."""
    hours, days = np.floor(times / _HOUR_S), np.floor(times / _DAY_S)
    return FeatureColumn(name, INTEGER, numbers=hours % 24 if name == "hour" else (days + _THURSDAY) % 7)
