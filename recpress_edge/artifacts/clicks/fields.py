"""Fields of features: how a value becomes a row of a table, in training and on a device. Numpy alone.

Row 0 is a missing value, row 1 one that the field does not know, values are rows from 2. Nothing here
divides, takes a logarithm or reads a clock, so that every device gives the same row.
"""

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import F32, I32
from recpress_edge.core.errors import ArtifactError

MISSING: Final = 0
UNKNOWN: Final = 1
FIRST: Final = 2
"""Row of the first value."""
NO_VALUE: Final = -1
"""Of a field of several values: a place that a row does not use."""
SIDES: Final = ("user", "item", "context")
KINDS: Final = ("categorical", "integer", "numeric", "many", "hashed")
HASH: Final = "fnv1a32"
_NUMBER: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
"""A text that is a number: no spaces, no other digits, no words, so that every language reads the same."""
_BASIS: Final = 0x811C9DC5
_PRIME: Final = 0x01000193
_MASK: Final = 0xFFFFFFFF


def fnv1a32(data: bytes, seed: int = 0) -> int:
    """FNV-1a of 32 bits, unsigned: h = basis xor seed; for each byte h = (h xor byte) · prime mod 2³².

    Seed 0 is the published function (Fowler, Noll and Vo).
    """
    found = (_BASIS ^ seed) & _MASK
    for byte in data:
        found = ((found ^ byte) * _PRIME) & _MASK
    return found


def fnv1a32_of_pairs(
    left: NDArray[np.integer], right: NDArray[np.integer], seed: int = 0
) -> NDArray[np.uint32]:
    """:func:`fnv1a32` over two 32-bit numbers, little-endian, left before right: (n,), (n,) -> (n,)."""
    words = np.stack([left, right], axis=1).astype("<u4")
    found = np.full(len(words), (_BASIS ^ seed) & _MASK, np.uint64)
    for column in np.ascontiguousarray(words).view(np.uint8).reshape(-1, 8).T:
        found = ((found ^ column) * np.uint64(_PRIME)) & np.uint64(_MASK)
    return found.astype(np.uint32)


def crossed(
    left: NDArray[np.integer], right: NDArray[np.integer], buckets: int, seed: int
) -> NDArray[np.int64]:
    """Bucket of each pair of rows of two fields, both at once: hash mod buckets. (n,), (n,) -> (n,)."""
    return fnv1a32_of_pairs(left, right, seed).astype(np.int64) % buckets


