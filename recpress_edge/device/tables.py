"""The tables in a model file, as they were before a writer laid them out; numpy alone reads them."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.contract import Contract
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.integers import QMAX, ZERO_POINT, unpack_int4
from recpress_edge.artifacts.tanh_history import LAYER
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.registry import named
from recpress_edge.device.onnx_file import onnx_tensors
from recpress_edge.device.tflite_file import tflite_tensors

Tables = Mapping[str, NDArray[Any]]
"""item_emb (I, D), and what there is of user_emb (U, D), user_scale (U,), item_scale (I,), and in a history
file history_emb (I, D), prior (D,), step () and, where it forgets, age_weights (N + 1, D); of one with a tanh
roots (N + 1,), tanh (P,), stride () and dim_weights (D,). Integer tables are int8."""

_BLOCKS: Final = "block_best_image"
"""The tensor of a TFLite file that has one channel for each block of items; absent without blocks."""
_MOST_STRIDE: Final = 2**20
"""Of the finest rows that a writer makes; twice as much is still a whole number of 32 bits."""
_OPTIONAL: Final = ("user_scale", "item_scale", "step", "age_weights", *LAYER)


def read_tables(path: Path, contract: Contract) -> Tables:
    """The tables of a model file that recpress-edge wrote.

    KeyError where a table is not in it; ArtifactError where the file cannot be read at all.
    """
    try:
        return _check_scales(named(FORMATS[contract.format].tables)(path.read_bytes(), contract), contract)
    except (struct.error, IndexError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{path} is not a readable {contract.format} file: {error}", fault="model"
        ) from None


def _check_scales(tables: Tables, contract: Contract) -> Tables:
    """A scale with an axis too many would make a table of every pair when numpy multiplies by it."""
    shapes: dict[str, tuple[int, ...]] = {
        "user_scale": (contract.n_users,),
        "item_scale": (contract.n_items,),
        "step": (),
        "age_weights": (contract.history_length + 1, contract.dim),
        "stride": (),
        "dim_weights": (contract.dim,),
    }
    for name, shape in shapes.items():
        if name in tables and tables[name].shape not in (shape, shape or (1,)):
            raise ValueError(f"{name} has shape {tables[name].shape}, expected {shape}")
    _check_layer({name: tables[name] for name in LAYER if name in tables})
    return tables


def _check_layer(layer: Tables) -> None:
    """What a tanh is looked up by: nothing of it, roots alone beside floats, or all of it in integers."""
    if list(layer) not in ([], ["roots"], list(LAYER)):
        raise ValueError(f"of a hidden layer it has {', '.join(layer)} alone, expected {', '.join(LAYER)}")
    for name in ("roots", "tanh"):
        if name in layer and (layer[name].ndim != 1 or not layer[name].size):
            raise ValueError(f"{name} has shape {layer[name].shape}, expected one axis")
    for name, table in layer.items():
        if len(layer) > 1 and table.dtype.kind != "i":
            raise ValueError(f"{name} holds {table.dtype}, expected whole numbers")
        if not np.isfinite(table).all():
            raise ValueError(f"{name} holds a number that is not finite")
    if "stride" in layer and not 1 <= layer["stride"].item() <= _MOST_STRIDE:
        raise ValueError(f"stride is {layer['stride'].item()}, expected 1 to {_MOST_STRIDE}")


def tables_of_onnx(data: bytes, contract: Contract) -> Tables:
    found = onnx_tensors(data)
    tables: dict[str, NDArray[Any]] = {
        name: found[name] for name in (*_OPTIONAL, "user_emb", "history_emb") if name in found
    }
    # Stored (D, I); behind the items there may be the padding of blocks.
    item = np.ascontiguousarray(found["item_emb"].T[: contract.n_items])
    if item.dtype == np.uint8:
        item = unpack_int4(item, contract.dim) if contract.recipe == "int4-item" else _signed(item)
    if "user_emb" in tables and tables["user_emb"].dtype == np.uint8:
        tables["user_emb"] = _signed(tables["user_emb"])
    if "item_scale" in tables:
        tables["item_scale"] = tables["item_scale"][: contract.n_items]
    if "prior" in found:
        tables["prior"] = found["prior"].reshape(-1)
    return tables | {"item_emb": item}


def _signed(table: NDArray[np.uint8]) -> NDArray[np.int8]:
    return (np.ascontiguousarray(table).astype(np.int16) - ZERO_POINT).astype(np.int8)


def tables_of_tflite(data: bytes, contract: Contract) -> Tables:
    tensors = tflite_tensors(data)
    found = {name: tensor.values for name, tensor in tensors.items() if tensor.values is not None}
    tables: dict[str, NDArray[Any]] = {
        name: found[name] for name in (*_OPTIONAL, "user_emb", "history_emb") if name in found
    }
    n_blocks = tensors[_BLOCKS].shape[-1] if _BLOCKS in tensors else None
    tables["item_emb"] = _in_order(found["item_emb"], n_blocks, contract.n_items)
    if "item_scale" in tables:
        tables["item_scale"] = _in_order(tables["item_scale"].reshape(-1, 1), n_blocks, contract.n_items)[
            :, 0
        ]
    # Dimensions more may pin the rows' largest value, or fill the rows up.
    for name in ("user_emb", "item_emb", "history_emb"):
        if name in tables:
            tables[name] = np.ascontiguousarray(tables[name][:, : contract.dim])
    if "history_emb" in tables:  # behind the items a row of zeros, for what is no item
        tables["history_emb"] = tables["history_emb"][: contract.n_items]
        tables["prior"] = found["prior"].reshape(-1)[: contract.dim]
    if "dim_weights" in tables:
        tables["dim_weights"] = tables["dim_weights"][: contract.dim]
    return {**tables, **_ages_of_tflite(tables, contract)}


def _ages_of_tflite(tables: Tables, contract: Contract) -> Tables:
    """The weights by age, oldest first, and the prior in units of a row: stored newest first, then zeros."""
    if "age_weights" not in tables:
        return {}
    by_age, prior = tables["age_weights"][: contract.history_length, : contract.dim], tables["prior"]
    weights = oldest_first(by_age)
    integers = by_age.dtype == np.int8
    return {"age_weights": weights, "prior": (prior // QMAX).astype(np.int8) if integers else prior}


def oldest_first(by_age: NDArray[Any]) -> NDArray[Any]:
    """Weights by age, the newest item's first (N, D) -> the oldest item's first and the prior's, 1, last."""
    unit = QMAX if by_age.dtype == np.int8 else 1
    return np.vstack([by_age[::-1], np.full((1, by_age.shape[1]), unit, by_age.dtype)])


def _in_order(stored: NDArray[Any], n_blocks: int | None, n_items: int) -> NDArray[Any]:
    """(size, D) -> (I, D). With blocks, item ``b · width + r`` is stored at place ``r · n_blocks + b``."""
    if n_blocks is not None:
        blocks = stored.reshape(-1, n_blocks, stored.shape[1]).swapaxes(0, 1)
        stored = np.ascontiguousarray(blocks).reshape(stored.shape)
    return stored[:n_items]
