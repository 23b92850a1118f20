"""Features of a log's times: the hour and the weekday of a row."""

from typing import Final

import numpy as np

from recpress_edge.core.arrays import F64
from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.data.features.columns import INTEGER, FeatureColumn

TIME_FEATURES: Final = ("hour", "weekday")
"""Hour 0 to 23; weekday 0 is Monday. In UTC, for a log holds no time zone: where an application gives its
own hour, import a column of local hours with --context."""
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


def time_column(name: str, times: F64) -> FeatureColumn:
    """The column of one of TIME_FEATURES of these Unix times (n,), in seconds."""
    hours, days = np.floor(times / _HOUR_S), np.floor(times / _DAY_S)
    return FeatureColumn(name, INTEGER, numbers=hours % 24 if name == "hour" else (days + _THURSDAY) % 7)
