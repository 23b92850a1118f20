"""The fields of a second stage: users and items with their features, context, and the items consumed last."""

from typing import Final

import numpy as np

from recpress_edge.artifacts.clicks.fields import FIRST, MISSING, FeatureField
from recpress_edge.artifacts.two_stages.fields import ITEM_SIDE, seen_field
from recpress_edge.core.arrays import I32, I64
from recpress_edge.data.features.fit import encode_items, encode_rows, fit_fields
from recpress_edge.data.features.rows import LabelledRows
from recpress_edge.data.interactions import Dataset
from recpress_edge.models.two_stages.lists import ListFields


def observed_rows(data: Dataset) -> LabelledRows:
    """The interactions of all parts as rows that were taken, in the order of the rows of context."""
    parts = (data.train, data.valid, data.test)
    users = np.concatenate([part.users() for part in parts])
    items = np.concatenate([part.indices for part in parts])
    sizes = (len(data.train), len(data.valid), len(data.test))
    return LabelledRows(users, items, np.ones(sum(sizes), np.uint8), sizes)


USER: Final = "user"
"""The field of who asks, which a bundle without users does not have."""


def list_fields(data: Dataset, min_count: int, last_items: int, *, users: bool = True) -> ListFields:
    """The fields, fitted on the train interactions; ``users``: whether who asks is one."""
    fitted = fit_fields(data, min_count, observed_rows(data))
    asked = tuple(one for one in fitted if one.side != ITEM_SIDE and (users or one.name != USER))
    seen = tuple(seen_field(place, data.n_items) for place in range(1, last_items + 1))
    items = tuple(field for field in fitted if field.side == ITEM_SIDE)
    return ListFields((*asked, *seen), items, encode_items(fitted, data))


def asked_rows(fitted: tuple[FeatureField, ...], data: Dataset, part: str) -> I32:
    """Rows of the ``fitted`` fields of user and context (n, W) of the interactions of a part."""
    rows = observed_rows(data)
    if not fitted:
        at = rows.part(part)
        return np.empty((at.stop - at.start, 0), np.int32)
    return encode_rows(fitted, data, part, rows)


def seen_rows(items: I64, starts: I64, ends: I64, last_items: int) -> I32:
    """Rows of the fields of the last items (n, L): items[start:end] were consumed before."""
    at = ends[:, None] - np.arange(1, last_items + 1)
    there = at >= starts[:, None]
    found = items[np.where(there, at, 0)] if items.size else np.zeros_like(at)
    return np.where(there, FIRST + found, MISSING).astype(np.int32)
