"""The constant tensors of an ONNX file, read without the onnx package: a board does not have it.

An ONNX file is one protobuf message (onnx/onnx.proto). What is needed of it is ModelProto.graph = 7,
GraphProto.initializer = 5 and, of each TensorProto, dims = 1, data_type = 2, name = 8 and raw_data = 9.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.wire.protobuf import fields, message, varints

_GRAPH = 7
_INITIALIZER = 5
_DIMS, _TYPE, _NAME, _RAW = 1, 2, 8, 9
# TensorProto.DataType of what tables, scales and constants are stored as.
_TYPES: Final[Mapping[int, Any]] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    10: np.float16,
}


def onnx_tensors(data: bytes) -> dict[str, NDArray[Any]]:
    """Initialisers by name; those of other types, or not stored as raw bytes, are left out.

    ValueError, TypeError or IndexError where the bytes are not such a message.
    """
    found = {}
    for number, graph in fields(memoryview(data)):
        if number == _GRAPH:
            for inner, tensor in fields(message(graph)):
                if inner == _INITIALIZER:
                    found.update(_tensor(message(tensor)))
    return found


def _tensor(stored: memoryview) -> dict[str, NDArray[Any]]:
    shape: list[int] = []
    name, kind, raw = "", 0, None
    for number, value in fields(stored):
        if number == _DIMS and isinstance(value, int):
            shape.append(value)
        elif number == _DIMS:  # the same, packed
            shape.extend(varints(message(value)))
        elif number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _NAME:
            name = str(message(value), "utf-8")
        elif number == _RAW:
            raw = message(value)
    if raw is None or kind not in _TYPES:
        return {}
    return {name: np.frombuffer(raw, _TYPES[kind]).reshape(shape)}
