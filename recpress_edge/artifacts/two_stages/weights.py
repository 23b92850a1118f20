"""A second stage as plain numbers, its items folded: one row an item, and what a request adds."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.weights import ClickWeights, DenseLayer, field_rows, pair_products
from recpress_edge.core.arrays import F32, I32, I64


@dataclass(frozen=True, slots=True, eq=False)
class SecondWeights:
    """z = a · s₁ / unit + linear_T + s_C · s_T + layers of (W_C e_C + b₁ + hidden_T), ReLU between them."""

    fields: tuple[FeatureField, ...]
    """Of user and context."""
    embedding: F32
    """Of their values, field by field (V, d)."""
    linear: F32
    """A number an item (I,)."""
    sums: F32
    """(I, d)"""
    hidden: F32
    """(I, H)"""
    layers: tuple[DenseLayer, ...]
    """The first reads the fields of user and context alone; the last has one row and no bias."""
    factor: float
    """a / unit."""

    def asked(self, rows: I32) -> F32:
        """Embeddings e_C of the fields of requests (N, W) -> (N, F, d)."""
        return field_rows(
            ClickWeights(
                self.fields, 0.0, np.zeros(len(self.embedding), np.float32), self.embedding, True, ()
            ),
            rows,
        ).embedded

    def z(self, rows: I32, candidates: I64, scores: F32) -> F32:
        """z (N, C) of requests (N, W) with candidates (N, C) and their first-stage scores (N, C)."""
        embedded = self.asked(rows)
        first = embedded.reshape(len(rows), -1) @ self.layers[0].weight.T + self.layers[0].bias
        z = np.float32(self.factor) * scores + self.linear[candidates]
        z = z + np.einsum("nd,ncd->nc", embedded.sum(axis=1), self.sums[candidates])
        values = first[:, None] + self.hidden[candidates]
        for layer in self.layers[1:]:
            values = np.maximum(values, 0) @ layer.weight.T + layer.bias
        found: F32 = z + values[..., 0]
        return found


def read_second(
    fields: tuple[FeatureField, ...],
    item_fields: tuple[FeatureField, ...],
    catalogue: I32,
    parameters: Mapping[str, NDArray[Any]],
    unit: float,
) -> SecondWeights:
    """A trained second stage, folded: ``catalogue`` (I, W_T) has every item's rows of its fields."""
    own = ClickWeights(item_fields, 0.0, parameters["items.weight"], parameters["items.embedding"], True, ())
    found = field_rows(own, catalogue)
    flat = found.embedded.reshape(len(catalogue), -1)
    hidden = [
        DenseLayer(parameters[f"hidden.{place}.weight"], parameters[f"hidden.{place}.bias"])
        for place in takewhile(lambda place: f"hidden.{place}.weight" in parameters, count())
    ]
    first = DenseLayer(parameters["first_asked.weight"], parameters["first_asked.bias"])
    last = DenseLayer(parameters["output"][None], np.zeros(1, np.float32))
    return SecondWeights(
        fields,
        parameters["asked.embedding"],
        found.linear + pair_products(found.embedded),
        found.embedded.sum(axis=1),
        flat @ parameters["first_items.weight"].T,
        (first, *hidden, last),
        float(parameters["scale"][0]) / unit,
    )
