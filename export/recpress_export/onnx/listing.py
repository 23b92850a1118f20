"""What an ONNX file holds, read without the package onnx: a board lists a file before it changes it.

Numbers of fields are those of onnx/onnx.proto.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.wire.protobuf import Value, fields, message, varints
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.onnx_kernels import slow_products
from recpress_export.inspect import Contents, TensorFacts, count_operators
from recpress_export.onnx.messages import TYPES

_NAMES: Final = (
    *("undefined", "float", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool"),
    *("float16", "double", "uint32", "uint64", "complex64", "complex128", "bfloat16"),
    *("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz", "uint4", "int4", "float4e2m1"),
)
"""TensorProto.DataType, by number."""
_WIDTHS: Final = {number: np.dtype(kind).itemsize for kind, number in TYPES.items()}
_WIDTHS.update({8: 0, 12: 4, 13: 8, 14: 8, 15: 16, 16: 2})


def read_onnx(path: Path, data: bytes) -> Contents:
    """Initializers, nodes and metadata_props of an ONNX file; ArtifactError where it is none."""
    try:
        return _contents(path, memoryview(data))
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise ArtifactError(f"{path} is not a readable ONNX file: {error}") from None


def _contents(path: Path, data: memoryview) -> Contents:
    graphs = _messages(data, 7)
    version = _number(data, 1)
    nodes = [node for graph in graphs for node in _messages(graph, 1)]
    if not version or not nodes:  # almost any short text parses as an empty model
        raise ArtifactError(f"{path} is not an ONNX model: it has no graph")
    opsets = ", ".join(f"{_text(one, 1) or 'ai.onnx'} {_number(one, 2)}" for one in _messages(data, 8))
    return Contents(
        path.suffix.removeprefix("."),
        f"IR {version}, opset {opsets}",
        len(data),
        tuple(_tensor(tensor) for graph in graphs for tensor in _messages(graph, 5)),
        tuple(_value(value) for graph in graphs for value in _messages(graph, 11)),
        tuple(_value(value) for graph in graphs for value in _messages(graph, 12)),
        count_operators([_text(node, 4) for node in nodes]),
        {_text(entry, 1): _text(entry, 2) for entry in _messages(data, 14)},
        tuple(_slow(data)),
    )


def _slow(data: memoryview) -> list[str]:
    """The warnings; none of a file that this reads and the stricter reader does not."""
    try:
        return slow_products(data)
    except (ValueError, TypeError, IndexError):
        return []


def _tensor(tensor: memoryview) -> TensorFacts:
    shape = tuple(_numbers(tensor, 1))
    kind = _number(tensor, 2)
    n_bytes = sum(len(raw) for raw in _messages(tensor, 9)[-1:])
    if not n_bytes:  # values in typed fields, or in another file
        n_bytes = math.prod(shape) * _WIDTHS.get(kind, 0)
    return TensorFacts(_text(tensor, 8), _type_name(kind), shape, n_bytes)


def _value(value: memoryview) -> TensorFacts:
    kinds = [kind for type_ in _messages(value, 2) for kind in _messages(type_, 1)]
    shape: Sequence[Any] = [
        _text(size, 2) or _number(size, 1)
        for kind in kinds
        for dims in _messages(kind, 2)
        for size in _messages(dims, 1)
    ]
    return TensorFacts(_text(value, 1), _type_name(sum(_number(k, 1) for k in kinds[-1:])), tuple(shape), 0)


def _type_name(number: int) -> str:
    return _NAMES[number] if number < len(_NAMES) else f"type {number}"


def _values(data: memoryview, wanted: int) -> Iterator[Value]:
    return (value for number, value in fields(data) if number == wanted)


def _messages(data: memoryview, number: int) -> list[memoryview]:
    return [message(value) for value in _values(data, number)]


def _numbers(data: memoryview, number: int) -> Iterator[int]:
    """Repeated numbers, one by one or packed; of 64 bits with a sign."""
    for value in _values(data, number):
        for one in [value] if isinstance(value, int) else varints(value):
            yield one - 2**64 if one >= 2**63 else one


def _number(data: memoryview, number: int) -> int:
    """The last of a field's values, as protobuf reads it; 0 where there is none."""
    return next(iter(reversed(list(_numbers(data, number)))), 0)


def _text(data: memoryview, number: int) -> str:
    return next((str(one, "utf-8", "replace") for one in reversed(_messages(data, number))), "")
