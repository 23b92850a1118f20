"""Two stages as one ONNX file: what the first finds goes into the second, in whole numbers.

Opset 13, IR 8, as our other files; the same bytes every time. Sums are of whole numbers that float32 holds
exactly (artifacts/two_stages/second.py), so that they may be added in any order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from recpress_edge.artifacts.clicks.fields import FeatureField
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
from recpress_export.onnx.writer import IR_VERSION, OPSET, to_onnx

Tensors = Mapping[str, NDArray[Any]]


@dataclass(slots=True)
class _SecondDraft:
    """Nodes so far, over the tensors of a second stage; all its names begin with PREFIX."""

    tensors: dict[str, NDArray[Any]]
    nodes: list[onnx.NodeProto] = field(default_factory=list)

    def node(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        output = f"{PREFIX}{name}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, array: NDArray[Any]) -> str:
        self.tensors[name] = array
        return f"{PREFIX}{name}"

    def wide(self, name: str, rows: str | None = None) -> str:
        """A table as float32: the ``rows`` of it alone, or all."""
        found = f"{PREFIX}{name}"
        if rows:
            found = self.node("Gather", [found, rows], f"{name}/rows", axis=0)
        return self.node("Cast", [found], f"{name}/wide", to=TensorProto.FLOAT)

    def rounded(self, values: str, name: str, least: float | None = None, most: str = "") -> str:
        """The nearest whole numbers, halves to even; between two bounds where they are given."""
        found = self.node("Round", [values], f"{name}/round")
        return found if least is None else self.clipped(found, name, least, most)

    def clipped(self, values: str, name: str, least: float, most: str) -> str:
        low = self.constant(f"{name}/least", np.array(least, np.float32))
        flat = self.constant(f"{name}/scalar", np.empty(0, np.int64))
        high = self.node("Reshape", [most, flat], f"{name}/most")
        return self.node("Clip", [values, low, high], f"{name}/clip")


def two_stages_onnx(
    contract: TwoStageContract,
    first: Graph,
    tensors: Tensors,
    user_rows: NDArray[Any] | None,
    metadata: Mapping[str, str],
) -> bytes:
    """The file's bytes. ``first``: the first stage under the names of ``contract.first``; ``tensors`` as
    second_tensors gives them; ``user_rows`` (U, W_U), None without fields of users.
    """
    model = onnx.load_model_from_string(to_onnx(first, {}))
    draft = _SecondDraft(dict(tensors))
    if user_rows is not None:
        draft.constant(USER_ROWS, user_rows)
    embedded = _embedded(draft, contract)
    z = _by_item(draft, _products(draft, embedded))
    z = draft.node("Add", [z, _network(draft, embedded)], "z")
    draft.nodes.append(
        helper.make_node(
            "TopK", [z, K_INPUT], [SCORES_OUTPUT, f"{PREFIX}places"], name=f"{PREFIX}top", axis=0
        )
    )
    draft.nodes.append(
        helper.make_node(
            "Gather", [FIRST_ITEMS, f"{PREFIX}places"], [ITEMS_OUTPUT], name=ITEMS_OUTPUT, axis=0
        )
    )
    return _serialised(model, draft, contract, metadata)


def _embedded(draft: _SecondDraft, contract: TwoStageContract) -> str:
    """Of each field of user and request, whole numbers (F, d)."""
    fields, rows = (*contract.of_users, *contract.fields), ROWS_INPUT
    if contract.of_users:
        own = draft.node("Gather", [f"{PREFIX}{USER_ROWS}", contract.first.user_input], "own", axis=0)
        flat = draft.constant("one_axis", np.array([-1], np.int64))
        own = draft.node(
            "Reshape", [draft.node("Cast", [own], "own/wide", to=TensorProto.INT64), flat], "own/flat"
        )
        rows = draft.node("Concat", [own, ROWS_INPUT], "all_rows", axis=0)
    firsts = np.cumsum([0, *(one.size for one in fields)])[:-1]
    offsets = draft.constant("offsets", np.repeat(firsts, [one.width for one in fields]).astype(np.int64))
    if all(one.width == 1 for one in fields):
        return draft.wide("asked_emb", draft.node("Add", [rows, offsets], "table_rows"))
    return _means(draft, fields, rows, offsets)


def _means(draft: _SecondDraft, fields: tuple[FeatureField, ...], rows: str, offsets: str) -> str:
    """The same where a field has several values: their mean, rounded; a place without one counts nothing."""
    widths = [one.width for one in fields]
    owns = draft.constant("owns", np.repeat(np.eye(len(fields), dtype=np.float32), widths, axis=1))  # (F, W)
    zero = draft.constant("zero", np.zeros(sum(widths), np.int64))
    places = draft.node("Add", [draft.node("Max", [rows, zero], "values"), offsets], "table_rows")
    used = draft.node("GreaterOrEqual", [rows, zero], "is_used")
    used = draft.node("Cast", [used], "used", to=TensorProto.FLOAT)  # (W,)
    columns = draft.constant("columns", np.array([1], np.int64))
    column = draft.node("Unsqueeze", [used, columns], "used_column")
    values = draft.node("Mul", [draft.wide("asked_emb", places), column], "used_rows")
    counts = draft.node("MatMul", [owns, column], "counts")  # (F, 1)
    mean = draft.node("Div", [draft.node("MatMul", [owns, values], "field_sums"), counts], "means")
    return draft.rounded(mean, "embedded")


def _products(draft: _SecondDraft, embedded: str) -> str:
    """s_C · s_T of the candidates (C,)."""
    axis = draft.constant("axis0", np.array([0], np.int64))
    sums = draft.node("ReduceSum", [embedded, axis], "sums", keepdims=0)
    scaled = draft.node("Mul", [sums, f"{PREFIX}sums_factor"], "sums/scaled")
    most = draft.constant("sums_most", np.array([MOST], np.float32))
    asked = draft.rounded(scaled, "asked_sums", -float(MOST), most)  # (d,)
    found = draft.node("MatMul", [draft.wide("item_sums", FIRST_ITEMS), asked], "products")
    return draft.node("Mul", [found, f"{PREFIX}sums_step"], "products/scaled")


def _by_item(draft: _SecondDraft, products: str) -> str:
    """a s₁ and what an item adds by itself, then the products (C,)."""
    z = draft.node("Mul", [FIRST_SCORES, f"{PREFIX}first_factor"], "first/scaled")
    own = draft.node("Mul", [draft.wide("item_linear", FIRST_ITEMS), f"{PREFIX}linear_step"], "linear/scaled")
    z = draft.node("Add", [z, own], "with_linear")
    return draft.node("Add", [z, products], "with_products")


def _network(draft: _SecondDraft, embedded: str) -> str:
    """The layers, of the candidates (C,)."""
    flat = draft.constant("column", np.array([-1, 1], np.int64))
    first = draft.node(
        "MatMul", [draft.wide("asked_first"), draft.node("Reshape", [embedded, flat], "flat")], "first"
    )
    one = draft.constant("one_dimension", np.array([-1], np.int64))
    first = draft.node("Reshape", [first, one], "first/flat")
    scaled = draft.node("Mul", [first, f"{PREFIX}asked_factor"], "asked/scaled")
    asked = draft.rounded(draft.node("Add", [scaled, f"{PREFIX}asked_bias"], "asked/biased"), "asked")  # (H,)
    hidden = draft.node("Add", [draft.wide("item_hidden", FIRST_ITEMS), asked], "hidden")
    values, place = draft.clipped(hidden, "active", 0.0, f"{PREFIX}most"), 0
    while f"layer{place}" in draft.tensors:
        name = f"layer{place}"
        weight = draft.node("Transpose", [draft.wide(name)], f"{name}/columns", perm=[1, 0])
        values = draft.node("MatMul", [values, weight], f"{name}/sums")
        values = draft.node("Mul", [values, f"{PREFIX}{name}_factor"], f"{name}/scaled")
        if f"{name}_bias" in draft.tensors:
            values = draft.node("Add", [values, f"{PREFIX}{name}_bias"], f"{name}/biased")
            values = draft.rounded(values, f"{name}/active", 0.0, f"{PREFIX}{name}_most")
        place += 1
    return draft.node("Reshape", [values, one], "network")


def _serialised(
    first: onnx.ModelProto, draft: _SecondDraft, contract: TwoStageContract, metadata: Mapping[str, str]
) -> bytes:
    inputs = [
        *first.graph.input,
        helper.make_tensor_value_info(ROWS_INPUT, TensorProto.INT64, [contract.width]),
        helper.make_tensor_value_info(K_INPUT, TensorProto.INT64, [1]),
    ]
    outputs = [
        helper.make_tensor_value_info(ITEMS_OUTPUT, TensorProto.INT64, ["n_ranked"]),
        helper.make_tensor_value_info(SCORES_OUTPUT, TensorProto.FLOAT, ["n_ranked"]),
        *first.graph.output,
    ]
    tensors = [
        numpy_helper.from_array(np.ascontiguousarray(array) if array.ndim else array, f"{PREFIX}{name}")
        for name, array in draft.tensors.items()
    ]
    graph = helper.make_graph(
        [*first.graph.node, *draft.nodes],
        "recommend",
        inputs,
        outputs,
        [*first.graph.initializer, *tensors],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="recpress-edge",
    )
    for key in sorted(metadata):
        model.metadata_props.add(key=key, value=metadata[key])
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
