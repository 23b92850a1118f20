"""A folded click model as TFLite: built-in operators over float32, integers widened where they are read.

As graph.py computes it, with int32 in place of int64. The same bytes every time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.clicks.contract import (
    CANDIDATES_INPUT,
    ITEMS_OUTPUT,
    K_INPUT,
    ROWS_INPUT,
    SCORES_OUTPUT,
    ClickContract,
)
from recpress_edge.artifacts.clicks.folded import SCALE
from recpress_export.tflite.draft import FLOAT32, GATHER_VERSION, INT_TYPES, NO_TENSOR, OperatorDraft

_RELU: Final = 1

Tensors = Mapping[str, NDArray[Any]]


@dataclass(slots=True)
class _TfliteClicks(OperatorDraft):
    """Operators so far, over the tensors of a folded model."""

    tensors: Tensors = field(kw_only=True)
    contract: ClickContract = field(kw_only=True)
    numbers: dict[str, int] = field(default_factory=dict)

    def constant(self, name: str) -> int:
        """One of the tables, written once."""
        if name not in self.numbers:
            self.numbers[name] = self.model.constant(name, self.tensors[name])
        return self.numbers[name]

    def wide(self, table: str, found: int, shape: tuple[int, ...], *, any_length: bool = False) -> int:
        """What was read of a table as float32: integers times their scales."""
        if f"{table}{SCALE}" not in self.tensors:
            return found
        kind = INT_TYPES[self.tensors[table].dtype]
        wide = self.op(
            f"{table}/wide",
            "CAST",
            [found],
            shape,
            any_length=any_length,
            inDataType=kind,
            outDataType=FLOAT32,
        )
        scale = self.constant(f"{table}{SCALE}")
        return self.op(f"{table}/numbers", "MUL", [wide, scale], shape, any_length=any_length)

    def read(self, table: str, rows: int, count: int, *, any_length: bool = False) -> int:
        """Rows of a table as float32: (count, ...) of it."""
        stored = self.tensors[table]
        shape = (count, *stored.shape[1:])
        version = GATHER_VERSION[stored.dtype]
        found = self.op(
            f"{table}/rows",
            "GATHER",
            [self.constant(table), rows],
            shape,
            any_length=any_length,
            version=version,
            dtype=stored.dtype,
            axis=0,
        )
        return self.wide(table, found, shape, any_length=any_length)

    def all_of(self, table: str) -> int:
        """A whole table as float32."""
        return self.wide(table, self.constant(table), self.tensors[table].shape)


def clicks_tflite(contract: ClickContract, tensors: Tensors, metadata: Mapping[str, str]) -> bytes:
    """The file's bytes; ``tensors`` as tensors_of gives them, of a recipe that the format takes."""
    draft = _TfliteClicks(tensors=_stored(tensors), contract=contract)
    model = draft.model
    rows = model.tensor(ROWS_INPUT, [contract.width], np.int32)
    candidates = model.tensor(CANDIDATES_INPUT, [1], np.int32, any_length=0)
    k = model.tensor(K_INPUT, [1], np.int32)
    linear, sums, hidden = _request(draft, rows)
    own = draft.read("item_linear", candidates, 1, any_length=True)  # (n,)
    z = draft.op("brackets", "ADD", [own, linear], (1,), any_length=True)
    if contract.pairs:
        items = draft.read("item_sums", candidates, 1, any_length=True)  # (n, d)
        products = draft.op("products", "MUL", [items, sums], (1, contract.dim), any_length=True)
        axis = draft.whole("of_dimensions", 1)
        summed = draft.op("summed", "SUM", [products, axis], (1,), any_length=True, keepDims=False)
        z = draft.op("with_products", "ADD", [z, summed], (1,), any_length=True)
    if hidden != NO_TENSOR:
        items = draft.read("item_hidden", candidates, 1, any_length=True)  # (n, H)
        width = draft.tensors["layer0_bias"].size
        first = draft.op("first", "ADD", [items, hidden], (1, width), any_length=True)
        active = draft.op("active1", "RELU", [first], (1, width), any_length=True)
        z = draft.op("logits", "ADD", [z, _after_first(draft, active)], (1,), any_length=True)
    top = model.tensor(SCORES_OUTPUT, [1], np.float32, any_length=0)
    places = model.tensor("places", [1], np.int32, any_length=0)
    model.operator("TOPK_V2", [z, k], [top, places])
    best = draft.op(
        ITEMS_OUTPUT, "GATHER", [candidates, places], (1,), any_length=True, dtype=np.int32, axis=0
    )
    inputs = {ROWS_INPUT: rows, CANDIDATES_INPUT: candidates, K_INPUT: k}
    return model.to_bytes(inputs, {ITEMS_OUTPUT: best, SCORES_OUTPUT: top}, metadata)


def _stored(tensors: Tensors) -> dict[str, NDArray[Any]]:
    """Scales of a single number as lists of one: the operator adds no axes to its product then."""
    return {
        name: array.reshape(1) if name.endswith(SCALE) and array.size == 1 else array
        for name, array in tensors.items()
    }


