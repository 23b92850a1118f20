"""Answers from a model.bin in plain Python: slow, exact, and there where nothing can be compiled."""

import heapq
import operator
import struct
import sys
from array import array
from collections.abc import Sequence
from typing import Any, Final

from recpress_edge.device.c import model_bin
from recpress_edge.device.c.engine import EngineQuery
from recpress_edge.device.c.model_bin import BLOCK, Header
from recpress_edge.device.request import items_outside

_QMAX: Final = 127
_ZERO_LEVEL: Final = 8
"""int4: what is stored of level 0."""
_VECTOR: Final = 16
_HALVES: Final = struct.Struct(f"<{BLOCK}e")


class PlainEngine:
    """The compiled engine's answers: equal to the bit for integers, within rounding for float32."""

    name = "recpress-python"
    built = ""

    def __init__(self, data: bytes, header: Header) -> None:
        self._data, self._header = data, header
        self._floats = header.recipe == model_bin.FP32
        order = model_bin.words(self._data, header, "item_of_at") or range(header.n_items)
        self._items: list[Sequence[Any]] = [()] * header.n_items
        scales = array("f", bytes(4 * header.n_items))
        scaled = header.recipe in (model_bin.INT8_ITEM, model_bin.INT4_ITEM)
        for place, (row, scale) in enumerate(_stored(self._data, header)):
            self._items[order[place]] = row
            scales[order[place]] = scale
        self._item_scales = scales if scaled else None
        self._retired = set(model_bin.words(self._data, header, "retired_at"))
        self._user_scales = self._section("user_scale_at", "f")

    def audit(self) -> None:
        """Nothing: it computes every score, in integers of any size."""

    def prepare(self, user: int, seen: "array[int]", k: int) -> EngineQuery:
        """A request, with arrays of its own."""
        return EngineQuery(user, seen, k, array("I", bytes(4 * k)), array("f", bytes(4 * k)))

    def fill(self, query: EngineQuery) -> int:
        """Write the best of the items that are left; ConfigError for a seen item that there is not."""
        user, seen, k = query[:3]
        n_items = self._header.n_items
        if seen and max(seen) >= n_items:
            raise items_outside(min(seen), max(seen), n_items)
        excluded = self._retired.union(seen)
        row, scale = self._row(user, seen)
        scores = self._scores(row)
        left = [item for item in range(n_items) if item not in excluded] if excluded else range(n_items)
        best = array("I", heapq.nlargest(k, left, key=scores.__getitem__))  # of equals the first
        if not best:
            return 0
        # The product of two float32 is exact in a float: an array of "f" then rounds once, as C does.
        query.items[: len(best)] = best
        query.scores[: len(best)] = array("f", [scores[item] * scale for item in best])
        return len(best)

    def _scores(self, row: Sequence[Any]) -> "array[float] | list[int]":
        """Of every item, as they rank: integers, or float32."""
        products = [sum(map(operator.mul, row, item)) for item in self._items]
        if self._item_scales is not None:
            return array("f", map(operator.mul, array("f", products), self._item_scales))
        return array("f", products) if self._floats else products

    def _row(self, user: int, seen: "array[int]") -> tuple[Sequence[Any], float]:
        """The row that asks, and what its scores are multiplied with."""
        if self._header.profile == model_bin.HISTORY:
            return self._of_history(seen)
        dim, scale = self._header.dim, self._user_scales[user] if self._user_scales else 1.0
        return self._section("user_at", "f" if self._floats else "b", user * dim, dim), scale

    def _of_history(self, seen: "array[int]") -> tuple[Sequence[Any], float]:
        rows = self._aged(seen) if self._header.history_length else self._alike(seen)
        sums = [sum(column) for column in zip(*rows, strict=True)]
        if self._floats:
            return array("f", sums), 1.0
        peak = max(1, *map(abs, sums))
        row = [_sign(value) * ((2 * _QMAX * abs(value) + peak) // (2 * peak)) for value in sums]
        return row, array("f", [array("f", [peak])[0] * self._header.step])[0]

    def _alike(self, seen: "array[int]") -> list[Sequence[Any]]:
        """The prior, and each item's row once."""
        kind, dim = "f" if self._floats else "b", self._header.dim
        rows = [self._section("history_at", kind, item * dim, dim) for item in sorted(set(seen))]
        return [self._section("prior_at", kind), *rows]

    def _aged(self, seen: "array[int]") -> list[Sequence[Any]]:
        """The prior, and the last items' rows, each times the numbers of its age."""
        kind, dim = "f" if self._floats else "b", self._header.dim
        unit = 1 if self._floats else _QMAX
        found: list[Sequence[Any]] = [[unit * value for value in self._section("prior_at", kind)]]
        for age, item in enumerate(seen[: -self._header.history_length - 1 : -1]):
            row = self._section("history_at", kind, item * dim, dim)
            found.append(list(map(operator.mul, row, self._section("ages_at", kind, age * dim, dim))))
        return found

    def _section(self, name: str, kind: str, start: int = 0, count: int | None = None) -> "array[Any]":
        """Numbers of a section, ``count`` from the ``start``-th on; all of it without ``count``."""
        values: array[Any] = array(kind)
        at = getattr(self._header, name)
        size = model_bin.section_bytes(self._header)[name] if count is None else count * values.itemsize
        at += start * values.itemsize
        values.frombytes(self._data[at : at + size])
        if sys.byteorder == "big":
            values.byteswap()
        return values


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _stored(data: bytes, header: Header) -> "list[tuple[Sequence[Any], float]]":
    """The row and the scale of each item, place after place."""
    found: list[tuple[Sequence[Any], float]] = []
    for block in range(header.n_blocks):
        at = header.items_at + block * header.block_bytes
        stored = data[at : at + header.block_bytes]
        found += zip(_rows(stored, header), _scales(stored, header), strict=True)
    return found[: header.n_items]


def _scales(stored: bytes, header: Header) -> Sequence[float]:
    if header.recipe not in (model_bin.INT8_ITEM, model_bin.INT4_ITEM):
        return [1.0] * BLOCK
    return _HALVES.unpack(stored[-model_bin.SCALE_BYTES :])


def _rows(stored: bytes, header: Header) -> list[Sequence[Any]]:
    """The 32 rows of a block."""
    dim = header.dim
    if header.recipe == model_bin.FP32:
        floats = array("f", stored)
        if sys.byteorder == "big":
            floats.byteswap()
        return [floats[item::BLOCK] for item in range(BLOCK)]
    if header.layout == model_bin.DIMS:
        values = array("b", stored)
        return [_of_dims(values, item, header.even_dim)[:dim] for item in range(BLOCK)]
    values = array("b", _levels(stored) if header.recipe == model_bin.INT4_ITEM else stored)
    return [_of_quads(values, item, header.even_dim)[:dim] for item in range(BLOCK)]


def _levels(stored: bytes) -> bytes:
    """The int8 quads of a block whose values have four bits: two vectors of 16 in 16 bytes."""
    packed = stored[: -model_bin.SCALE_BYTES]
    vectors = [packed[at : at + _VECTOR] for at in range(0, len(packed), _VECTOR)]
    halves = [half for vector in vectors for half in ([x & 15 for x in vector], [x >> 4 for x in vector])]
    return bytes((level - _ZERO_LEVEL) & 0xFF for half in halves for level in half)


def _of_dims(values: "array[int]", item: int, even_dim: int) -> "array[int]":
    """A row: of each two dimensions, eight items' values of the first lie before those of the second."""
    first = 16 * (item // 8) + item % 8
    return array("b", (values[first + 2 * BLOCK * (d // 2) + 8 * (d % 2)] for d in range(even_dim)))


def _of_quads(values: "array[int]", item: int, even_dim: int) -> "array[int]":
    """A row: four dimensions of it in each 128 values, then the last two of an even dim."""
    row: array[int] = array("b")
    whole = even_dim // 4
    for quad in range(whole):
        at = 4 * BLOCK * quad + 4 * item
        row += values[at : at + 4]
    if even_dim % 4:
        at = 4 * BLOCK * whole + 16 * (item // 8) + 4 * (item % 4) + 2 * (item // 4 % 2)
        row += values[at : at + 2]
    return row
