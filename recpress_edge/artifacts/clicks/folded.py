"""A click model folded: all that depends on an item alone is one row an item, written before any request.

With C the fields of user and context, T those of the item, s = Σ e and q = Σ e², the logit is
[b + Σ_C w + ½(|s_C|² − q_C)] + [Σ_T w + ½(|s_T|² − q_T)] + s_C · s_T + layers of (W_C e_C + W_T e_T + b_1).
A candidate costs one row, d multiplications and the layers after the first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, takewhile
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.weights import (
    ClickWeights,
    DenseLayer,
    after_first,
    field_rows,
    pair_products,
)
from recpress_edge.artifacts.integers import INT4_QMAX, QMAX, pack_int4, unpack_int4
from recpress_edge.artifacts.item_scale import least_error_scale
from recpress_edge.core.arrays import F32, I32, I64

ITEM: Final = "item"
INT16_MAX: Final = 32767
FP32: Final = "fp32"
INT8: Final = "int8"
INT8_FIELDS: Final = "int8-fields"
INT4_FIELDS: Final = "int4-fields"
BY_FIELDS: Final = (INT8_FIELDS, INT4_FIELDS)
"""Recipes that hold an item as its fields' embeddings."""
RECIPES: Final[Mapping[str, str]] = {
    FP32: "float32 tables, a folded row an item",
    INT8: "int8 tables, a folded row an item; sums in float32",
    INT8_FIELDS: "int8 tables, an item as its fields' embeddings, folded to float32 when loaded",
    INT4_FIELDS: "embeddings of 4 bits with a float16 scale a row, other tables int8, an item as its "
    "fields' embeddings, folded to float32 when loaded",
}
"""How a file stores its numbers."""
SCALE: Final = "_scale"
"""Ends the name of the scales of a table of integers."""
_WIDE: Final = ("request_linear", "item_linear")
"""int16 with one scale; other tables are int8 with a scale a column, layers with a scale a row."""
_LAYERS: Final = ("layer", "item_first")
EMBEDDINGS: Final = ("request_emb", "item_emb")
"""What int4-fields packs: two values of a row in a byte, an item's fields being rows of their own."""

Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class FoldedRows:
    """One side of the logit, for n items or for n requests."""

    linear: F32
    """The bracket of this side (n,)."""
    sums: F32
    """s (n, d); d is 0 where the model has no products."""
    hidden: F32
    """W e (n, H), with b_1 on the side of requests; H is 0 where it has no layers."""

    def at(self, places: NDArray[np.integer]) -> "FoldedRows":
        """The rows at these places."""
        return FoldedRows(self.linear[places], self.sums[places], self.hidden[places])


@dataclass(frozen=True, slots=True, eq=False)
class FoldedModel:
    """A click model as a device computes it."""

    request: ClickWeights
    """The fields of user and context; its first layer reads these alone."""
    items: FoldedRows
    """A row for each item of the catalogue."""
    item_emb: F32
    """What the rows are made from: the embeddings of each item's fields side by side (I, F · d)."""
    item_first: F32
    """And the first layer's columns that read them (H, F · d), (0, F · d) without layers."""

    def logits(self, rows: I32, items: NDArray[np.integer]) -> F32:
        """Logits (n,) of n request rows (n, W) with an item each (n,), or of one with n items."""
        asked, known = folded(self.request, rows), self.items.at(items)
        z: F32 = asked.linear + known.linear + (asked.sums * known.sums).sum(axis=1)
        return z + after_first(self.request.layers, asked.hidden + known.hidden) if self.request.layers else z

    def rank(self, row: I32, candidates: I64, k: int) -> tuple[I64, F32]:
        """The best k of the candidates (n,), ascending and distinct, for a row (W,): items and logits (k,).

        Ties to the lower item.
        """
        z = self.logits(row[None], candidates)
        best = np.lexsort((candidates, -z))[:k]
        return candidates[best], z[best]


def fold(weights: ClickWeights, catalogue: I32) -> FoldedModel:
    """Fold the fields of items away: ``catalogue`` (I, W) has every item's rows of these fields' tables."""
    of_items = [place for place, field in enumerate(weights.fields) if field.side == ITEM]
    of_requests = [place for place in range(len(weights.fields)) if place not in of_items]
    own = _part(weights, of_items, begins=False)
    item_emb = field_rows(own, catalogue).embedded.reshape(len(catalogue), -1)
    none = np.empty((0, item_emb.shape[1]), np.float32)
    item_first = own.layers[0].weight if own.layers else none
    request = _part(weights, of_requests, begins=True)
    return FoldedModel(request, folded(own, catalogue), item_emb, item_first)


def _part(weights: ClickWeights, chosen: Sequence[int], *, begins: bool) -> ClickWeights:
    """The fields at places ``chosen`` alone; ``begins``: with b and b_1, else with zeros."""
    firsts = np.cumsum([0, *(field.size for field in weights.fields)])
    values = np.concatenate([np.arange(firsts[place], firsts[place + 1]) for place in chosen])
    layers = weights.layers
    if layers:
        columns = [place * weights.dim + k for place in chosen for k in range(weights.dim)]
        bias = layers[0].bias if begins else np.zeros_like(layers[0].bias)
        layers = (DenseLayer(np.ascontiguousarray(layers[0].weight[:, columns]), bias), *layers[1:])
    return replace(
        weights,
        fields=tuple(weights.fields[place] for place in chosen),
        bias=weights.bias if begins else 0.0,
        weight=weights.weight[values],
        embedding=weights.embedding[values],
        layers=layers,
    )


