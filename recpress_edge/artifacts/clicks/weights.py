"""A click model as plain numbers: its fields, tables and layers, and its logits by numpy alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.core.arrays import F32, I32


@dataclass(frozen=True, slots=True, eq=False)
class DenseLayer:
    """h = x Wᵀ + b."""

    weight: F32
    """(H, n)"""
    bias: F32
    """(H,)"""


@dataclass(frozen=True, slots=True, eq=False)
class ClickWeights:
    """z = b + Σ_f w_f [+ ½ Σ_k ((Σ_f e_fk)² − Σ_f e_fk²)] [+ layers of all e_f, ReLU between them]."""

    fields: tuple[FeatureField, ...]
    bias: float
    weight: F32
    """w of all values, field by field (V,)."""
    embedding: F32
    """e likewise (V, d); d is 0 where there is none."""
    pairs: bool
    layers: tuple[DenseLayer, ...]
    """Hidden layers, normalisation folded in, and last the output layer (1, H); none for no network."""

    @property
    def dim(self) -> int:
        """d"""
        return int(self.embedding.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class FieldRows:
    """What fields have of the tables, for n rows."""

    linear: F32
    """Σ_f w_f (n,)"""
    embedded: F32
    """e_f (n, F, d), of a field of many values their mean."""


def field_rows(weights: ClickWeights, rows: I32) -> FieldRows:
    """What each field has of the tables, for rows (n, W)."""
    linear, embedded, start, first = np.zeros(len(rows), np.float32), [], 0, 0
    for field in weights.fields:
        part = rows[:, start : start + field.width]
        used = (part >= 0).astype(np.float32)
        share = used / used.sum(axis=1, keepdims=True)  # of a field of one value 1
        values = first + np.maximum(part, 0)
        linear += (weights.weight[values] * share).sum(axis=1)
        embedded.append((weights.embedding[values] * share[..., None]).sum(axis=1))
        start, first = start + field.width, first + field.size
    return FieldRows(linear, np.stack(embedded, axis=1))


def logits(weights: ClickWeights, rows: I32) -> F32:
    """Logits (n,) of rows (n, W) of all fields, by the definition."""
    found = field_rows(weights, rows)
    z = np.float32(weights.bias) + found.linear
    if weights.pairs:
        z = z + pair_products(found.embedded)
    if weights.layers:
        first = found.embedded.reshape(len(rows), -1) @ weights.layers[0].weight.T + weights.layers[0].bias
        z = z + after_first(weights.layers, first)
    return z


def pair_products(embedded: F32) -> F32:
    """½ Σ_k [(Σ_f e_fk)² − Σ_f e_fk²]: (n, F, d) -> (n,)."""
    found: F32 = np.float32(0.5) * (embedded.sum(axis=1) ** 2 - (embedded**2).sum(axis=1)).sum(axis=1)
    return found


def after_first(layers: Sequence[DenseLayer], first: F32) -> F32:
    """The network's part of the logit (n,) from what its first layer has before ReLU (n, H)."""
    hidden = first
    for layer in layers[1:]:
        hidden = np.maximum(hidden, 0) @ layer.weight.T + layer.bias
    return hidden[:, 0]
