"""What a TFLite file may be; field numbers are those of tensorflow/lite/schema/schema.fbs."""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from recpress_edge.artifacts.model_file import FileParts, RefusedFileError, other_operator
from recpress_edge.artifacts.wire import flatbuffer
from recpress_edge.artifacts.wire.operators import TFLITE

_MOST_AXES: Final = 16
_MOST_SHARED: Final = 4
"""Bytes of all tensors over the file's: several may share a buffer, but not to make much out of little."""
_IDENTIFIER: Final = b"TFL3"
_CODES, _SUBGRAPHS, _BUFFERS, _EXTERNAL_GROUPS, _EXTERNAL = 1, 2, 4, 8, 9  # of Model
_OLD_CODE, _CUSTOM_CODE, _CODE = 0, 1, 3  # of OperatorCode
_TENSORS, _INPUTS, _OUTPUTS, _OPERATORS = 0, 1, 2, 3  # of SubGraph
_SHAPE, _TYPE, _BUFFER, _SPARSITY, _TENSOR_EXTERNAL = 0, 1, 2, 6, 10  # of Tensor
_DATA, _OFFSET, _SIZE = 0, 1, 2  # of Buffer
_OPCODE, _OP_INPUTS, _OP_OUTPUTS, _LARGE_OPTIONS = 0, 1, 2, 9  # of Operator
_FOREIGN_CODES: Final[Mapping[int, str]] = {32: "CUSTOM", 51: "DELEGATE", 173: "STABLEHLO_CUSTOM_CALL"}
# TensorType -> bits
_BITS: Final[Mapping[int, int]] = {0: 32, 1: 16, 2: 32, 3: 8, 4: 64, 6: 8, 7: 16, 9: 8, 10: 64, 17: 4}


def check_tflite(data: memoryview) -> None:
    if bytes(data[4:8]) != _IDENTIFIER:
        raise ValueError(f"it does not start as a TFLite file does, with {_IDENTIFIER!r} after four bytes")
    model = flatbuffer.root(data)
    if model.count(_EXTERNAL_GROUPS) or model.count(_EXTERNAL):
        raise RefusedFileError("tensors' values are in another file (external buffers)")
    parts = FileParts()
    for field in (_CODES, _SUBGRAPHS, _BUFFERS):
        parts.add(model.count(field))
    for code in model.tables(_CODES):
        _check_operator_code(code)
    sizes = [_buffer_bytes(buffer) for buffer in model.tables(_BUFFERS)]
    if not model.count(_SUBGRAPHS):
        raise ValueError("it has no graph")
    stored = 0
    for graph in model.tables(_SUBGRAPHS):
        parts.add(graph.count(_TENSORS) + graph.count(_OPERATORS))
        stored += sum(_tensor_bytes(tensor, sizes) for tensor in graph.tables(_TENSORS))
        _check_wiring(graph, model.count(_CODES), parts)
    if stored > _MOST_SHARED * len(data) + 2**20:
        raise RefusedFileError(f"its tensors take {stored:,} bytes out of a file of {len(data):,}")


def _check_operator_code(code: flatbuffer.Table) -> None:
    number = max(code.scalar(_OLD_CODE, "<b"), code.scalar(_CODE, "<i"))
    if number in _FOREIGN_CODES or code.count(_CUSTOM_CODE):
        name = code.text(_CUSTOM_CODE)[:64] if code.count(_CUSTOM_CODE) else _FOREIGN_CODES[number]
        raise RefusedFileError(
            f"it needs an operator of its own, {name!r}; only TFLite's built-in ones are run"
        )
    if number not in TFLITE:
        raise other_operator(f"builtin {number}")


def _buffer_bytes(buffer: flatbuffer.Table) -> int:
    if buffer.scalar(_OFFSET, "<Q") > 1 or buffer.scalar(_SIZE, "<Q") > 1:  # 0 and 1 say: not used
        raise RefusedFileError("a tensor's values lie outside the flatbuffer")
    return int(buffer.numbers(_DATA, np.uint8).size)


def _check_wiring(graph: flatbuffer.Table, n_codes: int, parts: FileParts) -> None:
    """Every operator and every tensor that the graph's parts speak of must be there."""
    n_tensors = graph.count(_TENSORS)
    for field in (_INPUTS, _OUTPUTS):
        parts.add(graph.count(field))
        _check_indices(graph.numbers(field, np.int32), 0, n_tensors)
    for operator in graph.tables(_OPERATORS):
        if operator.scalar(_OPCODE, "<I") >= n_codes:
            raise ValueError("an operator has a code that the file does not list")
        if operator.scalar(_LARGE_OPTIONS, "<Q"):
            raise RefusedFileError("an operator's options lie outside the flatbuffer")
        for field, least in ((_OP_INPUTS, -1), (_OP_OUTPUTS, 0)):  # -1: left out
            parts.add(operator.count(field))
            _check_indices(operator.numbers(field, np.int32), least, n_tensors)


def _tensor_bytes(tensor: flatbuffer.Table, sizes: list[int]) -> int:
    """Of its values in the file; ValueError where they do not fit its shape."""
    if tensor.scalar(_TENSOR_EXTERNAL, "<I"):
        raise RefusedFileError("a tensor's values are in another file (external buffers)")
    number = tensor.scalar(_BUFFER, "<I")
    if number >= len(sizes):
        raise ValueError(f"a tensor is in buffer {number} of {len(sizes)}")
    if tensor.count(_SHAPE) > _MOST_AXES:
        raise ValueError(f"a tensor has {tensor.count(_SHAPE)} axes")
    shape: list[int] = tensor.numbers(_SHAPE, np.int32).tolist()
    if min(shape, default=0) < 0:
        raise ValueError(f"a tensor has the shape {shape}")
    bits, stored = _BITS.get(tensor.scalar(_TYPE, "<b")), sizes[number]
    if stored and bits and not tensor.has(_SPARSITY) and -(-math.prod(shape) * bits // 8) != stored:
        raise ValueError(f"a tensor of shape {shape} has {stored} bytes")
    return stored


def _check_indices(indices: np.typing.NDArray[np.int32], least: int, count: int) -> None:
    if indices.size and not least <= int(indices.min()) <= int(indices.max()) < count:
        raise ValueError(f"tensor {int(indices.max())} of {count}")
