"""A folded click model as ONNX: a request's row is added to the rows of candidates, and the best are chosen.

Opset 13, IR 8, as our other files; the same bytes every time.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from recpress_edge.artifacts.clicks.contract import (
    CANDIDATES_INPUT,
    ITEMS_OUTPUT,
    K_INPUT,
    ROWS_INPUT,
    SCORES_OUTPUT,
    ClickContract,
)
from recpress_edge.artifacts.clicks.folded import BY_FIELDS, INT4_FIELDS, SCALE
from recpress_edge.artifacts.integers import INT4_ZERO_POINT
from recpress_export.onnx.writer import IR_VERSION, OPSET

Tensors = Mapping[str, NDArray[Any]]


@dataclass(slots=True)
class _Draft:
    """Nodes so far, over the tensors of a folded model."""

    tensors: dict[str, NDArray[Any]]
    dim: int
    nodes: list[onnx.NodeProto] = field(default_factory=list)

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, array: NDArray[Any]) -> str:
        self.tensors[name] = array
        return name

    def numbers(self, table: str, rows: str | None = None) -> str:
        """A table as float32: the ``rows`` of it alone, or all."""
        found = table
        if rows:
            found = self.node("Gather", [table, rows], f"{table}/rows", axis=0)
        if f"{table}{SCALE}" not in self.tensors:
            return found
        if self.tensors[table].dtype == np.uint8:
            return self._of_halves(table, found, rows)
        wide = self.node("Cast", [found], f"{table}/wide", to=TensorProto.FLOAT)
        return self.node("Mul", [wide, f"{table}{SCALE}"], f"{table}/numbers")

    def _of_halves(self, table: str, packed: str, rows: str | None) -> str:
        """Rows of packed values of 4 bits (n, ⌈d / 2⌉) as float32 (n, d)."""
        self.tensors.setdefault("half_byte", np.array(16, np.uint8))
        self.tensors.setdefault("four_bits", np.array(4, np.uint8))
        self.tensors.setdefault("int4_zero", np.array(INT4_ZERO_POINT, np.float32))
        low = self.node("Mod", [packed, "half_byte"], f"{table}/low")
        high = self.node("BitShift", [packed, "four_bits"], f"{table}/high", direction="RIGHT")
        both = self.node("Concat", [low, high], f"{table}/halves", axis=1)
        if self.dim % 2:  # the last high half is not used
            for name, value in (("first_of_row", 0), ("end_of_row", self.dim), ("of_rows", 1)):
                self.tensors.setdefault(name, np.array([value], np.int64))
            both = self.node("Slice", [both, "first_of_row", "end_of_row", "of_rows"], f"{table}/used")
        wide = self.node("Cast", [both], f"{table}/wide", to=TensorProto.FLOAT)
        level = self.node("Sub", [wide, "int4_zero"], f"{table}/levels")
        scale = f"{table}{SCALE}"
        if rows:
            scale = self.node("Gather", [scale, rows], f"{table}/scales", axis=0)
        scale = self.node("Cast", [scale], f"{table}/wide_scales", to=TensorProto.FLOAT)
        return self.node("Mul", [level, scale], f"{table}/numbers")


def clicks_onnx(contract: ClickContract, tensors: Tensors, metadata: Mapping[str, str]) -> bytes:
    """The file's bytes; ``tensors`` as tensors_of gives them."""
    draft = _Draft(dict(tensors), contract.dim)
    if contract.recipe in BY_FIELDS:
        _fold(draft, contract)
    linear, sums, hidden = _request(draft, contract)
    z = draft.node("Add", [draft.numbers("item_linear", CANDIDATES_INPUT), linear], "brackets")  # (n,)
    if contract.pairs:
        items = _rows(draft, "item_sums")  # (n, d)
        z = draft.node("Add", [z, draft.node("MatMul", [items, sums], "products")], "with_products")
    if hidden:
        items = _rows(draft, "item_hidden")  # (n, H)
        first = draft.node("Add", [items, hidden], "first")
        z = draft.node("Add", [z, _after_first(draft, first)], "logits")
    draft.nodes.append(
        helper.make_node(
            "TopK", [z, K_INPUT], [SCORES_OUTPUT, "places"], name="top", axis=0, largest=1, sorted=1
        )
    )
    draft.node("Gather", [CANDIDATES_INPUT, "places"], ITEMS_OUTPUT, axis=0)
    return _serialised(draft, contract, metadata)


def _rows(draft: _Draft, table: str) -> str:
    """A table's rows of the candidates; one that nodes make is float32 already."""
    if table in draft.tensors:
        return draft.numbers(table, CANDIDATES_INPUT)
    return draft.node("Gather", [table, CANDIDATES_INPUT], f"{table}/rows", axis=0)


