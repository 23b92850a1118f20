"""evaluation.npz of a click bundle: test rows with their labels, on which a device measures the file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from recpress_edge.artifacts.clicks.contract import ClickContract
from recpress_edge.artifacts.clicks.fields import NO_VALUE
from recpress_edge.artifacts.contract import check_range
from recpress_edge.artifacts.manifest import EVALUATION_FILE
from recpress_edge.core.arrays import F32, I32, I64, U8
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.npz import plain_npz_bytes, read_integers

_ARRAYS: Final = ("rows", "items", "labels", "users")

Rank = Callable[[I32, I64, int], tuple[I64, F32]]
"""As ClickRuntime.rank."""


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationRows:
    """Rows with labels, as a bundle is asked for them."""

    rows: I32
    """Of user and context, as requests have them (n, W)."""
    items: I32
    """(n,)"""
    labels: U8
    """1 where the row was taken (n,)"""
    users: I32
    """Whose each row is, a number of its own for each, by which GAUC groups them (n,)."""

    def to_bytes(self) -> bytes:
        """The file's content."""
        flat = {name: getattr(self, name).astype(np.int32).ravel() for name in _ARRAYS}
        return plain_npz_bytes(flat)

    def logits(self, rank: Rank) -> F32:
        """What a runtime gives each row (n,): every different request is asked once, with its items."""
        _, first, place = np.unique(self.rows, axis=0, return_index=True, return_inverse=True)
        found = np.empty(len(self.items), np.float32)
        order = np.argsort(place.ravel(), kind="stable")
        ends = np.cumsum(np.bincount(place.ravel()))
        for number, part in enumerate(np.split(order, ends[:-1])):
            items = np.unique(self.items[part]).astype(np.int64)
            ranked, scores = rank(self.rows[first[number]], items, items.size)
            known = np.empty(items.size, np.float32)
            known[np.searchsorted(items, ranked)] = scores
            found[part] = known[np.searchsorted(items, self.items[part])]
        return found


def read_click_rows(folder: Path, contract: ClickContract) -> EvaluationRows:
    """The rows of a bundle; ArtifactError where they do not fit each other or its contract."""
    where = folder / EVALUATION_FILE
    arrays = read_integers(where, _ARRAYS)
    n, width = arrays["items"].size, contract.width
    sizes = {name: arrays[name].size for name in _ARRAYS}
    if not n or sizes != {"rows": n * width, "items": n, "labels": n, "users": n}:
        raise ArtifactError(f"{where}: {sizes} do not fit rows of {width} columns", fault="content")
    check_range(where, "item", arrays["items"], contract.n_items)
    rows = arrays["rows"].reshape(n, width)
    most = np.repeat([field.size for field in contract.fields], [field.width for field in contract.fields])
    many = np.concatenate(
        [[field.kind == "many" and place > 0 for place in range(field.width)] for field in contract.fields]
    )
    least = np.where(many, NO_VALUE, 0)  # the first place of a field always has a row
    if ((rows < least) | (rows >= most)).any():
        raise ArtifactError(f"{where}: a row is outside its field's table", fault="range")
    if set(np.unique(arrays["labels"]).tolist()) != {0, 1}:
        raise ArtifactError(f"{where}: labels are not 0 and 1, rows of both", fault="content")
    return EvaluationRows(
        rows.astype(np.int32),
        arrays["items"].astype(np.int32),
        arrays["labels"].astype(np.uint8),
        arrays["users"].astype(np.int32),
    )
