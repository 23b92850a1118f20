"""What a model file holds, read without running it: tensors, operators, metadata."""

import json
import math
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.bundle import MAX_FILE_BYTES
from recpress_edge.artifacts.formats import FORMATS, format_of_file, model_file
from recpress_edge.core.errors import ArtifactError, MissingExtraError
from recpress_edge.core.install import install_command
from recpress_edge.core.registry import named
from recpress_edge.device.onnx_kernels import slow_products

MAX_HEADER_BYTES: Final = 2**26
# A damaged flatbuffer can claim any count; ours have some dozens.
MAX_ENTRIES: Final = 1_000_000
NEED_TFLITE: Final = (
    f"reading .tflite files needs ai-edge-litert. Run in the checkout: {install_command('tflite')}"
)

_WEIGHTS: Final = "safetensors"
_LISTING: Final = "recpress_export.inspect:read_safetensors"
_SAFETENSORS_BYTES: Final = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2"), 1),
}


@dataclass(frozen=True, slots=True)
class TensorFacts:
    """One stored tensor, or one input or output; ``n_bytes`` is 0 for those."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Contents:
    """A model file's parts. ``operators`` counts each kind, most frequent first."""

    format: str
    version: str
    file_bytes: int
    tensors: tuple[TensorFacts, ...]
    inputs: tuple[TensorFacts, ...] = ()
    outputs: tuple[TensorFacts, ...] = ()
    operators: tuple[tuple[str, int], ...] = ()
    metadata: Mapping[str, str] | None = None
    warnings: tuple[str, ...] = ()
    """What makes the file slow on some cores."""


def read_contents(path: Path) -> Contents:
    """The contents of a .onnx, .tflite or .safetensors file; ArtifactError when it is damaged."""
    row = format_of_file(path.name)
    if row is None and path.suffix != f".{_WEIGHTS}":
        suffixes = {Path(model_file(name)).suffix for name in FORMATS} | {f".{_WEIGHTS}"}
        known = ", ".join(sorted(suffixes))
        raise ArtifactError(
            f"{path} is not a file that can be inspected. Known: a bundle's or a model's folder, "
            f"{known} files, and bench records (.json)."
        )
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ArtifactError(f"{path} has {size} bytes, more than {MAX_FILE_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror or error}") from None
    contents: Contents = named(row.listing if row else _LISTING)(path, data)
    return contents


def _count(names: list[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(names).items(), key=lambda entry: (-entry[1], entry[0])))


