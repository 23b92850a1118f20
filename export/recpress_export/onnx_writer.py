"""Graph to ONNX: opset 13, IR 8, so that any onnxruntime since 1.9 reads it; the same bytes every time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from recpress_export.graph import ExcludeSeen, Graph, LookUp, ScaleScores, ScoreAll, SelectTop, Step

OPSET: Final = 13
IR_VERSION: Final = 8
ZERO_POINT: Final = 128


@dataclass(slots=True)
class _Draft:
    """Nodes and tensors so far, and the name of the tensor that the next step works on."""

    graph: Graph
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    tensors: list[onnx.TensorProto] = field(default_factory=list)
    current: str = ""

    def node(self, operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=outputs[0], **attributes))

    def tensor(self, name: str, array: NDArray[Any]) -> str:
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name


def to_onnx(graph: Graph, metadata: Mapping[str, str]) -> bytes:
    """The file's bytes. They depend on the graph and the metadata only."""
    contract = graph.contract
    draft = _Draft(graph)
    for step in graph.steps:
        _add(draft, step)
    inputs = [
        helper.make_tensor_value_info(contract.user_input, TensorProto.INT64, [1]),
        helper.make_tensor_value_info(contract.seen_input, TensorProto.INT64, ["n_seen"]),
        helper.make_tensor_value_info(contract.k_input, TensorProto.INT64, [1]),
    ]
    outputs = [
        helper.make_tensor_value_info(contract.items_output, TensorProto.INT64, ["n_returned"]),
        helper.make_tensor_value_info(contract.scores_output, TensorProto.FLOAT, ["n_returned"]),
    ]
    model = helper.make_model(
        helper.make_graph(draft.nodes, "recommend", inputs, outputs, draft.tensors),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="recpress-edge",
    )
    for key in sorted(metadata):
        model.metadata_props.add(key=key, value=metadata[key])
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _add(draft: _Draft, step: Step) -> None:
    match step:
        case LookUp(table):
            draft.node(
                "Gather", [draft.tensor("user_emb", _stored(table)), draft.graph.contract.user_input], ["row"]
            )
            draft.current = "row"  # (1, D)
        case ScoreAll(table):
            _score_all(draft, table)
        case ExcludeSeen(value):
            _exclude_seen(draft, value)
        case SelectTop():
            _select_top(draft)
        case ScaleScores(scale):
            contract = draft.graph.contract
            draft.node("Cast", [draft.current], ["top_float"], to=TensorProto.FLOAT)
            draft.node("Gather", [draft.tensor("user_scale", scale), contract.user_input], ["scale"])
            draft.node("Mul", ["top_float", "scale"], [contract.scores_output])


def _stored(table: NDArray[Any]) -> NDArray[Any]:
    """int8 as uint8 around 128.

    With signed activations x86 has no fast kernel (6-18 times slower), and unsigned times signed
    saturates on AVX2 without VNNI. Unsigned times unsigned is exact and fast everywhere.
    """
    return (table.astype(np.int16) + ZERO_POINT).astype(np.uint8) if table.dtype == np.int8 else table


def _score_all(draft: _Draft, table: NDArray[Any]) -> None:
    # Stored (D, I): the runtime packs it once at load; (I, D) would be 3-6 times slower at batch 1.
    items = draft.tensor("item_emb", _stored(table).T)
    if table.dtype == np.int8:
        zero = draft.tensor("zero_point", np.array(ZERO_POINT, np.uint8))
        draft.node("MatMulInteger", [draft.current, items, zero, zero], ["product"])
    else:
        draft.node("MatMul", [draft.current, items], ["product"])
    draft.node("Reshape", ["product", draft.tensor("flat", np.array([-1], np.int64))], ["all_scores"])
    draft.current = "all_scores"  # (I,)


def _exclude_seen(draft: _Draft, value: float) -> None:
    integer = isinstance(value, int)
    lowest = np.array([value], np.int32 if integer else np.float32)
    seen = draft.graph.contract.seen_input
    draft.node("Shape", [seen], ["n_seen_items"])
    draft.node("ConstantOfShape", ["n_seen_items"], ["lowest"], value=numpy_helper.from_array(lowest))
    draft.node("ScatterElements", [draft.current, seen, "lowest"], ["unseen_scores"], axis=0)
    draft.current = "unseen_scores"


def _select_top(draft: _Draft) -> None:
    contract = draft.graph.contract
    scaled = any(isinstance(step, ScaleScores) for step in draft.graph.steps)
    values = "top_scores" if scaled else contract.scores_output
    # Top-k on the integers: cheaper than a cast of the whole catalogue, and exact.
    draft.node(
        "TopK",
        [draft.current, contract.k_input],
        [values, contract.items_output],
        axis=0,
        largest=1,
        sorted=1,
    )
    draft.current = values
