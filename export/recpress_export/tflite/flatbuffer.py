"""A TFLite model as bytes: tensors and operators in the order they are added, the same bytes every time."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

SCHEMA_VERSION: Final = 3
ALIGNMENT: Final = 16
"""Of every tensor's data in the file, so that kernels may load it in whole vectors where it is mapped."""

_TYPES: Final = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.float16): schema.TensorType.FLOAT16,
    np.dtype(np.int32): schema.TensorType.INT32,
    np.dtype(np.int8): schema.TensorType.INT8,
    np.dtype(np.int16): schema.TensorType.INT16,
    np.dtype(np.bool_): schema.TensorType.BOOL,
}
# Operator -> its table of options; the others have none.
_OPTIONS: Final = {
    "ABS": "AbsOptions",
    "ADD": "AddOptions",
    "CAST": "CastOptions",
    "CONCATENATION": "ConcatenationOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "DIV": "DivOptions",
    "EXPAND_DIMS": "ExpandDimsOptions",
    "FILL": "FillOptions",
    "FLOOR_DIV": "FloorDivOptions",
    "FLOOR_MOD": "FloorModOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "GATHER": "GatherOptions",
    "GREATER_EQUAL": "GreaterEqualOptions",
    "LESS": "LessOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MUL": "MulOptions",
    "NEG": "NegOptions",
    "REDUCE_MAX": "ReducerOptions",
    "RESHAPE": "ReshapeOptions",
    "SCATTER_ND": "ScatterNdOptions",
    "SEGMENT_SUM": "SegmentSumOptions",
    "SHAPE": "ShapeOptions",
    "SUB": "SubOptions",
    "SUM": "ReducerOptions",
    "TOPK_V2": "TopKV2Options",
    "TRANSPOSE": "TransposeOptions",
}


class _Buffer(schema.BufferT):  # type: ignore[misc]
    """Bytes that start at a multiple of ALIGNMENT; the generated class would not see to it."""

    def Pack(self, builder: Any) -> Any:
        if self.data is None:
            return super().Pack(builder)
        builder.Prep(ALIGNMENT, len(self.data))
        data = builder.CreateByteVector(self.data)
        schema.BufferStart(builder)
        schema.BufferAddData(builder, data)
        return schema.BufferEnd(builder)