def _request(draft: _TfliteClicks, rows: int) -> tuple[int, int, int]:
    """The bracket (1,), s (1, d) and W e + b_1 (1, H) of the request; NO_TENSOR where there is none."""
    contract, width = draft.contract, draft.contract.width
    firsts = np.cumsum([0, *(one.size for one in contract.fields)])[:-1]
    offsets = np.repeat(firsts, [one.width for one in contract.fields]).astype(np.int32)
    shown, share = rows, NO_TENSOR
    if any(one.kind == "many" for one in contract.fields):
        shown, share = _shares(draft, rows)
    places = draft.op(
        "table_rows", "ADD", [shown, draft.whole("offsets", *offsets)], (width,), dtype=np.int32
    )
    weights = draft.read("request_linear", places, width)
    if share != NO_TENSOR:
        weights = draft.op("shared_weights", "MUL", [weights, share], (width,))
    axis = draft.whole("of_places", 0)
    linear = draft.op("weights", "SUM", [weights, axis], (1,), keepDims=True)
    linear = draft.op("linear", "ADD", [linear, draft.constant("bias")], (1,))
    if not contract.dim:
        return linear, NO_TENSOR, NO_TENSOR
    embedded = _embedded(draft, places, share)
    sums = hidden = NO_TENSOR
    if contract.pairs:
        sums = draft.op("sums", "SUM", [embedded, axis], (1, contract.dim), keepDims=True)
        linear = draft.op("request_bracket", "ADD", [linear, _pairs(draft, embedded, sums)], (1,))
    if "layer0_weight" in draft.tensors:
        flat_size = len(contract.fields) * contract.dim
        flat = draft.op(
            "flat",
            "RESHAPE",
            [embedded, draft.whole("in_a_row", 1, flat_size)],
            (1, flat_size),
            newShape=[1, flat_size],
        )
        hidden = _layer(draft, 0, flat, any_length=False)
    return linear, sums, hidden


def _shares(draft: _TfliteClicks, rows: int) -> tuple[int, int]:
    """Rows with 0 where a place has none; and 1 / the used places of its field, of each place (W,)."""
    contract, width = draft.contract, draft.contract.width
    widths = [one.width for one in contract.fields]
    same = np.repeat(np.repeat(np.eye(len(widths), dtype=np.float32), widths, axis=0), widths, axis=1)
    zero = draft.whole("zero", *[0] * width)
    shown = draft.op("values", "MAXIMUM", [rows, zero], (width,), dtype=np.int32)
    used = draft.op("is_used", "GREATER_EQUAL", [rows, zero], (width,), dtype=np.bool_)
    used = draft.op("used", "CAST", [used], (width,), inDataType=6, outDataType=FLOAT32)
    row = draft.op(
        "used_row", "RESHAPE", [used, draft.whole("one_row", 1, width)], (1, width), newShape=[1, width]
    )
    counts = draft.op(
        "counts",
        "FULLY_CONNECTED",
        [row, draft.model.constant("same_field", same), NO_TENSOR],
        (1, width),
    )
    share = draft.op("shares", "DIV", [row, counts], (1, width))
    flat = draft.whole("in_a_list", width)
    return shown, draft.op("share", "RESHAPE", [share, flat], (width,), newShape=[width])


def _embedded(draft: _TfliteClicks, places: int, share: int) -> int:
    """Of each field its embedding, the mean of a field of many values: (F, d)."""
    contract, width, dim = draft.contract, draft.contract.width, draft.contract.dim
    rows = draft.read("request_emb", places, width)
    if share == NO_TENSOR:
        return rows
    column = draft.op(
        "share_column",
        "RESHAPE",
        [share, draft.whole("one_column", width, 1)],
        (width, 1),
        newShape=[width, 1],
    )
    shared = draft.op("shared_rows", "MUL", [rows, column], (width, dim))
    owner = np.repeat(np.arange(len(contract.fields)), [one.width for one in contract.fields])
    ids = draft.whole("field_of_place", *owner)
    return draft.op("embedded", "SEGMENT_SUM", [shared, ids], (len(contract.fields), dim))


def _pairs(draft: _TfliteClicks, embedded: int, sums: int) -> int:
    """½ (|s|² − q) (1,)."""
    shape = (len(draft.contract.fields), draft.contract.dim)
    both = draft.whole("both_axes", 0, 1)
    found = []
    for name, tensor, size in (("own", embedded, shape), ("all", sums, (1, shape[1]))):
        squared = draft.op(f"{name}_squared", "MUL", [tensor, tensor], size)
        total = draft.op(f"{name}_squares", "SUM", [squared, both], (1, 1), keepDims=True)
        one = draft.whole(f"{name}_one", 1)
        found.append(draft.op(f"{name}_square", "RESHAPE", [total, one], (1,), newShape=[1]))
    apart = draft.op("cross_products", "SUB", [found[1], found[0]], (1,))
    half = draft.model.constant("half", np.array([0.5], np.float32))
    return draft.op("pairs", "MUL", [apart, half], (1,))


def _layer(draft: _TfliteClicks, place: int, given: int, *, any_length: bool, relu: bool = False) -> int:
    """x Wᵀ + b of (n, m) -> (n, H), then ReLU where asked."""
    weight, bias = draft.all_of(f"layer{place}_weight"), draft.constant(f"layer{place}_bias")
    width = draft.tensors[f"layer{place}_bias"].size
    return draft.op(
        f"layer{place}",
        "FULLY_CONNECTED",
        [given, weight, bias],
        (1, width),
        any_length=any_length,
        fusedActivationFunction=_RELU if relu else 0,
    )


def _after_first(draft: _TfliteClicks, active: int) -> int:
    """The layers after the first, of candidates (n, H) -> (n,)."""
    count = sum(name.startswith("layer") and name.endswith("_bias") for name in draft.tensors)
    current = active
    for place in range(1, count):
        current = _layer(draft, place, current, any_length=True, relu=place < count - 1)
    return draft.op(
        "network", "RESHAPE", [current, draft.whole("a_list", -1)], (1,), any_length=True, newShape=[-1]
    )