def folded(weights: ClickWeights, rows: I32) -> FoldedRows:
    """One side, from rows (n, W) of all fields that ``weights`` has."""
    found, empty = field_rows(weights, rows), np.empty((len(rows), 0), np.float32)
    linear, sums, hidden = found.linear + np.float32(weights.bias), empty, empty
    if weights.pairs:
        linear, sums = linear + pair_products(found.embedded), found.embedded.sum(axis=1)
    if weights.layers:
        first = weights.layers[0]
        hidden = found.embedded.reshape(len(rows), -1) @ first.weight.T + first.bias
    return FoldedRows(linear, sums, hidden)


def tensors_of(model: FoldedModel, recipe: str) -> dict[str, NDArray[Any]]:
    """What a file of a recipe holds, by name: float32, or the nearest integers with their scales.

    Of BY_FIELDS items are the embeddings of their fields, which are folded when the file is loaded. Biases
    stay float32. The largest number of a column, of a layer's row or of a linear table is 127 or 32,767; of
    zeros the scale is 1. Of 4 bits a row has the scale with the least squared error.
    """
    request, items = model.request, model.items
    known = {
        "bias": np.array([request.bias], np.float32),
        "request_linear": request.weight,
        "request_emb": request.embedding,
        "item_linear": items.linear,
    }
    if recipe in BY_FIELDS:
        known |= {"item_emb": model.item_emb, "item_first": model.item_first}
    else:
        known |= {"item_sums": items.sums, "item_hidden": items.hidden}
    for place, layer in enumerate(request.layers):
        known |= {f"layer{place}_weight": layer.weight, f"layer{place}_bias": layer.bias}
    known = {name: table for name, table in known.items() if table.size}
    if recipe == FP32:
        return known
    found: dict[str, NDArray[Any]] = {}
    for name, table in known.items():
        if name.endswith("bias"):
            found[name] = table
        elif name in EMBEDDINGS and recipe == INT4_FIELDS:
            found |= _halves(name, table.reshape(-1, request.dim))
        else:
            found |= _integers(name, table)
    return found


def _halves(name: str, table: F32) -> dict[str, NDArray[Any]]:
    """A table (n, d) in 4 bits a value, packed (n, ⌈d / 2⌉), and a float16 scale a row (n, 1)."""
    scale = least_error_scale(table.astype(np.float64))[:, None].astype(np.float16)
    scale = np.where(scale > 0, scale, np.float16(1))
    levels = np.clip(np.rint(table / scale.astype(np.float32)), -INT4_QMAX, INT4_QMAX).astype(np.int8)
    return {name: pack_int4(levels), f"{name}{SCALE}": scale}


def _integers(name: str, table: F32) -> dict[str, NDArray[Any]]:
    """A table as integers, and its scales in the shape in which they multiply it."""
    wide = name in _WIDE
    axis = None if wide else int(name.startswith(_LAYERS))  # scales a row of layers, a column of tables
    peak = np.abs(table).max(axis=axis, keepdims=True)
    scale = (peak / np.float32(INT16_MAX if wide else QMAX)).astype(np.float32)
    scale = np.where(scale > 0, scale, np.float32(1))
    return {name: np.rint(table / scale).astype(np.int16 if wide else np.int8), f"{name}{SCALE}": scale}


def read_folded(
    tensors: Tensors, fields: tuple[FeatureField, ...], *, pairs: bool, dim: int = 0
) -> FoldedModel:
    """The model of :func:`tensors_of`: the numbers that the integers stand for. KeyError where one lacks.

    ``dim``: of the embeddings, which those of 4 bits do not tell.
    """

    def table(name: str) -> F32:
        stored = tensors[name]
        found = unpack_int4(stored, dim) if stored.dtype == np.uint8 else stored
        scale = tensors.get(f"{name}{SCALE}")
        wide = found.astype(np.float32)
        return wide if scale is None else wide * scale.astype(np.float32)

    def optional(name: str, rows: int) -> F32:
        return table(name) if name in tensors else np.empty((rows, 0), np.float32)

    places = takewhile(lambda place: f"layer{place}_weight" in tensors, count())
    layers = tuple(DenseLayer(table(f"layer{place}_weight"), table(f"layer{place}_bias")) for place in places)
    linear, items = table("request_linear"), table("item_linear")
    embedding = optional("request_emb", len(linear))
    request = ClickWeights(fields, float(tensors["bias"][0]), linear, embedding, pairs, layers)
    empty = np.empty((len(items), 0), np.float32)
    sums, hidden = optional("item_sums", len(items)), optional("item_hidden", len(items))
    item_emb, item_first = optional("item_emb", len(items)), np.empty((0, 0), np.float32)
    item_emb = item_emb.reshape(len(items), -1) if item_emb.size else item_emb
    if "item_emb" in tensors:
        sums = item_emb.reshape(len(items), -1, embedding.shape[1]).sum(axis=1) if pairs else empty
    if "item_first" in tensors:
        item_first = table("item_first")
        hidden = item_emb @ item_first.T
    return FoldedModel(request, FoldedRows(items, sums, hidden), item_emb, item_first)
