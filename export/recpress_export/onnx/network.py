"""A traced network inside our own ONNX file: its nodes between our inputs and our exclusion and top-K."""

import math
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from recpress_export.networks.table_bytes import LARGE, in_bytes
from recpress_export.onnx.draft import OnnxDraft

NETWORK_INPUT: Final = "network_input"
NETWORK_OUTPUT: Final = "network_scores"
NETWORK_OPSET: Final = 18
"""The lowest that torch's exporter writes; LayerNormalization needs 17."""
NETWORK_IR_VERSION: Final = 10
TRACED: Final = {"opset": NETWORK_OPSET, "ir_version": NETWORK_IR_VERSION}
_LAST: Final = int(np.iinfo(np.int64).max)


def add_tokens(draft: OnnxDraft, seen: str, start_token: int, length: int) -> None:
    """Nodes from ``seen`` (n,) to tokens (1, m): the start token and the last ``length`` − 1 items."""
    first, last, axis = (
        draft.tensor(name, np.array([value], np.int64))
        for name, value in (("first_read", 1 - length), ("last_read", _LAST), ("token_axis", 0))
    )
    draft.node("Slice", [seen, first, last, axis], ["read"])
    start = draft.tensor("start_token", np.array([start_token], np.int64))
    draft.node("Concat", [start, "read"], ["token_list"], axis=0)
    draft.node("Unsqueeze", ["token_list", axis], ["tokens"])
    draft.current = "tokens"


def tables_in_bytes(network: bytes) -> bytes:
    """The model with its large float32 tables in uint8, widened by nodes of constants.

    onnxruntime computes these once, when it loads the file: they save bytes of the file, not memory.
    """
    model = onnx.load_from_string(network)
    graph, nodes = model.graph, []
    tables = [
        tensor
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2 and math.prod(tensor.dims) >= LARGE
    ]
    for tensor in tables:
        name = tensor.name
        levels, scale, zero = in_bytes(numpy_helper.to_array(tensor))
        graph.initializer.remove(tensor)
        for part, array in (("levels", levels), ("scale", scale), ("zero", zero)):
            graph.initializer.append(numpy_helper.from_array(np.asarray(array), f"{name}_{part}"))
        for part in ("levels", "zero"):
            cast = helper.make_node("Cast", [f"{name}_{part}"], [f"{name}_wide_{part}"], to=TensorProto.FLOAT)
            nodes.append(cast)
        nodes.append(helper.make_node("Sub", [f"{name}_wide_levels", f"{name}_wide_zero"], [f"{name}_steps"]))
        nodes.append(helper.make_node("Mul", [f"{name}_steps", f"{name}_scale"], [name]))
    computed = [*nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(computed)
    return bytes(model.SerializeToString())


def opset_of(network: bytes) -> int:
    """The operator set of a network's nodes."""
    opsets = onnx.load_model_from_string(network).opset_import
    return next(int(entry.version) for entry in opsets if entry.domain in ("", "ai.onnx"))


def add_network(draft: OnnxDraft, network: bytes, network_input: str) -> None:
    """The nodes of a model with one input and one output; ``network_input`` feeds it, its scores are next.

    Only what computes is taken over: traced nodes carry the paths and lines that they were traced from.
    """
    model = onnx.load_from_string(network)
    graph = model.graph

    def name(inner: str) -> str:
        if inner == NETWORK_INPUT:
            return network_input
        return f"network/{inner}" if inner else ""  # an empty name is an optional input that is not given

    for tensor in graph.initializer:
        copied = onnx.TensorProto()
        copied.CopyFrom(tensor)
        copied.name, copied.doc_string = name(tensor.name), ""
        del copied.metadata_props[:]
        draft.tensors.append(copied.SerializeToString(deterministic=True))
    for number, node in enumerate(graph.node):
        made = onnx.NodeProto(op_type=node.op_type, domain=node.domain, name=f"network/{number}")
        made.input.extend(map(name, node.input))
        made.output.extend(map(name, node.output))
        made.attribute.extend(node.attribute)
        draft.nodes.append(made.SerializeToString(deterministic=True))
    draft.current = name(NETWORK_OUTPUT)