@dataclass(frozen=True, eq=False)
class FeatureField:
    """One field and what its values become; which of the attributes count depends on the kind."""

    name: str
    side: str
    """One of SIDES: where a value comes from. Item values are of the catalogue, others of a request."""
    kind: str
    """One of KINDS."""
    values: tuple[str, ...] = ()
    """Vocabulary of a categorical field or one of many values, Unicode form NFC; value v is row FIRST + v."""
    least: int = 0
    """Of integers, both ends included; what is outside is unknown."""
    most: int = 0
    edges: tuple[float, ...] = ()
    """Of numbers: float32, ascending; value v is row FIRST + the number of edges <= v."""
    capacity: int = 1
    """Of many values: how many of a row count, the first ones."""
    buckets: int = 0
    """Of hashed values: v is row FIRST + fnv1a32(v) mod buckets."""
    seed: int = 0
    """Of the hash."""

    @cached_property
    def size(self) -> int:
        """Rows of its table."""
        if self.kind == "integer":
            return FIRST + self.most - self.least + 1
        if self.kind == "numeric":
            return FIRST + len(self.edges) + 1
        return FIRST + (self.buckets if self.kind == "hashed" else len(self.values))

    @property
    def width(self) -> int:
        """Columns that its rows take: its capacity, 1 of a field of one value."""
        return self.capacity if self.kind == "many" else 1

    @cached_property
    def _index(self) -> Mapping[str, int]:
        return {value: FIRST + place for place, value in enumerate(self.values)}

    @cached_property
    def _edges(self) -> F32:
        return np.array(self.edges, np.float32)

    def rows_of(self, value: Any) -> list[int]:
        """Row of one value; of many values, given as a sequence, of those that fit.

        None, an empty text, NaN and an empty sequence are missing. Texts and hashes take a text, or a whole
        number as its digits; integers and numbers a number, or a text of one. ValueError for anything else.
        """
        if self.kind != "many":
            return [self._row(value)]
        texts = [text for one in value or () if (text := _text(one))][: self.capacity]
        found = [self._index.get(text, UNKNOWN) for text in texts]
        return [*(found or [MISSING]), *[NO_VALUE] * (self.capacity - max(len(found), 1))]

    def _row(self, value: Any) -> int:
        if self.kind in ("categorical", "hashed"):
            text = _text(value)
            if not text:
                return MISSING
            if self.kind == "hashed":
                return FIRST + fnv1a32(text.encode(), self.seed) % self.buckets
            return self._index.get(text, UNKNOWN)
        return int(self.rows_of_numbers(np.array([_number(value)]))[0])

    def rows_of_numbers(self, numbers: NDArray[np.floating]) -> I32:
        """Rows (n,) of numbers (n,), of an integer or a numeric field; NaN is missing.

        Edges compare in float32, -0 equals 0, infinities are in the end buckets. A number that is not whole
        is unknown to an integer field.
        """
        if self.kind == "numeric":
            with np.errstate(over="ignore"):  # beyond float32 is infinite, hence in an end bucket
                rows = FIRST + np.searchsorted(self._edges, numbers.astype(np.float32), side="right")
        else:
            within = (numbers >= self.least) & (numbers <= self.most) & (numbers == np.floor(numbers))
            rows = np.where(within, np.where(within, numbers, 0) - self.least + FIRST, UNKNOWN)
        return np.where(np.isnan(numbers), MISSING, rows).astype(np.int32)

    def rows_of_texts(self, texts: Sequence[str]) -> I32:
        """Rows (n,) of texts, each one value, of a categorical, hashed or many-valued field."""
        if self.kind == "many":
            return np.array([self._index.get(_text(text), UNKNOWN) for text in texts], np.int32)
        return np.array([self._row(text) for text in texts], np.int32)

    def entry(self) -> dict[str, Any]:
        """What a contract says of it, without its vocabulary."""
        own: dict[str, dict[str, Any]] = {
            "categorical": {},
            "integer": {"least": self.least, "most": self.most},
            "numeric": {"edges": list(self.edges)},
            "many": {"capacity": self.capacity},
            "hashed": {"hash": HASH, "seed": self.seed, "buckets": self.buckets},
        }
        head = {"name": self.name, "side": self.side, "kind": self.kind, "size": self.size}
        return {**head, "missing": MISSING, "unknown": UNKNOWN, **own[self.kind]}


def read_field(entry: Mapping[str, Any], values: Sequence[str]) -> FeatureField:
    """The field of :meth:`FeatureField.entry` and its vocabulary; what does not fit is an ArtifactError."""
    own = ("least", "most", "edges", "capacity", "buckets", "seed")
    try:
        more: dict[str, Any] = {
            key: tuple(entry[key]) if key == "edges" else entry[key] for key in own if key in entry
        }
        field = FeatureField(entry["name"], entry["side"], entry["kind"], tuple(values), **more)
        known = field.side in SIDES and field.kind in KINDS and entry["size"] == field.size
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            f"a field cannot be read: {type(error).__name__}: {error}", fault="field"
        ) from None
    hashed = field.kind != "hashed" or (entry.get("hash") == HASH and field.buckets > 0)
    ascending = all(left < right for left, right in zip(field.edges, field.edges[1:], strict=False))
    if not (known and hashed and ascending and field.capacity > 0 and field.least <= field.most):
        raise ArtifactError(f"field {field.name!r} contradicts itself: {dict(entry)}", fault="field")
    return field


def normal(text: str) -> str:
    """A text as vocabularies hold it: in form NFC."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _text(value: Any) -> str:
    """The normal text of a value; nothing for a missing one. A fraction has more than one spelling."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise _unfit("a text or a whole number", value)
    return normal(str(value))


def _number(value: Any) -> float:
    """A number in float64, NaN for a missing one; beyond its range it is infinite."""
    if value is None or value == "":
        return math.nan
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _unfit("a number", value)
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError(f"{value!r} is not a number: write digits, such as 13 or -2.5")
    try:
        return float(value)
    except OverflowError:  # of an int alone
        return math.inf if int(value) > 0 else -math.inf


def _unfit(wanted: str, value: Any) -> ValueError:
    return ValueError(f"{wanted} is expected, got {value!r}")
