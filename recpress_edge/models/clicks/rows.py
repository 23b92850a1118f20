"""What a click model learns from: rows as places in the tables of its fields."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from recpress_edge.artifacts.clicks.fields import MISSING, NO_VALUE, UNKNOWN, FeatureField, crossed
from recpress_edge.core.arrays import F32, I32, I64, U8
from recpress_edge.core.errors import ConfigError

CROSS_SEED = 1


@dataclass(frozen=True, slots=True, eq=False)
class ClickTargets:
    """What teachers say of the rows of train, once for the whole run."""

    logits: F32
    """(K, n), a row for each teacher."""
    hidden: F32
    """Their last hidden layers side by side (n, H); H is 0 where nothing is learned from them."""


@dataclass(frozen=True, slots=True, eq=False)
class ClickRows:
    """Rows of train and their fields."""

    fields: tuple[FeatureField, ...]
    rows: I32
    """Rows of the fields' tables (n, W), field by field, NO_VALUE where a field of many has no more."""
    labels: U8
    """(n,)"""
    targets: ClickTargets | None = None
    """None without a teacher."""


@dataclass(frozen=True, slots=True, eq=False)
class FieldLayout:
    """Which columns are which field's, and where its rows begin in one table for all."""

    fields: tuple[FeatureField, ...]
    starts: tuple[int, ...] = field(init=False)
    """First column of each field (F,)."""
    offsets: I64 = field(init=False)
    """First row of the table of each column's field (W,)."""
    size: int = field(init=False)
    """Rows of the table."""

    def __post_init__(self) -> None:
        widths = [one.width for one in self.fields]
        first = np.cumsum([0, *(one.size for one in self.fields)])
        object.__setattr__(self, "starts", tuple(np.cumsum([0, *widths])[:-1].tolist()))
        object.__setattr__(self, "offsets", np.repeat(first[:-1], widths))
        object.__setattr__(self, "size", int(first[-1]))

    @property
    def segments(self) -> list[tuple[int, int, bool]]:
        """Columns from and to, and whether they are one field of many values; other fields run together."""
        found: list[tuple[int, int, bool]] = []
        for one, start in zip(self.fields, self.starts, strict=True):
            many = one.kind == "many"
            if found and not many and not found[-1][2]:
                found[-1] = (found[-1][0], start + 1, False)
            else:
                found.append((start, start + one.width, many))
        return found

    def column(self, name: str) -> int:
        """The column of a field of one value; ConfigError for another."""
        for one, start in zip(self.fields, self.starts, strict=True):
            if one.name == name and one.kind != "many":
                return start
        single = ", ".join(one.name for one in self.fields if one.kind != "many")
        raise ConfigError(f"method.crosses: {name!r} is no field of one value; there are {single}")

    def replaced(self, rows: I32, share: float, rng: np.random.Generator) -> I32:
        """Rows (B, W) in which a share of the values is missing or unknown, half each."""
        drawn = rng.random((len(rows), len(self.fields)), np.float32)
        found = rows.copy()
        for place, (one, start) in enumerate(zip(self.fields, self.starts, strict=True)):
            for row, hit in (
                (MISSING, drawn[:, place] < share / 2),
                (UNKNOWN, drawn[:, place] >= 1 - share / 2),
            ):
                found[hit, start] = row
                found[hit, start + 1 : start + one.width] = NO_VALUE
        return found


def cross_columns(rows: I32, pairs: Sequence[tuple[int, int]], buckets: int) -> I64:
    """Bucket of each cross (B, C) of the columns ``pairs``, each cross in a range of its own."""
    found = [
        crossed(rows[:, left], rows[:, right], buckets, CROSS_SEED) + place * buckets
        for place, (left, right) in enumerate(pairs)
    ]
    return np.stack(found, axis=1) if found else np.empty((len(rows), 0), np.int64)