class FlatModel:
    """One subgraph. Tensors are known by their number."""

    def __init__(self) -> None:
        self._graph = schema.SubGraphT()
        self._graph.name = "main"
        self._graph.tensors, self._graph.operators = [], []
        self._buffers = [_Buffer()]  # by convention the first is empty: a tensor that is computed has it
        self._codes: list[Any] = []
        self._code_index: dict[tuple[str, int], int] = {}

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: Any,
        *,
        any_length: int | None = None,
        scale: float | None = None,
    ) -> int:
        """A computed tensor or an input. ``any_length``: the axis whose length is known at run time only."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.hasRank = name, [int(length) for length in shape], True
        tensor.type = _TYPES[np.dtype(dtype)]
        if any_length is not None:
            tensor.shapeSignature = [-1 if n == any_length else length for n, length in enumerate(shape)]
        if scale is not None:
            quantization = schema.QuantizationParametersT()
            quantization.scale, quantization.zeroPoint = [scale], [0]
            tensor.quantization = quantization
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1

    def constant(self, name: str, array: NDArray[Any], *, scale: float | None = None) -> int:
        """A tensor whose data is in the file."""
        number = self.tensor(name, array.shape, array.dtype, scale=scale)
        self._graph.tensors[number].buffer = self._buffer(np.ascontiguousarray(array).tobytes())
        return number

    def constant_int4(self, name: str, levels: NDArray[np.int8]) -> int:
        """The same for whole numbers of -8..7, two in a byte: the first in the low half."""
        flat = levels.astype(np.uint8).ravel() & 15
        flat = np.append(flat, np.zeros(flat.size % 2, np.uint8))
        number = self.tensor(name, levels.shape, np.int8, scale=1.0)
        tensor = self._graph.tensors[number]
        tensor.type = schema.TensorType.INT4
        tensor.buffer = self._buffer((flat[::2] | flat[1::2] << 4).tobytes())
        return number

    def operator(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], *, version: int = 1, **options: Any
    ) -> None:
        """A built-in operator; ``options`` are fields of its table of options."""
        key = (name, version)
        if key not in self._code_index:
            code = schema.OperatorCodeT()
            code.builtinCode = getattr(schema.BuiltinOperator, name)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)  # what readers before 2020 look at
            code.version = version
            self._code_index[key] = len(self._codes)
            self._codes.append(code)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = self._code_index[key], list(inputs), list(outputs)
        if name in _OPTIONS:
            table = getattr(schema, f"{_OPTIONS[name]}T")()
            for field, value in options.items():
                assert hasattr(table, field), f"{name} has no option {field}"
                setattr(table, field, value)
            made.builtinOptions = table
            made.builtinOptionsType = getattr(schema.BuiltinOptions, _OPTIONS[name])
        self._graph.operators.append(made)

    def add_model(self, data: bytes, given: int) -> int:
        """Another model's tensors and operators, its one input being tensor ``given``. Returns its output."""
        model = schema.ModelT.InitFromPackedBuf(data, 0)
        (graph,) = model.subgraphs
        (source,), (result,) = graph.inputs, graph.outputs
        numbers = {source: given, -1: -1}  # -1: an optional input that is not given
        for number, tensor in enumerate(graph.tensors):
            if number == source:
                continue
            stored = stored_bytes(model.buffers[tensor.buffer], data)
            tensor.name = f"network/{number}"
            tensor.buffer = self._buffer(stored) if stored else 0
            self._graph.tensors.append(tensor)
            numbers[number] = len(self._graph.tensors) - 1
        codes = {}
        for number, code in enumerate(model.operatorCodes):
            codes[number] = len(self._codes)
            self._codes.append(code)
        for operator in graph.operators:
            operator.opcodeIndex = codes[operator.opcodeIndex]
            operator.inputs = [numbers[number] for number in operator.inputs]
            operator.outputs = [numbers[number] for number in operator.outputs]
            self._graph.operators.append(operator)
        return numbers[result]

    def to_bytes(
        self, inputs: Mapping[str, int], outputs: Mapping[str, int], metadata: Mapping[str, str]
    ) -> bytes:
        """The file. Metadata keys are entries of the file's metadata, each with its text as a buffer."""
        self._graph.inputs, self._graph.outputs = list(inputs.values()), list(outputs.values())
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = "serving_default", 0
        signature.inputs = [_named(name, number) for name, number in inputs.items()]
        signature.outputs = [_named(name, number) for name, number in outputs.items()]
        model = schema.ModelT()
        model.version, model.description = SCHEMA_VERSION, "recpress-edge"
        model.operatorCodes, model.subgraphs = self._codes, [self._graph]
        model.signatureDefs = [signature]
        model.metadata = [self._metadata(key, metadata[key]) for key in sorted(metadata)]
        model.buffers = self._buffers
        builder = flatbuffers.Builder(sum(len(b.data or b"") for b in self._buffers) + 2**16)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _buffer(self, data: bytes) -> int:
        buffer = _Buffer()
        buffer.data = data
        self._buffers.append(buffer)
        return len(self._buffers) - 1

    def _metadata(self, key: str, value: str) -> Any:
        entry = schema.MetadataT()
        entry.name, entry.buffer = key, self._buffer(value.encode())
        return entry


def stored_bytes(buffer: Any, file: bytes) -> bytes:
    """A buffer's bytes. ai-edge-quantizer puts large ones behind the flatbuffer, once they are 256 KiB."""
    if buffer.offset > 1:  # 0: within; 1: within, to be moved by whoever writes the file
        return file[buffer.offset : buffer.offset + buffer.size]
    return b"" if buffer.data is None else bytes(buffer.data)


def _named(name: str, number: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name, number
    return entry
