"""A trained click model's folder as plain numbers: its fields, and its weights with norms folded in."""

from collections.abc import Mapping
from itertools import count, takewhile
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.clicks.fields import FeatureField, read_field
from recpress_edge.artifacts.clicks.weights import ClickWeights, DenseLayer
from recpress_edge.artifacts.model_folder import FIELD_PREFIX, network_parameters
from recpress_edge.core.errors import ConfigError

NORM_EPSILON: Final = 1e-5
"""Added to the variance of a batch normalisation."""

Arrays = Mapping[str, NDArray[Any]]


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
