"""The tensors of a TFLite file, read without flatbuffers: a board may have numpy only.

A TFLite file is a flatbuffer (tensorflow/lite/schema/schema.fbs). What is needed of it is Model.subgraphs = 2
and .buffers = 4, SubGraph.tensors = 0, Tensor.shape = 0, .type = 1, .buffer = 2 and .name = 3, and
Buffer.data = 0. Every number is little-endian.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.wire import flatbuffer

_IDENTIFIER: Final = b"TFL3"
_SUBGRAPHS, _BUFFERS = 2, 4
_TENSORS = 0
_SHAPE, _TYPE, _BUFFER, _NAME = 0, 1, 2, 3
_DATA = 0
_INT4: Final = 17
# TensorType of what tables, scales and constants are stored as.
_TYPES: Final[Mapping[int, Any]] = {
    0: np.float32,
    1: np.float16,
    2: np.int32,
    3: np.uint8,
    4: np.int64,
    7: np.int16,
    9: np.int8,
    _INT4: np.uint8,
}


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """One tensor of the graph."""

    shape: tuple[int, ...]
    values: NDArray[Any] | None
    """None where the graph computes it. Values of four bits come as int8."""


def tflite_tensors(data: bytes) -> dict[str, Tensor]:
    """Tensors of the first subgraph by name; constants of other types come without their values.

    ValueError or struct.error where the bytes are not such a file.
    """
    if data[4:8] != _IDENTIFIER:
        raise ValueError(f"it does not start as a TFLite file does, with {_IDENTIFIER!r} after four bytes")
    model = flatbuffer.root(data)
    buffers, graph = list(model.tables(_BUFFERS)), next(model.tables(_SUBGRAPHS), None)
    if graph is None:
        raise ValueError("it has no graph")
    found = {}
    for tensor in graph.tables(_TENSORS):
        shape = tuple(tensor.numbers(_SHAPE, np.int32).tolist())
        stored = buffers[tensor.scalar(_BUFFER, "<I")].numbers(_DATA, np.uint8)
        found[tensor.text(_NAME)] = Tensor(shape, _values(tensor.scalar(_TYPE, "<b"), shape, stored))
    return found


def tflite_constants(data: bytes) -> dict[str, NDArray[Any]]:
    """The values in a file by name; raises as :func:`tflite_tensors`."""
    return {name: one.values for name, one in tflite_tensors(data).items() if one.values is not None}


def _values(kind: int, shape: tuple[int, ...], stored: NDArray[np.uint8]) -> NDArray[Any] | None:
    if not stored.size or kind not in _TYPES:
        return None
    values: NDArray[Any] = stored.view(_TYPES[kind])
    if kind == _INT4:  # two in a byte, the first in the low half
        halves = np.stack([values & 15, values >> 4], axis=1).ravel()[: int(np.prod(shape))].astype(np.int16)
        values = np.where(halves > 7, halves - 16, halves).astype(np.int8)
    return values.reshape(shape)