def _fold(draft: _Draft, contract: ClickContract) -> None:
    """Nodes of constants alone, which a runtime computes when it loads the file: s and W e of all items."""
    if not contract.dim:
        return
    embedded = draft.numbers("item_emb")
    if contract.recipe == INT4_FIELDS:  # a row for each field of each item
        whole = draft.constant("rows_of_items", np.array([contract.n_items, -1], np.int64))
        embedded = draft.node("Reshape", [embedded, whole], "item_row")
    if contract.pairs:
        shape = draft.constant("fields_of_items", np.array([0, -1, contract.dim], np.int64))
        each = draft.node("Reshape", [embedded, shape], "item_fields")
        axis = draft.constant("axis1", np.array([1], np.int64))
        draft.node("ReduceSum", [each, axis], "item_sums", keepdims=0)
    if "item_first" in draft.tensors:
        columns = draft.node("Transpose", [draft.numbers("item_first")], "item_columns", perm=[1, 0])
        draft.node("MatMul", [embedded, columns], "item_hidden")


def _request(draft: _Draft, contract: ClickContract) -> tuple[str, str, str]:
    """The bracket (1,), s (d,) and W e + b_1 (H,) of the request; empty names where there is none.

    A place without a value counts nothing, and a field of many values has the mean of those it has.
    """
    fields, width = contract.fields, contract.width
    firsts = np.cumsum([0, *(one.size for one in fields)])[:-1]
    offsets = np.repeat(firsts, [one.width for one in fields]).astype(np.int64)
    owns = np.repeat(np.eye(len(fields), dtype=np.float32), [one.width for one in fields], axis=1)  # (F, W)
    zero = draft.constant("zero", np.zeros(width, np.int64))
    places = draft.node("Max", [ROWS_INPUT, zero], "values")
    places = draft.node("Add", [places, draft.constant("offsets", offsets)], "table_rows")
    used = draft.node("GreaterOrEqual", [ROWS_INPUT, zero], "is_used")
    used = draft.node("Cast", [used], "used", to=TensorProto.FLOAT)  # (W,)
    counts = draft.node("MatMul", [draft.constant("owns", owns), used], "counts")  # (F,)
    weights = draft.node("Mul", [draft.numbers("request_linear", places), used], "used_weights")
    each = draft.node("Div", [draft.node("MatMul", ["owns", weights], "field_sums"), counts], "field_weights")
    linear = draft.node("ReduceSum", [each], "weights", keepdims=1)  # (1,)
    linear = draft.node("Add", [linear, "bias"], "linear")
    if not contract.dim:
        return linear, "", ""
    columns = draft.constant("columns", np.array([1], np.int64))
    rows = draft.numbers("request_emb", places)
    rows = draft.node("Mul", [rows, draft.node("Unsqueeze", [used, columns], "used_column")], "used_rows")
    total = draft.node("MatMul", ["owns", rows], "field_rows")
    embedded = draft.node(
        "Div", [total, draft.node("Unsqueeze", [counts, columns], "count_column")], "embedded"
    )
    sums = hidden = ""
    if contract.pairs:
        axis = draft.constant("axis0", np.array([0], np.int64))
        sums = draft.node("ReduceSum", [embedded, axis], "sums", keepdims=0)
        linear = draft.node("Add", [linear, _pairs(draft, embedded, sums)], "request_bracket")
    if "layer0_weight" in draft.tensors:
        flat = draft.node(
            "Reshape", [embedded, draft.constant("one_column", np.array([-1], np.int64))], "flat"
        )
        first = draft.node("MatMul", [draft.numbers("layer0_weight"), flat], "request_first")
        hidden = draft.node("Add", [first, "layer0_bias"], "request_hidden")
    return linear, sums, hidden


def _pairs(draft: _Draft, embedded: str, sums: str) -> str:
    """½ (|s|² − q) (1,)."""
    own = draft.node("ReduceSumSquare", [embedded], "squares", keepdims=0)
    both = draft.node("ReduceSumSquare", [sums], "square_of_sums", keepdims=0)
    apart = draft.node("Sub", [both, own], "cross_products")
    return draft.node("Mul", [apart, draft.constant("half", np.array([0.5], np.float32))], "pairs")


def _after_first(draft: _Draft, first: str) -> str:
    """The layers after the first, of candidates (n, H) -> (n,)."""
    current, place = first, 1
    while f"layer{place}_weight" in draft.tensors:
        active = draft.node("Relu", [current], f"active{place}")
        weight = draft.numbers(f"layer{place}_weight")
        current = draft.node("Gemm", [active, weight, f"layer{place}_bias"], f"layer{place}", transB=1)
        place += 1
    return draft.node("Reshape", [current, "one_column"], "network")


def _serialised(draft: _Draft, contract: ClickContract, metadata: Mapping[str, str]) -> bytes:
    inputs = [
        helper.make_tensor_value_info(ROWS_INPUT, TensorProto.INT64, [contract.width]),
        helper.make_tensor_value_info(CANDIDATES_INPUT, TensorProto.INT64, ["n_candidates"]),
        helper.make_tensor_value_info(K_INPUT, TensorProto.INT64, [1]),
    ]
    outputs = [
        helper.make_tensor_value_info(ITEMS_OUTPUT, TensorProto.INT64, ["n_returned"]),
        helper.make_tensor_value_info(SCORES_OUTPUT, TensorProto.FLOAT, ["n_returned"]),
    ]
    tensors = [
        numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in draft.tensors.items()
    ]
    model = helper.make_model(
        helper.make_graph(draft.nodes, "rank", inputs, outputs, tensors),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="recpress-edge",
    )
    for key in sorted(metadata):
        model.metadata_props.add(key=key, value=metadata[key])
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
