"""What a traced network needs in our own TFLite file: tokens at a fixed shape, tables in bytes."""

import math
from typing import Any, Final

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from recpress_export.networks.table_bytes import LARGE, in_bytes
from recpress_export.tflite.flatbuffer import FlatModel, stored_bytes

_BY_COLUMN: Final = 5
"""Version of DEQUANTIZE with a scale for each place of one axis."""
_SIGN: Final = 128
"""What lies between int8, as TFLite stores it, and uint8."""


def add_tokens(model: FlatModel, seen: int, n_items: int, length: int) -> int:
    """Operators from ``seen``, with n_items in unused places, to tokens (1, length): see graph.ReadTokens."""
    items = length - 1

    def op(name: str, inputs: list[int], shape: list[int], dtype: Any = np.int32, **options: Any) -> int:
        output = model.tensor(
            f"tokens_{name.lower()}_{len(inputs)}", shape, dtype, any_length=options.pop("any", None)
        )
        model.operator(name, inputs, [output], **options)
        return output

    # The item before the first unused place is the last one consumed.
    n_unused = model.constant("no_item", np.array(n_items, np.int32))
    used = op(
        "CAST", [op("LESS", [seen, n_unused], [1], np.bool_, any=0)], [1], any=0, inDataType=6, outDataType=2
    )
    axis = model.constant("seen_axis", np.array([0], np.int32))
    count = op("SUM", [used, axis], [1], keepDims=True)
    excess = op("SUB", [count, model.constant("readable", np.array([items], np.int32))], [1])
    start = op("MAXIMUM", [excess, model.constant("none", np.array([0], np.int32))], [1])
    places = op("ADD", [start, model.constant("places_read", np.arange(items, dtype=np.int32))], [items])
    filler = model.constant("no_items", np.full(items, n_items, np.int32))
    padded = op("CONCATENATION", [seen, filler], [items + 1], any=0, axis=0)
    read = op("GATHER", [padded, places], [items])
    first = model.constant("start_token", np.array([n_items], np.int32))
    tokens = op("CONCATENATION", [first, read], [length], axis=0)
    return op(
        "RESHAPE",
        [tokens, model.constant("token_shape", np.array([1, length], np.int32))],
        [1, length],
        newShape=[1, length],
    )


def tables_in_bytes(network: bytes) -> bytes:
    """The model with its large float32 tables in int8, each widened by an operator.

    The kernels of a constant run once: they save bytes of the file, not memory.
    """
    model = schema.ModelT.InitFromPackedBuf(network, 0)
    for buffer in model.buffers:
        buffer.data = np.frombuffer(stored_bytes(buffer, network), np.uint8)
        buffer.offset = buffer.size = 0
    (graph,) = model.subgraphs
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = _BY_COLUMN
    model.operatorCodes.append(code)
    widening = []
    for number, tensor in enumerate(list(graph.tensors)):
        if _is_large_table(tensor, model.buffers):
            graph.tensors.append(_stored_in_bytes(tensor, model.buffers))
            operator = schema.OperatorT()
            operator.opcodeIndex = len(model.operatorCodes) - 1
            operator.inputs, operator.outputs = [len(graph.tensors) - 1], [number]
            widening.append(operator)
    graph.operators = widening + graph.operators
    builder = flatbuffers.Builder(len(network))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _is_large_table(tensor: Any, buffers: list[Any]) -> bool:
    table = tensor.type == schema.TensorType.FLOAT32 and tensor.shape is not None and len(tensor.shape) == 2
    return table and math.prod(tensor.shape) >= LARGE and len(buffers[tensor.buffer].data) > 0


def _stored_in_bytes(table: Any, buffers: list[Any]) -> Any:
    """A tensor of the bytes; ``table`` itself becomes one that is computed."""
    values = buffers[table.buffer].data.view(np.float32).reshape(table.shape)
    levels, scale, zero = in_bytes(values)
    stored = schema.TensorT()
    stored.name, stored.shape, stored.hasRank, stored.type = (
        table.name,
        table.shape,
        True,
        schema.TensorType.INT8,
    )
    stored.quantization = schema.QuantizationParametersT()
    stored.quantization.scale = scale
    stored.quantization.zeroPoint = zero.astype(np.int64) - _SIGN
    stored.quantization.quantizedDimension = 1
    stored.buffer, table.buffer = table.buffer, 0
    buffers[stored.buffer].data = (levels.astype(np.int16) - _SIGN).astype(np.int8).view(np.uint8).ravel()
    return stored
