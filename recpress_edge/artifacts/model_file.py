"""What a model file may be before any runtime sees it: whole in itself, of known operators, bounded.

Field numbers are those of onnx/onnx.proto. What must hold of TFLite is in tflite_check.py.
"""

import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.wire import protobuf
from recpress_edge.artifacts.wire.operators import ONNX
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.registry import named

MAX_PARTS: Final = 200_000
"""Nodes, tensors, attributes and their fields together; a file of ours has some hundreds."""
MAX_DEPTH: Final = 24
"""Graphs inside of attributes of nodes of graphs."""


class RefusedFileError(ValueError):
    """The file is readable and must not be run."""


class FileParts:
    """Counts what a file has, and ends where that is more than any model needs."""

    def __init__(self) -> None:
        self.count = 0

    def add(self, more: int) -> None:
        self.count += more
        if self.count > MAX_PARTS:
            raise RefusedFileError(f"it has more than {MAX_PARTS:,} parts")


def other_operator(name: str) -> RefusedFileError:
    """Of an operator that operators.py does not list."""
    return RefusedFileError(
        f"it needs the operator {name!r}, and only functions of tensors are run: no control flow, random "
        "numbers, state, texts or decoders (recpress_edge/artifacts/wire/operators.py lists those there are)"
    )


def check_model_file(path: Path, file_format: str) -> None:
    """ArtifactError where a model would read other files, brings operators of its own, or is damaged."""
    if file_format not in FORMATS:  # no runtime runs it either
        return
    try:
        with path.open("rb") as file:  # what is skipped is never read
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        named(FORMATS[file_format].check)(memoryview(mapped))
    except RefusedFileError as error:
        raise ArtifactError(f"{path} is refused: {error}", fault="model") from None
    except (ValueError, TypeError, IndexError, struct.error, OverflowError, RecursionError) as error:
        raise ArtifactError(f"{path} is not a readable {file_format} file: {error}", fault="model") from None


# ---- ONNX

# message -> field number -> the message in it
_INSIDE: Final[Mapping[str, Mapping[int, str]]] = {
    "ModelProto": {7: "GraphProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        **dict.fromkeys((5, 10), "TensorProto"),
        **dict.fromkeys((6, 11), "GraphProto"),
        **dict.fromkeys((22, 23), "SparseTensorProto"),
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
}
_FORBIDDEN: Final[Mapping[tuple[str, int], str]] = {
    ("ModelProto", 20): "it has graphs for training",
    ("ModelProto", 25): "it has functions of its own",
    ("TensorProto", 13): "a tensor's values are in another file (external data)",
}
_NODE_OPERATOR: Final = ("NodeProto", 4)
_NODE_DOMAIN: Final = ("NodeProto", 7)
_DATA_LOCATION: Final = ("TensorProto", 14)
_DOMAINS: Final = (b"", b"ai.onnx")
_ORT_FORMAT: Final = b"ORTM"
"""At byte 4: by it, or by the name .ort, onnxruntime reads a flatbuffer, and a file may parse as both."""


def check_onnx(data: memoryview) -> None:
    if bytes(data[4:8]) == _ORT_FORMAT:
        raise RefusedFileError("it begins as a file of onnxruntime's own format, which is not ONNX")
    parts, graphs, others = FileParts(), 0, []
    waiting = [("ModelProto", data, 0)]
    while waiting:
        kind, message, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise RefusedFileError(f"its graphs are nested more than {MAX_DEPTH} deep")
        graphs += kind == "GraphProto"
        for number, value in protobuf.fields(message):
            parts.add(1)
            check_onnx_field(kind, number, value)
            if (kind, number) == _NODE_OPERATOR and (name := _short(value)) not in ONNX:
                others.append(name)
            if number in _INSIDE[kind]:
                waiting.append((_INSIDE[kind][number], protobuf.message(value), depth + 1))
    if not graphs:
        raise ValueError("it has no graph")
    if others:
        raise other_operator(others[0])


def _short(value: protobuf.Value) -> str:
    return bytes(protobuf.message(value)[:64]).decode(errors="replace")


def check_onnx_field(kind: str, number: int, value: protobuf.Value) -> None:
    if (kind, number) in _FORBIDDEN:
        raise RefusedFileError(_FORBIDDEN[kind, number])
    if (kind, number) == _DATA_LOCATION and value != 0:
        raise RefusedFileError(_FORBIDDEN["TensorProto", 13])
    if (kind, number) == _NODE_DOMAIN and bytes(protobuf.message(value)[:256]) not in _DOMAINS:
        raise RefusedFileError(f"an operator is of domain {_short(value)!r}; only ONNX's own are run")