def read_onnx(path: Path, data: bytes) -> Contents:
    """Initializers, nodes and metadata_props of an ONNX file."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise ArtifactError(f"{path} is not a readable ONNX file: {error}") from None
    if not model.ir_version or not model.graph.node:  # almost any short text parses as an empty model
        raise ArtifactError(f"{path} is not an ONNX model: it has no graph")
    opsets = ", ".join(f"{_text(entry.domain) or 'ai.onnx'} {entry.version}" for entry in model.opset_import)
    return Contents(
        "onnx",
        f"IR {model.ir_version}, opset {opsets}",
        len(data),
        tuple(_onnx_tensor(tensor) for tensor in model.graph.initializer),
        tuple(_onnx_value(value) for value in model.graph.input),
        tuple(_onnx_value(value) for value in model.graph.output),
        _count([_text(node.op_type) for node in model.graph.node]),
        {_text(entry.key): _text(entry.value) for entry in model.metadata_props},
        tuple(_slow(data)),
    )


def _slow(data: bytes) -> list[str]:
    """The warnings; none of a file that onnx reads and the stricter reader does not."""
    try:
        return slow_products(memoryview(data))
    except (ValueError, TypeError, IndexError):
        return []


def _text(value: str | bytes) -> str:
    """protobuf gives bytes where a damaged file holds no valid text."""
    return value if isinstance(value, str) else value.decode(errors="replace")


def _onnx_type(number: int) -> str:
    import onnx

    try:
        return str(onnx.TensorProto.DataType.Name(number)).lower()
    except ValueError:
        return f"type {number}"


def _onnx_tensor(tensor: Any) -> TensorFacts:
    import onnx

    n_bytes = len(tensor.raw_data)
    if not n_bytes:  # values in typed fields, or in another file
        try:
            width = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        except (KeyError, ValueError):
            width = 0
        n_bytes = math.prod(tensor.dims) * width
    return TensorFacts(_text(tensor.name), _onnx_type(tensor.data_type), tuple(tensor.dims), n_bytes)


def _onnx_value(value: Any) -> TensorFacts:
    kind = value.type.tensor_type
    shape = tuple(_text(axis.dim_param) or axis.dim_value for axis in kind.shape.dim)
    return TensorFacts(_text(value.name), _onnx_type(kind.elem_type), shape, 0)


def read_tflite(path: Path, data: bytes) -> Contents:
    """Constant tensors, operators and metadata of a TFLite file."""
    try:
        from ai_edge_litert import schema_py_generated as schema
    except ImportError:
        raise MissingExtraError(NEED_TFLITE) from None
    if data[4:8] != b"TFL3":
        raise ArtifactError(f"{path} is not a TFLite file: it lacks the mark TFL3")
    try:
        return _tflite(schema, data)
    except (struct.error, IndexError, ValueError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path} is not a readable TFLite file: {error}") from None


def _tflite(schema: Any, data: bytes) -> Contents:
    model = schema.Model.GetRootAs(data, 0)
    types = _names(schema.TensorType)
    builtins = _names(schema.BuiltinOperator)
    tensors, inputs, outputs, operators = [], [], [], []
    codes = [
        max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        for code in (model.OperatorCodes(n) for n in _range(model.OperatorCodesLength()))
    ]
    for graph in (model.Subgraphs(n) for n in _range(model.SubgraphsLength())):
        operators += [
            builtins.get(codes[graph.Operators(n).OpcodeIndex()], "CUSTOM")
            for n in _range(graph.OperatorsLength())
        ]
        known = [_tflite_tensor(model, graph.Tensors(n), types) for n in _range(graph.TensorsLength())]
        tensors += [tensor for tensor in known if tensor.n_bytes]
        inputs += [known[graph.Inputs(n)] for n in _range(graph.InputsLength())]
        outputs += [known[graph.Outputs(n)] for n in _range(graph.OutputsLength())]
    metadata = {}
    for entry in (model.Metadata(n) for n in _range(model.MetadataLength())):
        value = model.Buffers(entry.Buffer())
        raw = value.DataAsNumpy().tobytes() if value.DataLength() else b""
        metadata[entry.Name().decode()] = raw.decode(errors="replace")
    version = f"schema {model.Version()}"
    return Contents(
        "tflite",
        version,
        len(data),
        tuple(tensors),
        tuple(inputs),
        tuple(outputs),
        _count(operators),
        metadata,
    )


def _tflite_tensor(model: Any, tensor: Any, types: Mapping[int, str]) -> TensorFacts:
    buffer = model.Buffers(tensor.Buffer())
    shape = tuple(tensor.Shape(n) for n in _range(tensor.ShapeLength()))
    dtype = types.get(tensor.Type(), f"type {tensor.Type()}").lower()
    return TensorFacts((tensor.Name() or b"").decode(), dtype, shape, buffer.DataLength())


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _range(count: int) -> range:
    if count > MAX_ENTRIES:
        raise ValueError(f"a list of {count} entries")
    return range(count)


def read_safetensors(path: Path, data: bytes) -> Contents:
    """Names, types and shapes from the header of a safetensors file."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 0 < size <= min(len(data) - 8, MAX_HEADER_BYTES):
        raise ArtifactError(f"{path} is not a readable safetensors file: its header is cut off")
    try:
        header = json.loads(data[8 : 8 + size])
        metadata = header.pop("__metadata__", {})
        tensors = [_safetensor(name, facts, len(data) - 8 - size) for name, facts in header.items()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path} is not a readable safetensors file: {error}") from None
    return Contents("safetensors", "", len(data), tuple(tensors), metadata=dict(metadata))


def _safetensor(name: str, facts: Mapping[str, Any], available: int) -> TensorFacts:
    start, end = facts["data_offsets"]
    shape = tuple(int(length) for length in facts["shape"])
    dtype = str(facts["dtype"])
    if dtype in _SAFETENSORS_BYTES and math.prod(shape) * _SAFETENSORS_BYTES[dtype] != end - start:
        raise ValueError(f"{name} has {end - start} bytes, but is {dtype} {shape}")
    if not 0 <= start <= end <= available:
        raise ValueError(f"{name} lies outside the file")
    return TensorFacts(name, dtype, shape, end - start)
