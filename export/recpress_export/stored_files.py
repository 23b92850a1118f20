"""The tables in a model file, as they were before a writer laid them out; and whether files are the same."""

import importlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.contract import Contract
from recpress_edge.core.errors import ArtifactError
from recpress_export.item_scale import unpack_int4

Tables = tuple[Mapping[str, NDArray[Any]], Mapping[str, str]]
"""user_emb (U, D), item_emb (I, D) and, where the recipe has them, user_scale (U,) and item_scale (I,); in
integers they are int8. And the file's metadata."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How one format is read back."""

    tables: Callable[[Path, Contract], Tables]
    """KeyError or ValueError where the file does not hold what the contract says."""
    same: Callable[[bytes, bytes], bool]
    """Whether two files compute the same with the same tables."""


def _onnx_tables(path: Path, contract: Contract) -> Tables:
    from onnx import numpy_helper

    from recpress_export.onnx_writer import ZERO_POINT

    model = _onnx_model(path, path.read_bytes())
    found = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}

    def signed(table: NDArray[np.uint8]) -> NDArray[np.int8]:
        return (np.ascontiguousarray(table).astype(np.int16) - ZERO_POINT).astype(np.int8)

    # Stored (D, I); behind the items there may be the padding of blocks.
    item = np.ascontiguousarray(found["item_emb"].T[: contract.n_items])
    tables: dict[str, NDArray[Any]] = {n: found[n] for n in ("user_emb", "user_scale") if n in found}
    if tables["user_emb"].dtype == np.uint8:
        tables["user_emb"] = signed(tables["user_emb"])
        item = unpack_int4(item, contract.dim) if contract.recipe == "int4-item" else signed(item)
    if "item_scale" in found:
        tables["item_scale"] = found["item_scale"][: contract.n_items]
    return tables | {"item_emb": item}, {entry.key: entry.value for entry in model.metadata_props}


def _onnx_model(path: Path, data: bytes) -> Any:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load_model_from_string(data)
    except (DecodeError, ValueError) as error:
        raise ArtifactError(f"{path} is not a readable ONNX file: {error}") from None


def _same_onnx(left: bytes, right: bytes) -> bool:
    import onnx

    first, second = (onnx.load_model_from_string(data) for data in (left, right))
    return bool(first.graph == second.graph)


def _tflite_tables(path: Path, contract: Contract) -> Tables:
    from recpress_export.contents import read_contents
    from recpress_export.tflite_top import TWO_LEVEL_ITEMS, layout_of

    metadata = read_contents(path).metadata or {}  # also checks that the file can be read at all
    try:
        found = _tflite_constants(path.read_bytes())
    except (struct.error, IndexError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path} is not a readable TFLite file: {error}") from None
    layout = layout_of(contract.n_items, two_level=contract.n_items >= TWO_LEVEL_ITEMS)
    tables: dict[str, NDArray[Any]] = {n: found[n] for n in ("user_emb", "user_scale") if n in found}
    tables["item_emb"] = layout.restore(found["item_emb"])
    if "item_scale" in found:
        tables["item_scale"] = layout.restore(found["item_scale"].reshape(-1, 1))[:, 0]
    for name in ("user_emb", "item_emb"):  # a dimension more may pin the rows' largest value
        tables[name] = np.ascontiguousarray(tables[name][:, : contract.dim])
    return tables, metadata


def _tflite_constants(data: bytes) -> dict[str, NDArray[Any]]:
    """Constant tensors of the types that hold tables, by name."""
    schema = importlib.import_module("ai_edge_litert.schema_py_generated")
    kinds = {
        schema.TensorType.FLOAT32: np.float32,
        schema.TensorType.FLOAT16: np.float16,
        schema.TensorType.INT8: np.int8,
        schema.TensorType.INT4: np.uint8,
    }
    model = schema.Model.GetRootAs(data, 0)
    graph = model.Subgraphs(0)
    found = {}
    for tensor in (graph.Tensors(n) for n in range(graph.TensorsLength())):
        buffer = model.Buffers(tensor.Buffer())
        if not buffer.DataLength() or tensor.Type() not in kinds:
            continue
        array = buffer.DataAsNumpy().view(kinds[tensor.Type()])
        shape = tensor.ShapeAsNumpy() if tensor.ShapeLength() else ()
        if tensor.Type() == schema.TensorType.INT4:
            halves = np.stack([array & 15, array >> 4], axis=1).ravel()[: int(np.prod(shape))]
            array = np.where(halves > 7, halves.astype(np.int16) - 16, halves).astype(np.int8)
        found[tensor.Name().decode()] = array.reshape(shape)
    return found


READERS: Final[Mapping[str, Reader]] = {
    "onnx": Reader(_onnx_tables, _same_onnx),
    "tflite": Reader(_tflite_tables, lambda left, right: left == right),
}
