"""Integer products of an ONNX file for which onnxruntime has no fast kernel on some Arm cores.

A signed row times an unsigned table has none on cores without dot products: onnxruntime 1.32 executes
5,438 thousand instructions a query on a Cortex-A53, and 639 thousand where both are unsigned (25,181 items,
dim 10). The onnx package is not needed. Of onnx/onnx.proto: ModelProto.graph = 7; GraphProto.node = 1,
.initializer = 5, .input = 11; NodeProto.input = 1, .output = 2, .op_type = 4, .attribute = 5;
AttributeProto.name = 1, .i = 3; TensorProto.data_type = 2, .name = 8; ValueInfoProto.name = 1, .type = 2, in
which tensor_type = 1 and its elem_type = 1.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from recpress_edge.artifacts.wire.protobuf import Value, fields, message

_UINT8, _INT8 = 2, 3
_TABLE_INPUT: Final[Mapping[str, int]] = {"MatMulInteger": 1, "QLinearMatMul": 3}
"""By product: which input is the table; the first is the row."""
_KEEPS_TYPE: Final = frozenset(
    ("Abs", "Add", "BitShift", "Clip", "Concat", "Div", "Expand", "Flatten", "Gather", "GatherElements",
     "GatherND", "Identity", "Max", "Min", "Mod", "Mul", "Pad", "Reshape", "Sign", "Slice", "Split",
     "Squeeze", "Sub", "Tile", "Transpose", "Unsqueeze")
)  # fmt: skip
"""Operators whose outputs are of their first input's type."""


@dataclass(slots=True)
class _Node:
    operator: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    """Attributes that are whole numbers."""


def slow_products(data: memoryview) -> list[str]:
    """A warning for each product of a signed row and an unsigned table, as far as types can be told.

    ValueError, TypeError or IndexError where the bytes are not such a file.
    """
    types: dict[str, int] = {}
    warnings = []
    for node in _nodes(data, types):
        at = _TABLE_INPUT.get(node.operator, 0)
        if 0 < at < len(node.inputs):
            row, table = node.inputs[0], node.inputs[at]
            if (types.get(row), types.get(table)) == (_INT8, _UINT8):
                warnings.append(
                    f"{node.operator} {row} × {table}: a signed row and an unsigned table take 8.5 times the "
                    "instructions on Arm cores without dot products (Cortex-A53, A72). Make both unsigned."
                )
        kind = _output_type(node, types)
        if kind is not None:
            types.update(dict.fromkeys(node.outputs, kind))
    return warnings


def _output_type(node: _Node, types: Mapping[str, int]) -> int | None:
    """None where it is not known, or does not matter."""
    if node.operator == "Cast":
        return node.numbers.get("to")
    if node.operator == "QuantizeLinear":
        return types.get(node.inputs[2]) if len(node.inputs) > 2 else _UINT8
    if node.operator == "DynamicQuantizeLinear":
        return _UINT8
    return types.get(node.inputs[0]) if node.operator in _KEEPS_TYPE and node.inputs else None


def _nodes(model: memoryview, types: dict[str, int]) -> Iterator[_Node]:
    """The nodes in order; the types of constants and inputs are put into ``types`` before the first."""
    for graph in (message(value) for number, value in fields(model) if number == 7):
        for number, value in fields(graph):
            if number == 5:
                tensor = dict(fields(message(value)))
                types[_text(tensor.get(8))] = _number(tensor.get(2))
            elif number == 11:
                types.update(_input(message(value)))
        yield from (_node(message(value)) for number, value in fields(graph) if number == 1)


def _input(stated: memoryview) -> dict[str, int]:
    found = dict(fields(stated))
    kind = found.get(2)
    tensor = dict(fields(message(kind))).get(1) if kind is not None else None
    return {_text(found.get(1)): _number(dict(fields(message(tensor))).get(1))} if tensor is not None else {}


def _node(stored: memoryview) -> _Node:
    node = _Node()
    for number, value in fields(stored):
        if number == 1:
            node.inputs.append(_text(value))
        elif number == 2:
            node.outputs.append(_text(value))
        elif number == 4:
            node.operator = _text(value)
        elif number == 5:
            attribute = dict(fields(message(value)))
            node.numbers[_text(attribute.get(1))] = _number(attribute.get(3))
    return node


def _text(value: Value | None) -> str:
    return "" if value is None else bytes(message(value)).decode(errors="replace")


def _number(value: Value | None) -> int:
    return value if isinstance(value, int) else 0
