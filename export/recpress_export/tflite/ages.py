"""The weights of a history that forgets, as TFLite operators: each entry's by its age among the used ones."""

from typing import Any, Final

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from recpress_export.tflite.flatbuffer import FlatModel

_BOOL, _INT8, _INT32 = (getattr(schema.TensorType, name) for name in ("BOOL", "INT8", "INT32"))
_UNIT: Final = {"scale": 1.0}
"""Of a tensor of whole numbers that TFLite takes for quantised ones."""


def add_weighted(model: FlatModel, bag: int, weights: NDArray[Any], seen: int, n_items: int) -> int:
    """Operators to the rows (n, D) of ``seen``, each times the weights of its age: int32 or float32.

    weights (N + 1, D): the oldest item's first, the prior's last, as in graph.FoldHistory. An entry of
    n_items is unused, and is behind the used ones; its row is zero.
    """
    dim = weights.shape[1]
    read = _read(model, weights, _ages(model, seen, n_items, len(weights) - 1))
    made = model.tensor(
        "weighted_bag", [1, dim], np.int32 if weights.dtype == np.int8 else np.float32, any_length=0
    )
    model.operator("MUL", [bag, read], [made])
    return made


def used_entries(model: FlatModel, seen: int, n_items: int) -> tuple[int, int]:
    """1 for each used entry of ``seen`` (n,), else 0; and their number (1,). All int32."""
    is_used, used = (
        model.tensor(name, [1], dtype, any_length=0)
        for name, dtype in (("is_used", np.bool_), ("used", np.int32))
    )
    model.operator("LESS", [seen, model.constant("no_item", np.array(n_items, np.int32))], [is_used])
    model.operator("CAST", [is_used], [used], inDataType=_BOOL, outDataType=_INT32)
    count = model.tensor("n_used", [1], np.int32)
    model.operator(
        "SUM", [used, model.constant("used_axis", np.array([0], np.int32))], [count], keepDims=True
    )
    return used, count


def _ages(model: FlatModel, seen: int, n_items: int, length: int) -> int:
    """0 for the newest used entry, 1 for the one before, N for all that are older: (n,)."""

    def op(name: str, inputs: list[int], output: str) -> int:
        made = model.tensor(output, [1], np.int32, any_length=0)
        model.operator(name, inputs, [made])
        return made

    used, count = used_entries(model, seen, n_items)
    number = op("CUMSUM", [used, model.constant("entry_axis", np.array(0, np.int32))], "number")
    age = op("SUB", [count, number], "age")
    return op("MINIMUM", [age, model.constant("length", np.array(length, np.int32))], "age_read")


def _read(model: FlatModel, weights: NDArray[Any], ages: int) -> int:
    """The weights of these ages (n,): (n, D), zeros of age N."""
    dim, integer = weights.shape[1], weights.dtype == np.int8
    unit = _UNIT if integer else {}
    stored = model.constant("age_weights", newest_first(weights), **unit)
    read = model.tensor("read_weights", [1, dim], weights.dtype, any_length=0, **unit)
    model.operator("GATHER", [stored, ages], [read], version=2 if integer else 1)
    if not integer:
        return read
    wide = model.tensor("wide_weights", [1, dim], np.int32, any_length=0)
    model.operator("CAST", [read], [wide], inDataType=_INT8, outDataType=_INT32)
    return wide


def newest_first(weights: NDArray[Any]) -> NDArray[Any]:
    """As the file stores them (N + 1, D): by age, then zeros for what is too old; without the prior's."""
    return np.vstack([weights[-2::-1], np.zeros((1, weights.shape[1]), weights.dtype)])
