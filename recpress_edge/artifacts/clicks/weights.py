"""A click model as plain numbers: its fields, tables and layers, and its logits by numpy. Never torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.clicks.fields import FeatureField, read_field
from recpress_edge.artifacts.model_folder import FIELD_PREFIX, network_parameters
from recpress_edge.core.arrays import F32, I32
from recpress_edge.core.errors import ConfigError

NORM_EPSILON: Final = 1e-5
"""Added to the variance of a batch normalisation."""

Arrays = Mapping[str, NDArray[Any]]


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


def read_fields(
    architecture: Mapping[str, Any], arrays: Arrays, prefix: str = ""
) -> tuple[FeatureField, ...]:
    """The fields of a stored click model; ``prefix`` of the names of their vocabularies."""
    found = []
    for entry in architecture["fields"]:
        values = arrays.get(f"{FIELD_PREFIX}{prefix}{entry['name']}")
        found.append(read_field(entry, [] if values is None else values.tobytes().decode().split("\n")[:-1]))
    return tuple(found)


def read_weights(architecture: Mapping[str, Any], arrays: Arrays) -> ClickWeights:
    """A click model from its record's architecture and its arrays; ConfigError for one with crosses."""
    if architecture["crosses"]:
        raise ConfigError(
            f"the model has crosses ({', '.join(architecture['crosses'])}), whose values belong to a user "
            "and an item at once. Train it without: method.crosses = []"
        )
    known, fields = network_parameters(arrays), read_fields(architecture, arrays)
    size = sum(field.size for field in fields)
    hidden = [
        _normalised(known, place)
        for place in takewhile(lambda place: f"deep.hidden.{place}.weight" in known, count())
    ]
    last = [DenseLayer(known["deep.output.weight"], known["deep.output.bias"])] if hidden else []
    return ClickWeights(
        fields,
        float(known["tables.bias"][0]),
        known["tables.weight"],
        known.get("tables.embedding", np.empty((size, 0), np.float32)),
        architecture["pairs"],
        (*hidden, *last),
    )


def _normalised(known: Arrays, place: int) -> DenseLayer:
    """A hidden layer with its batch normalisation, computed in float64."""
    weight, bias = (known[f"deep.hidden.{place}.{name}"].astype(np.float64) for name in ("weight", "bias"))
    if f"deep.norms.{place}.mean" in known:
        mean, variance, gain, shift = (
            known[f"deep.norms.{place}.{name}"].astype(np.float64)
            for name in ("mean", "variance", "gain", "shift")
        )
        scale = gain / np.sqrt(variance + NORM_EPSILON)
        weight, bias = weight * scale[:, None], (bias - mean) * scale + shift
    return DenseLayer(weight.astype(np.float32), bias.astype(np.float32))


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
