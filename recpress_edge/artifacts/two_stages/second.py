"""A second stage in whole numbers: its answer is the same on every processor and in every runtime.

Every product and sum is of whole numbers below 2²⁴, which float32 holds exactly, in whatever order they are
added. Between them numbers are multiplied, added and rounded one by one, once each, as IEEE 754 fixes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.integers import EXACT_FLOAT32, QMAX
from recpress_edge.artifacts.two_stages.weights import SecondWeights
from recpress_edge.core.arrays import F32, I32, I64
from recpress_edge.core.errors import ConfigError

PREFIX: Final = "second/"
"""Begins the names of the second stage's tensors in a file."""
MOST: Final = 2047
"""Of a hidden unit, and of a request's part of a product."""
INT16_MAX: Final = 32767

Tensors = Mapping[str, NDArray[Any]]


def most_active(width: int) -> int:
    """The largest whole number of each of so many units whose weighted sum float32 holds exactly."""
    most = min(MOST, (EXACT_FLOAT32 - 1) // (QMAX * width))
    if most < QMAX:
        raise ConfigError(
            f"a layer of {width:,} units is too wide for exact sums: at most 1,040. Set method.layers."
        )
    return most


def second_tensors(weights: SecondWeights, rows: I32) -> dict[str, NDArray[Any]]:
    """What a file holds of a second stage, by name; ``rows`` (N, W) tell how large numbers get.

    int8 tables and layers, int16 for an item's own number, float32 for what they are multiplied with.
    """
    emb, step = _int8(weights.embedding, None)
    flat = weights.asked(rows).reshape(len(rows), -1)
    sums = np.abs(weights.asked(rows).sum(axis=1)).max(axis=0)  # (d,) of requests
    first, rest = weights.layers[0], weights.layers[1:]
    asked = flat @ first.weight.T + first.bias  # (N, H)
    item_peak = np.abs(weights.hidden).max(axis=0)
    most = most_active(first.weight.shape[0])
    unit = _unit(np.maximum(item_peak / QMAX, (np.abs(asked).max(axis=0) + item_peak) / most))  # (H,)
    weight, scale = _int8(first.weight, 1)
    products, column = _int8(weights.sums, 0)
    part = _unit(np.max(sums * column / MOST, keepdims=True))  # (1,)
    linear_step = _unit(np.abs(weights.linear).max(keepdims=True) / INT16_MAX)
    found: dict[str, NDArray[Any]] = {
        "asked_emb": emb,
        "asked_first": weight,
        "asked_factor": (scale[:, 0] * step / unit).astype(np.float32),
        "asked_bias": (first.bias / unit).astype(np.float32),
        "item_hidden": np.rint(weights.hidden / unit).astype(np.int8),
        "item_sums": products,
        "sums_factor": (step * column / part).astype(np.float32),
        "sums_step": part,
        "item_linear": np.rint(weights.linear / linear_step).astype(np.int16),
        "linear_step": linear_step,
        "first_factor": np.array([weights.factor], np.float32),
        "most": np.array([most], np.float32),
    }
    values, grid = np.maximum(asked[:, None] + _some(weights.hidden)[None], 0), unit
    for place, layer in enumerate(rest):
        last = place == len(rest) - 1
        weight, scale = _int8(layer.weight * grid, 1)
        values = values @ layer.weight.T + layer.bias
        most = 1 if last else most_active(len(layer.bias))
        unit = np.ones(1, np.float32) if last else _unit(values.max(axis=(0, 1)) / most)
        found |= {
            f"layer{place}": weight,
            f"layer{place}_factor": (scale[:, 0] / unit).astype(np.float32),
        }
        if not last:
            found |= {
                f"layer{place}_bias": (layer.bias / unit).astype(np.float32),
                f"layer{place}_most": np.array([most], np.float32),
            }
        values, grid = np.maximum(values, 0), unit
    return found


def _some(table: F32, most: int = 64) -> F32:
    """Rows spread over a table."""
    found: F32 = table[np.unique(np.linspace(0, len(table) - 1, min(most, len(table))).astype(int))]
    return found


def _int8(table: F32, axis: int | None) -> tuple[NDArray[np.int8], F32]:
    """A table as integers with one scale, or one a column (axis 0) or a row (axis 1)."""
    scale = _unit(np.abs(table).max(axis=axis, keepdims=axis is not None) / np.float32(QMAX))
    return np.rint(table / scale).astype(np.int8), scale[0] if axis == 0 else scale


def _unit(values: F32) -> F32:
    """The same as float32, 1 in place of 0."""
    wide = np.asarray(values, np.float32)
    return np.where(wide > 0, wide, np.float32(1)).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class SecondStage:
    """The reference: the tensors of a file, computed by numpy."""

    fields: tuple[FeatureField, ...]
    tensors: Tensors

    def z(self, row: I32, candidates: I64, scores: F32) -> F32:
        """z (C,) of a request's row (W,), candidates (C,) and their first-stage scores (C,)."""
        known, wide = self.tensors, np.float32
        embedded = self._embedded(row)  # (F, d) whole numbers
        first = known["asked_first"].astype(wide) @ embedded.reshape(-1)
        asked = np.rint(first * known["asked_factor"] + known["asked_bias"])
        values = np.clip(asked + known["item_hidden"][candidates].astype(wide), 0, known["most"])
        sums = np.clip(np.rint(embedded.sum(axis=0) * known["sums_factor"]), wide(-MOST), wide(MOST))
        products = known["item_sums"][candidates].astype(wide) @ sums
        z = (
            scores * known["first_factor"]
            + known["item_linear"][candidates].astype(wide) * known["linear_step"]
        )
        z = z + products * known["sums_step"]
        for place in takewhile(lambda place: f"layer{place}" in known, count()):
            values = (values @ known[f"layer{place}"].astype(wide).T) * known[f"layer{place}_factor"]
            if f"layer{place}_bias" in known:
                values = np.clip(
                    np.rint(values + known[f"layer{place}_bias"]), 0, known[f"layer{place}_most"]
                )
        found: F32 = z + values[:, 0]
        return found

    def check(self, n_items: int) -> None:
        """KeyError for a tensor that is missing, ValueError for one of another shape."""
        known, n_rows = self.tensors, sum(field.size for field in self.fields)
        dim, width = known["asked_emb"].shape[1], len(known["asked_first"])
        shapes = {
            "asked_emb": (n_rows, dim),
            "asked_first": (width, len(self.fields) * dim),
            "asked_factor": (width,),
            "asked_bias": (width,),
            "item_hidden": (n_items, width),
            "item_sums": (n_items, dim),
            "item_linear": (n_items,),
            "sums_factor": (dim,),
            **dict.fromkeys(("sums_step", "linear_step", "first_factor", "most"), (1,)),
        }
        for place in takewhile(lambda place: f"layer{place}" in known, count()):
            n_out = len(known[f"layer{place}"])
            shapes |= {f"layer{place}": (n_out, width), f"layer{place}_factor": (n_out,)}
            if f"layer{place}_bias" in known:
                shapes |= {f"layer{place}_bias": (n_out,), f"layer{place}_most": (1,)}
            width = n_out
        for name, shape in shapes.items():
            if known[name].shape != shape:
                raise ValueError(f"{name} has shape {known[name].shape}, expected {shape}")
        if width != 1:
            raise ValueError(f"the last layer gives {width} numbers")

    def _embedded(self, row: I32) -> F32:
        """Of each field (F, d): its value's row, of several values the rounded mean."""
        found, start, first = [], 0, 0
        for field in self.fields:
            part = row[start : start + field.width]
            rows = self.tensors["asked_emb"][first + part[part >= 0]].astype(np.float32)
            found.append(np.rint(rows.sum(axis=0) / np.float32(len(rows))))
            start, first = start + field.width, first + field.size
        return np.stack(found)


def ranked(z: F32, k: int) -> I64:
    """Places (k,) of the best, best first; equal ones in the order of the first stage."""
    found: I64 = np.argsort(-z, kind="stable")[:k]
    return found
