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


def count_operators(names: list[str]) -> tuple[tuple[str, int], ...]:
    """How many there are of each, most frequent first."""
    return tuple(sorted(Counter(names).items(), key=lambda entry: (-entry[1], entry[0])))


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
        count_operators(operators),
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
