"""Rows with labels: who was shown what, and whether it was taken."""

from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Final

import numpy as np

from recpress_edge.core.arrays import I32, U8
from recpress_edge.core.errors import DataError
from recpress_edge.core.files import sha256_bytes

PARTS: Final = ("train", "valid", "test")


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRows:
    """Rows (n,) of train, then valid, then test; a user and an item may meet in several."""

    users: I32
    """User index (n,)."""
    items: I32
    """Item index (n,)."""
    labels: U8
    """1 where the item was taken, 0 where it was not (n,)."""
    sizes: tuple[int, int, int]
    """Rows of each part."""

    def __post_init__(self) -> None:
        n = self.labels.size
        if not self.users.size == self.items.size == n == sum(self.sizes) or min(self.sizes) < 0:
            raise DataError(f"rows with labels: {n} labels do not fit parts of {self.sizes}")
        if n and self.labels.max() > 1:
            raise DataError(f"a label is {int(self.labels.max())}, and must be 0 or 1")

    def __len__(self) -> int:
        return int(self.labels.size)

    def part(self, name: str) -> slice:
        """Where the rows of a part are."""
        ends = [0, *accumulate(self.sizes)]
        at = PARTS.index(name)
        return slice(ends[at], ends[at + 1])

    def joined(self) -> "LabelledRows":
        """Train and valid together as train; the rows stay where they are."""
        train, valid, test = self.sizes
        return replace(self, sizes=(train + valid, 0, test))

    def check(self, n_users: int, n_items: int) -> None:
        """DataError where a row names a user or an item that there is not."""
        for kind, found, count in (("user", self.users, n_users), ("item", self.items, n_items)):
            if found.size and not 0 <= found.min() <= found.max() < count:
                raise DataError(f"rows with labels: a {kind} index is outside 0..{count - 1}")

    def digest(self) -> str:
        """SHA-256 over sizes and arrays."""
        arrays = b"".join(array.tobytes() for array in (self.users, self.items))
        return sha256_bytes(np.array(self.sizes, np.int64).tobytes() + arrays + self.labels.tobytes())

    def facts(self) -> dict[str, Any]:
        """Rows of each part and the share with label 1, for a manifest and for people."""
        return {
            name: {
                "rows": size,
                "share": round(float(self.labels[self.part(name)].mean()), 6) if size else None,
            }
            for name, size in zip(PARTS, self.sizes, strict=True)
        }
