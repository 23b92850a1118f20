"""Values of fields, drawn: what a bundle is asked when it is timed, nothing of anybody's log."""

from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.clicks.fields import FeatureField

CANDIDATES: Final = 200
"""What a first stage hands to a click model."""
DISTINCT: Final = 1000
"""So many different requests are prepared at most; the order then repeats."""


def drawn_values(fields: tuple[FeatureField, ...], rng: np.random.Generator) -> dict[str, Any]:
    """A value of each field that the field knows."""
    return {field.name: _drawn(field, rng) for field in fields}


def _drawn(field: FeatureField, rng: np.random.Generator) -> Any:
    if field.kind == "integer":
        return int(rng.integers(field.least, field.most + 1))
    if field.kind == "numeric":
        return float(rng.choice(field.edges)) if field.edges else 0.0
    if field.kind == "hashed":
        return str(rng.integers(2**31))
    count = 1 if field.kind != "many" else int(rng.integers(1, field.capacity + 1))
    places = rng.integers(0, len(field.values), count) if field.values else ()
    known = [field.values[place] for place in places]
    return known if field.kind == "many" else next(iter(known), None)
