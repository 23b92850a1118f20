"""A user's vector from a hidden layer with a tanh, as TFLite operators. tanh_history.py defines it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from recpress_edge.artifacts.tanh_history import MOST_SUM
from recpress_export.tflite.ages import used_entries
from recpress_export.tflite.flatbuffer import FlatModel
from recpress_export.tflite.history import integer_row, widened

_INT8, _INT32 = (getattr(schema.TensorType, name) for name in ("INT8", "INT32"))


class _TanhRows:
    """Operators whose results are rows (1, D). Tables are stored as int32, which every reader knows."""

    def __init__(self, model: FlatModel, dim: int) -> None:
        self.model, self._dim = model, dim

    def __call__(self, name: str, inputs: list[int], output: str, dtype: Any = np.int32, **how: Any) -> int:
        made = self.model.tensor(output, [1, self._dim], dtype)
        self.model.operator(name, inputs, [made], **how)
        return made

    def constant(self, name: str, value: int) -> int:
        return self.model.constant(name, np.array(value, np.int32))


def add_tanh(model: FlatModel, tables: Mapping[str, NDArray[Any]], seen: int) -> tuple[int, int]:
    """Operators from ``seen`` to the row (1, D) float32, and to the peak (1, 1) int32 of integer rows.

    Unused entries of ``seen`` hold the number of items: the table has a row of zeros there.
    """
    n_items, dim = tables["history_emb"].shape
    rows = _TanhRows(model, dim)
    root = _root(model, tables["roots"], seen, n_items)
    if "tanh" in tables:
        return integer_row(model, rows, _levels(rows, tables, _sum_of_integers(rows, tables, seen), root))
    table = np.vstack([tables["history_emb"], np.zeros((1, dim), tables["history_emb"].dtype)])
    history, prior = widened(model, "history_emb", table), widened(model, "prior", tables["prior"][None])
    bag = model.tensor("bag", [1, dim], np.float32, any_length=0)
    model.operator("GATHER", [history, seen], [bag])
    total = rows("SUM", [bag, _first_axis(model)], "bag_sum", np.float32, keepDims=True)
    drive = rows("ADD", [rows("MUL", [total, root], "scaled_sum", np.float32), prior], "drive", np.float32)
    return rows("TANH", [drive], "row", np.float32), -1


def _first_axis(model: FlatModel) -> int:
    return model.constant("bag_axis", np.array([0], np.int32))


def _root(model: FlatModel, roots: NDArray[Any], seen: int, n_items: int) -> int:
    """The root of the number of used entries (1,): int32 or float32."""
    _, count = used_entries(model, seen, n_items)
    capped = model.tensor("counted", [1], np.int32)
    last = model.constant("last_root", np.array(len(roots) - 1, np.int32))
    model.operator("MINIMUM", [count, last], [capped])
    stored = roots.astype(np.int32) if roots.dtype == np.int16 else roots
    root = model.tensor("root", [1], stored.dtype)
    model.operator("GATHER", [model.constant("roots", stored), capped], [root])
    return root


def _sum_of_integers(rows: _TanhRows, tables: Mapping[str, NDArray[Any]], seen: int) -> int:
    model, (_, dim) = rows.model, tables["history_emb"].shape
    table = np.vstack([tables["history_emb"], np.zeros((1, dim), np.int8)])
    bag = model.tensor("bag", [1, dim], np.int8, any_length=0, scale=1.0)
    wide = model.tensor("wide_bag", [1, dim], np.int32, any_length=0)
    model.operator("GATHER", [model.constant("history_emb", table, scale=1.0), seen], [bag], version=2)
    model.operator("CAST", [bag], [wide], inDataType=_INT8, outDataType=_INT32)
    return rows("SUM", [wide, _first_axis(model)], "bag_sum", keepDims=True)


def _levels(rows: _TanhRows, tables: Mapping[str, NDArray[Any]], total: int, root: int) -> int:
    model, stride = rows.model, tables["stride"].item()
    table, weights = (
        model.constant(name, np.asarray(tables[name]).astype(np.int32)) for name in ("tanh", "dim_weights")
    )
    low = rows("MAXIMUM", [total, rows.constant("least_sum", -MOST_SUM)], "above_least")
    held = rows("MINIMUM", [low, rows.constant("most_sum", MOST_SUM)], "held_sum")
    scaled = rows("MUL", [held, root], "scaled_sum")
    drive = rows("ADD", [scaled, model.constant("prior", tables["prior"][None])], "drive")
    size = rows("ABS", [drive], "drive_size", version=5)
    twice = rows("ADD", [size, size], "twice_drive")
    numerator = rows("ADD", [twice, rows.constant("stride", stride)], "drive_numerator")
    found = rows("FLOOR_DIV", [numerator, rows.constant("twice_stride", 2 * stride)], "any_place")
    last = rows.constant("last_place", len(tables["tanh"]) - 1)
    place = rows("MINIMUM", [found, last], "place")
    level = rows("GATHER", [table, place], "tanh_size")
    positive = rows("MINIMUM", [drive, rows.constant("drive_plus_one", 1)], "drive_at_most_one")
    sign = rows("MAXIMUM", [positive, rows.constant("drive_minus_one", -1)], "drive_sign")
    signed = rows("MUL", [sign, level], "tanh_level")
    return rows("MUL", [signed, weights], "level_sum")
