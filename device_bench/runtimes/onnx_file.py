"""The constant tensors of an ONNX file, read without the onnx package: a board does not have it.

An ONNX file is one protobuf message (onnx/onnx.proto, protobuf.dev/programming-guides/encoding). What is
needed of it is ModelProto.graph = 7, GraphProto.initializer = 5 and, of each TensorProto, dims = 1,
data_type = 2, name = 8 and raw_data = 9.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_GRAPH = 7
_INITIALIZER = 5
_DIMS, _TYPE, _NAME, _RAW = 1, 2, 8, 9
# TensorProto.DataType of what tables, scales and constants are stored as.
_TYPES: Final[Mapping[int, Any]] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    6: np.int32,
    7: np.int64,
    10: np.float16,
}


def onnx_tensors(data: bytes) -> dict[str, NDArray[Any]]:
    """Initialisers by name; those of other types, or not stored as raw bytes, are left out.

    ValueError, TypeError or IndexError where the bytes are not such a message.
    """
    found = {}
    for number, graph in _fields(memoryview(data)):
        if number == _GRAPH:
            for inner, tensor in _fields(_message(graph)):
                if inner == _INITIALIZER:
                    found.update(_tensor(_message(tensor)))
    return found


def _tensor(message: memoryview) -> dict[str, NDArray[Any]]:
    shape: list[int] = []
    name, kind, raw = "", 0, None
    for number, value in _fields(message):
        if number == _DIMS and isinstance(value, int):
            shape.append(value)
        elif number == _DIMS:  # the same, packed
            shape.extend(_varints(_message(value)))
        elif number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _NAME:
            name = str(_message(value), "utf-8")
        elif number == _RAW:
            raw = _message(value)
    if raw is None or kind not in _TYPES:
        return {}
    return {name: np.frombuffer(raw, _TYPES[kind]).reshape(shape)}


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise TypeError("a number where a message should be")
    return value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Field numbers and values: a number of wire type 0, bytes of any other."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        match key & 7:
            case 0:
                value, at = _varint(message, at)
                yield key >> 3, value
                continue
            case 1:
                size = 8
            case 2:
                size, at = _varint(message, at)
            case 5:
                size = 4
            case kind:
                raise ValueError(f"wire type {kind}")
        if at + size > len(message):
            raise ValueError("a field is longer than its message")
        yield key >> 3, message[at : at + size]
        at += size


def _varints(packed: memoryview) -> Iterator[int]:
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where the next thing starts."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
