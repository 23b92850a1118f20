"""Two stages as one TFLite file: built-in operators, int32 in place of int64, the same numbers as graph.py.

Whole numbers that float32 holds exactly may be added in any order, ROUND takes halves to even, and every
other operator rounds once: so its ids and scores are those of numpy, to the bit. All operators of the first
stage come before those of the second.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count, takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.two_stages.contract import (
    FIRST_ITEMS,
    FIRST_SCORES,
    ITEMS_OUTPUT,
    K_INPUT,
    ROWS_INPUT,
    SCORES_OUTPUT,
    TwoStageContract,
)
from recpress_edge.artifacts.two_stages.second import MOST, PREFIX
from recpress_edge.device.two_stages.runtimes import USER_ROWS
from recpress_export.graph import Graph
from recpress_export.tflite.draft import FLOAT32, GATHER_VERSION, INT32, INT_TYPES, NO_TENSOR, OperatorDraft
from recpress_export.tflite.writer import add_graph

Tensors = Mapping[str, NDArray[Any]]


@dataclass(slots=True)
class _TfliteStages(OperatorDraft):
    """Operators so far, over the tensors of a second stage; all its names begin with PREFIX."""

    contract: TwoStageContract = field(kw_only=True)
    tensors: Tensors = field(kw_only=True)

    def made(
        self, name: str, operator: str, inputs: list[int], shape: tuple[int, ...], **options: Any
    ) -> int:
        return self.op(f"{PREFIX}{name}", operator, inputs, shape, **options)

    def list_of(self, name: str, operator: str, inputs: list[int], *rest: int, **options: Any) -> int:
        """An operator whose output is as long as there are candidates (C, ...)."""
        return self.made(name, operator, inputs, (1, *rest), any_length=True, **options)

    def numbers(self, name: str, *values: int) -> int:
        return self.whole(f"{PREFIX}{name}", *values)

    def stored(self, name: str) -> int:
        return self.model.constant(f"{PREFIX}{name}", self.tensors[name])

    def table(self, name: str) -> int:
        """A whole table as float32."""
        array = self.tensors[name]
        return self.made(
            f"{name}/wide",
            "CAST",
            [self.stored(name)],
            array.shape,
            inDataType=INT_TYPES[array.dtype],
            outDataType=FLOAT32,
        )

    def rows(self, name: str, rows: int, size: int, *, any_length: bool = False) -> int:
        """Rows of a table as float32 (size, ...)."""
        array = self.tensors[name]
        shape, version = (size, *array.shape[1:]), GATHER_VERSION[array.dtype]
        found = self.made(
            f"{name}/rows",
            "GATHER",
            [self.stored(name), rows],
            shape,
            version=version,
            dtype=array.dtype,
            any_length=any_length,
            axis=0,
        )
        kind = INT_TYPES[array.dtype]
        return self.made(
            f"{name}/wide",
            "CAST",
            [found],
            shape,
            any_length=any_length,
            inDataType=kind,
            outDataType=FLOAT32,
        )

    def reshaped(self, name: str, tensor: int, *shape: int, dtype: Any = np.float32) -> int:
        any_length, known = -1 in shape, tuple(max(size, 1) for size in shape)
        wanted = self.numbers(f"{name}/shape", *shape)
        return self.made(
            name,
            "RESHAPE",
            [tensor, wanted],
            known,
            any_length=any_length,
            dtype=dtype,
            newShape=list(shape),
        )


def two_stages_tflite(
    contract: TwoStageContract,
    first: Graph,
    tensors: Tensors,
    user_rows: NDArray[Any] | None,
    metadata: Mapping[str, str],
) -> bytes:
    """The file's bytes. ``first``: the first stage under the names of ``contract.first``; ``tensors`` as
    second_tensors gives them; ``user_rows`` (U, W_U), None without fields of users.
    """
    known = tensors if user_rows is None else {**tensors, USER_ROWS: user_rows}
    draft = _TfliteStages(contract=contract, tensors=known)
    model = draft.model
    inputs, found = add_graph(first, model)
    inputs |= {
        ROWS_INPUT: model.tensor(ROWS_INPUT, [contract.width], np.int32),
        K_INPUT: model.tensor(K_INPUT, [1], np.int32),
    }
    embedded = _embedded(draft, inputs)
    z = _by_item(draft, found, _products(draft, embedded, found[FIRST_ITEMS]))
    z = draft.list_of("z", "ADD", [z, _network(draft, embedded, found[FIRST_ITEMS])])
    top = model.tensor(SCORES_OUTPUT, [1], np.float32, any_length=0)
    places = model.tensor(f"{PREFIX}places", [1], np.int32, any_length=0)
    model.operator("TOPK_V2", [z, inputs[K_INPUT]], [top, places])
    best = draft.op(
        ITEMS_OUTPUT, "GATHER", [found[FIRST_ITEMS], places], (1,), any_length=True, dtype=np.int32, axis=0
    )
    return model.to_bytes(inputs, {ITEMS_OUTPUT: best, SCORES_OUTPUT: top, **found}, metadata)


def _embedded(draft: _TfliteStages, inputs: Mapping[str, int]) -> int:
    """Of each field of user and request, whole numbers (F, d)."""
    contract, rows = draft.contract, inputs[ROWS_INPUT]
    fields = (*contract.of_users, *contract.fields)
    widths = [one.width for one in fields]
    if contract.of_users:
        rows = _all_rows(draft, inputs[contract.first.user_input], rows, sum(widths))
    firsts = np.cumsum([0, *(one.size for one in fields)])[:-1]
    offsets = draft.numbers("offsets", *np.repeat(firsts, widths).tolist())
    if all(width == 1 for width in widths):
        places = draft.made("table_rows", "ADD", [rows, offsets], (sum(widths),), dtype=np.int32)
        return draft.rows("asked_emb", places, sum(widths))
    return _means(draft, rows, offsets, widths)


def _all_rows(draft: _TfliteStages, user: int, stated: int, width: int) -> int:
    """The rows of all fields (W,): what the file holds of the user, then what the request states."""
    table = draft.tensors[USER_ROWS]
    own = draft.made(
        "own",
        "GATHER",
        [draft.stored(USER_ROWS), user],
        (1, table.shape[1]),
        version=GATHER_VERSION[table.dtype],
        dtype=table.dtype,
        axis=0,
    )
    if table.dtype != np.int32:
        kind = INT_TYPES[table.dtype]
        own = draft.made("own/wide", "CAST", [own], (1, table.shape[1]), dtype=np.int32,
                         inDataType=kind, outDataType=INT32)  # fmt: skip
    flat = draft.reshaped("own/flat", own, table.shape[1], dtype=np.int32)
    return draft.made("all_rows", "CONCATENATION", [flat, stated], (width,), dtype=np.int32, axis=0)


def _means(draft: _TfliteStages, rows: int, offsets: int, widths: list[int]) -> int:
    """The same where a field has several values: their mean, rounded; a place without one counts nothing."""
    width, n, dim = sum(widths), len(widths), draft.tensors["asked_emb"].shape[1]
    zero = draft.numbers("zero", *[0] * width)
    shown = draft.made("values", "MAXIMUM", [rows, zero], (width,), dtype=np.int32)
    places = draft.made("table_rows", "ADD", [shown, offsets], (width,), dtype=np.int32)
    used = draft.made("is_used", "GREATER_EQUAL", [rows, zero], (width,), dtype=np.bool_)
    used = draft.made("used", "CAST", [used], (width,), inDataType=6, outDataType=FLOAT32)
    column = draft.reshaped("used_column", used, width, 1)
    wide = draft.rows("asked_emb", places, width)
    values = draft.made("used_rows", "MUL", [wide, column], (width, dim))
    owner = draft.numbers("field_of_place", *np.repeat(np.arange(n), widths).tolist())
    sums = draft.made("field_sums", "SEGMENT_SUM", [values, owner], (n, dim))
    counts = draft.made("counts", "SEGMENT_SUM", [column, owner], (n, 1))
    mean = draft.made("means", "DIV", [sums, counts], (n, dim))
    return draft.made("embedded", "ROUND", [mean], (n, dim))


def _products(draft: _TfliteStages, embedded: int, items: int) -> int:
    """s_C · s_T of the candidates (C,)."""
    dim = draft.tensors["item_sums"].shape[1]
    sums = draft.made("sums", "SUM", [embedded, draft.numbers("axis0", 0)], (dim,), keepDims=False)
    scaled = draft.made("sums/scaled", "MUL", [sums, draft.stored("sums_factor")], (dim,))
    whole = draft.made("asked_sums/round", "ROUND", [scaled], (dim,))
    for name, operator, bound in (("least", "MAXIMUM", -MOST), ("most", "MINIMUM", MOST)):
        limit = draft.model.constant(f"{PREFIX}sums/{name}_bound", np.array([bound], np.float32))
        whole = draft.made(f"asked_sums/{name}", operator, [whole, limit], (dim,))
    rows = draft.rows("item_sums", items, 1, any_length=True)
    each = draft.list_of("products/each", "MUL", [rows, whole], dim)
    found = draft.list_of("products", "SUM", [each, draft.numbers("axis1", 1)], keepDims=False)
    return draft.list_of("products/scaled", "MUL", [found, draft.stored("sums_step")])


def _by_item(draft: _TfliteStages, found: Mapping[str, int], products: int) -> int:
    """a s₁ and what an item adds by itself, then the products (C,)."""
    z = draft.list_of("first/scaled", "MUL", [found[FIRST_SCORES], draft.stored("first_factor")])
    linear = draft.rows("item_linear", found[FIRST_ITEMS], 1, any_length=True)
    own = draft.list_of("linear/scaled", "MUL", [linear, draft.stored("linear_step")])
    z = draft.list_of("with_linear", "ADD", [z, own])
    return draft.list_of("with_products", "ADD", [z, products])


def _network(draft: _TfliteStages, embedded: int, items: int) -> int:
    """The layers, of the candidates (C,)."""
    width, flat_size = draft.tensors["asked_first"].shape
    flat = draft.reshaped("flat", embedded, 1, flat_size)
    first = [flat, draft.table("asked_first"), NO_TENSOR]
    asked = draft.made("first", "FULLY_CONNECTED", first, (1, width))
    asked = draft.made("asked/scaled", "MUL", [asked, draft.stored("asked_factor")], (1, width))
    asked = draft.made("asked/biased", "ADD", [asked, draft.stored("asked_bias")], (1, width))
    asked = draft.made("asked", "ROUND", [asked], (1, width))
    rows = draft.rows("item_hidden", items, 1, any_length=True)
    values = _bounded(draft, "active", draft.list_of("hidden", "ADD", [rows, asked], width), "most", width)
    for place in takewhile(lambda place: f"layer{place}" in draft.tensors, count()):
        name, width = f"layer{place}", len(draft.tensors[f"layer{place}"])
        given = [values, draft.table(name), NO_TENSOR]
        values = draft.list_of(f"{name}/sums", "FULLY_CONNECTED", given, width)
        values = draft.list_of(f"{name}/scaled", "MUL", [values, draft.stored(f"{name}_factor")], width)
        if f"{name}_bias" in draft.tensors:
            values = draft.list_of(f"{name}/biased", "ADD", [values, draft.stored(f"{name}_bias")], width)
            values = draft.list_of(f"{name}/round", "ROUND", [values], width)
            values = _bounded(draft, f"{name}/active", values, f"{name}_most", width)
    return draft.reshaped("network", values, -1)


def _bounded(draft: _TfliteStages, name: str, values: int, most: str, width: int) -> int:
    """Values from 0 to a stored number (C, H)."""
    zero = draft.model.constant(f"{PREFIX}{name}/least_bound", np.zeros(1, np.float32))
    least = draft.list_of(f"{name}/least", "MAXIMUM", [values, zero], width)
    return draft.list_of(f"{name}/most", "MINIMUM", [least, draft.stored(most)], width)
