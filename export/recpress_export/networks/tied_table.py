"""A table that a network looks up and multiplies with is stored once, as the constant factor of the product.

Looked up by row (Gather) and multiplied transposed, a quantiser would keep it twice, or leave the product in
float32. Stored (d, V) it is looked up by column and multiplied as it is.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

_TURNED: Final = "turned/"


def store_once(nodes: Sequence[onnx.NodeProto], graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes with every such table turned; ``graph`` holds the tables, and is changed with them."""
    tables = {
        tensor.name: tensor
        for tensor in graph.initializer
        if len(tensor.dims) == 2 and _looked_up_and_multiplied(tensor.name, nodes)
    }
    if not tables:
        return list(nodes)
    made: list[onnx.NodeProto] = []
    same: dict[str, str] = {}
    for node in nodes:
        table = next((name for name in node.input if name in tables), None)
        if table is None:
            made.append(node)
        elif node.op_type == "Gather":
            made += _column_look_up(node, table, tables[table].dims[1], graph)
        elif node.op_type == "Gemm":
            turned = onnx.NodeProto()
            turned.CopyFrom(node)
            del turned.attribute[:]
            turned.attribute.extend(part for part in node.attribute if part.name != "transB")
            made.append(turned)
        else:  # its transpose is what is stored now
            same[node.output[0]] = table
    for node in made:
        for place, name in enumerate(node.input):
            node.input[place] = same.get(name, name)
    for tensor in tables.values():
        tensor.CopyFrom(
            numpy_helper.from_array(np.ascontiguousarray(numpy_helper.to_array(tensor).T), tensor.name)
        )
    return made


def _looked_up_and_multiplied(name: str, nodes: Sequence[onnx.NodeProto]) -> bool:
    """Whether it is used by row and as the right factor's transpose, and by nothing else."""
    used = [node for node in nodes if name in node.input]
    kinds = {_use(name, node) for node in used}
    return kinds == {"row", "factor"}


def _use(name: str, node: onnx.NodeProto) -> str:
    attributes = {part.name: helper.get_attribute_value(part) for part in node.attribute}
    if node.op_type == "Gather" and node.input[0] == name and attributes.get("axis", 0) == 0:
        return "row"
    if node.op_type == "Transpose" and attributes.get("perm", [1, 0]) == [1, 0]:
        return "factor"
    if node.op_type == "Gemm" and node.input[1] == name and attributes.get("transB", 0) == 1:
        return "factor" if list(node.input).count(name) == 1 else "other"
    return "other"


def _column_look_up(
    node: onnx.NodeProto, table: str, dim: int, graph: onnx.GraphProto
) -> list[onnx.NodeProto]:
    """Rows of indices of any shape, from a table that is stored by column."""
    name, indices, out = f"{_TURNED}{node.output[0]}", node.input[1], node.output[0]
    for constant, value in ((f"{name}/flat", [-1]), (f"{name}/dim", [dim])):
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), constant))
    return [
        helper.make_node("Reshape", [indices, f"{name}/flat"], [f"{name}/list"]),
        helper.make_node("Gather", [table, f"{name}/list"], [f"{name}/columns"], axis=1),
        helper.make_node("Transpose", [f"{name}/columns"], [f"{name}/rows"], perm=[1, 0]),
        helper.make_node("Shape", [indices], [f"{name}/shape"]),
        helper.make_node("Concat", [f"{name}/shape", f"{name}/dim"], [f"{name}/wanted"], axis=0),
        helper.make_node("Reshape", [f"{name}/rows", f"{name}/wanted"], [out]),
    ]
