"""The messages of an ONNX file as bytes, without the package onnx: a board writes its own new version.

Numbers of fields are those of onnx/onnx.proto. Fields are in their order, and repeated numbers one by one, as
protobuf writes them: the bytes are those that the package would write.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.wire.protobuf import encoded

FLOAT: Final = 1
UINT8: Final = 2
INT32: Final = 6
INT64: Final = 7
TYPES: Final[Mapping[Any, int]] = {
    np.dtype(np.float32): FLOAT,
    np.dtype(np.uint8): UINT8,
    np.dtype(np.int8): 3,
    np.dtype(np.uint16): 4,
    np.dtype(np.int16): 5,
    np.dtype(np.int32): INT32,
    np.dtype(np.int64): INT64,
    np.dtype(np.bool_): 9,
    np.dtype(np.float16): 10,
    np.dtype(np.float64): 11,
}
"""TensorProto.DataType."""
_INT, _TENSOR, _INTS, _STRING = 2, 4, 7, 3
"""AttributeProto.AttributeType."""
Attribute = int | str | Sequence[int] | bytes
"""A number, a text, numbers, or a tensor as :func:`tensor` makes it."""


def tensor(name: str, array: NDArray[Any]) -> bytes:
    """TensorProto of an array (1,) or larger; no name: the value of an attribute."""
    stored = np.ascontiguousarray(array)  # a number is a list of one
    values = stored.astype(stored.dtype.newbyteorder("<"), copy=False)
    return b"".join(
        [
            *(encoded(1, size) for size in stored.shape),
            encoded(2, TYPES[stored.dtype]),
            encoded(8, name.encode()) if name else b"",
            encoded(9, values.tobytes()),
        ]
    )


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Attribute) -> bytes:
    """NodeProto, named as its first output."""
    return b"".join(
        [
            *(encoded(1, name.encode()) for name in inputs),
            *(encoded(2, name.encode()) for name in outputs),
            encoded(3, outputs[0].encode()),
            encoded(4, operator.encode()),
            *(encoded(5, _attribute(name, value)) for name, value in sorted(attributes.items())),
        ]
    )


def _attribute(name: str, value: Attribute) -> bytes:
    stated = encoded(1, name.encode())
    if isinstance(value, int):
        return stated + encoded(3, value) + encoded(20, _INT)
    if isinstance(value, str):
        return stated + encoded(4, value.encode()) + encoded(20, _STRING)
    if isinstance(value, bytes):
        return stated + encoded(5, value) + encoded(20, _TENSOR)
    return stated + b"".join(encoded(8, number) for number in value) + encoded(20, _INTS)


def value_info(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    """ValueInfoProto of an input or output: its type, and sizes or their names."""
    sizes = [encoded(1, one) if isinstance(one, int) else encoded(2, one.encode()) for one in shape]
    dims = b"".join(encoded(1, size) for size in sizes)
    return encoded(1, name.encode()) + encoded(2, encoded(1, encoded(1, kind) + encoded(2, dims)))


def graph(
    name: str,
    nodes: Sequence[bytes],
    tensors: Sequence[bytes],
    inputs: Sequence[bytes],
    outputs: Sequence[bytes],
) -> bytes:
    """GraphProto."""
    parts = ((1, nodes), (2, [name.encode()]), (5, tensors), (11, inputs), (12, outputs))
    return b"".join(encoded(number, one) for number, messages in parts for one in messages)


def model(graph: bytes, *, ir_version: int, opset: int, metadata: Mapping[str, str]) -> bytes:
    """ModelProto; metadata in order of their keys."""
    entries = [encoded(1, key.encode()) + encoded(2, metadata[key].encode()) for key in sorted(metadata)]
    return b"".join(
        [
            encoded(1, ir_version),
            encoded(2, b"recpress-edge"),
            encoded(7, graph),
            encoded(8, encoded(1, b"") + encoded(2, opset)),
            *(encoded(14, entry) for entry in entries),
        ]
    )
