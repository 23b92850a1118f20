"""A user's vector from a history, as TFLite operators. What they compute is defined in history.py."""

from typing import Any, Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from recpress_edge.artifacts.integers import QMAX
from recpress_edge.core.errors import ConfigError
from recpress_export.graph import FoldHistory, Table
from recpress_export.tflite.ages import add_weighted
from recpress_export.tflite.flatbuffer import FlatModel

MAX_ITEMS: Final = (2**31 // (2 * QMAX + 1)) // QMAX - 1
"""With more, 254 times the sum of a history of all would not fit into the 32 bits of TFLite's division."""
_INT8, _INT32, _FLOAT32 = (getattr(schema.TensorType, name) for name in ("INT8", "INT32", "FLOAT32"))


def add_fold(model: FlatModel, fold: FoldHistory, seen: int) -> tuple[int, int]:
    """Operators from ``seen`` to the row (1, D) float32, and to the peak (1, 1) int32 of integer rows.

    Unused entries of ``seen`` hold the number of items: the table has a row of zeros there.
    """
    dim = fold.history_emb.shape[1]
    table = np.vstack([fold.history_emb, np.zeros((1, dim), fold.history_emb.dtype)])
    prior = fold.prior[None]

    def op(name: str, inputs: list[int], output: str, dtype: Any, **options: Any) -> int:
        made = model.tensor(output, [1, dim], dtype)
        model.operator(name, inputs, [made], **options)
        return made

    axis = model.constant("bag_axis", np.array([0], np.int32))
    if table.dtype == np.int8:
        _check_divided(len(table) - 1, fold.weights)
        total = _integer_sum(model, op, fold, seen, axis)
        return integer_row(model, op, total)
    # In float32 whatever is stored: one sum of widened rows, as in ONNX.
    history, start = widened(model, "history_emb", table), widened(model, "prior", prior)
    bag = model.tensor("bag", [1, dim], np.float32, any_length=0)
    model.operator("GATHER", [history, seen], [bag])
    if fold.weights is not None:
        bag = add_weighted(model, bag, fold.weights, seen, len(table) - 1)
    total = op("SUM", [bag, axis], "bag_sum", np.float32, keepDims=True)
    return op("ADD", [total, start], "row", np.float32), -1


def widened(model: FlatModel, name: str, table: Any) -> int:
    """A constant of float32 or float16 as float32."""
    stored = model.constant(name, table)
    if table.dtype == np.float32:
        return stored
    wide = model.tensor(f"wide_{name}", table.shape, np.float32)
    model.operator("DEQUANTIZE", [stored], [wide], version=3)
    return wide


def _check_divided(n_items: int, weights: Table | None) -> None:
    """ConfigError where 254 times the sum of the longest history may leave 32 bits."""
    read, most = n_items, MAX_ITEMS
    if weights is not None:
        read, most = len(weights) - 1, MAX_ITEMS // QMAX
    if read > most:
        raise ConfigError(
            f"{read:,} items are too many for an integer history file in TFLite, which divides in 32 "
            f"bits: {most:,} at most. Use --format onnx, or --recipe fp32 or fp16."
        )


def _integer_sum(model: FlatModel, op: Any, fold: FoldHistory, seen: int, axis: int) -> int:
    """The sum (1, D) int32 of the prior and of the rows of ``seen``, by their age where they have weights."""
    n_items, dim = fold.history_emb.shape
    table, prior = (
        np.vstack([fold.history_emb, np.zeros((1, dim), np.int8)]),
        fold.prior[None].astype(np.int32),
    )
    bag = model.tensor("bag", [1, dim], np.int8, any_length=0, scale=1.0)
    wide = model.tensor("wide_bag", [1, dim], np.int32, any_length=0)
    model.operator("GATHER", [model.constant("history_emb", table, scale=1.0), seen], [bag], version=2)
    model.operator("CAST", [bag], [wide], inDataType=_INT8, outDataType=_INT32)
    if fold.weights is not None:
        wide, prior = add_weighted(model, wide, fold.weights, seen, n_items), prior * QMAX
    bag_sum = op("SUM", [wide, axis], "bag_sum", np.int32, keepDims=True)
    total: int = op("ADD", [bag_sum, model.constant("prior", prior)], "sum", np.int32)
    return total


def integer_row(model: FlatModel, op: Any, total: int) -> tuple[int, int]:
    """The sum (1, D) int32 as a row of whole numbers in float32, divided by its peak; and the peak (1, 1)."""

    def constant(name: str, value: int) -> int:
        return model.constant(name, np.array(value, np.int32))

    size = op("ABS", [total], "size", np.int32, version=5)
    largest, peak = (model.tensor(name, [1, 1], np.int32) for name in ("largest", "peak"))
    model.operator(
        "REDUCE_MAX", [size, model.constant("row_axis", np.array([1], np.int32))], [largest], keepDims=True
    )
    model.operator("MAXIMUM", [largest, constant("least_peak", 1)], [peak])
    scaled = op("MUL", [size, constant("twice_range", 2 * QMAX)], "scaled_size", np.int32)
    numerator = op("ADD", [scaled, peak], "numerator", np.int32)
    denominator = model.tensor("denominator", [1, 1], np.int32)
    model.operator("ADD", [peak, peak], [denominator])
    level = op("FLOOR_DIV", [numerator, denominator], "level", np.int32)
    positive = op("MINIMUM", [total, constant("plus_one", 1)], "at_most_one", np.int32)
    sign = op("MAXIMUM", [positive, constant("minus_one", -1)], "sign", np.int32)
    signed = op("MUL", [sign, level], "signed_level", np.int32)
    return op("CAST", [signed], "row", np.float32, inDataType=_INT32, outDataType=_FLOAT32), peak


def add_peak_scale(model: FlatModel, peak: int, step: np.float32) -> int:
    """float32(peak) · step, (1,): what the returned scores are multiplied with."""
    wide, square, scale = (
        model.tensor(name, shape, np.float32)
        for name, shape in (("float_peak", [1, 1]), ("square_scale", [1, 1]), ("scale", [1]))
    )
    model.operator("CAST", [peak], [wide], inDataType=_INT32, outDataType=_FLOAT32)
    model.operator("MUL", [wide, model.constant("step", np.array(step, np.float32))], [square])
    one = model.constant("one", np.array([1], np.int32))
    model.operator("RESHAPE", [square, one], [scale], newShape=[1])
    return scale
