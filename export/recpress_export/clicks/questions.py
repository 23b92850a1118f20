"""What the self-test of a click bundle asks: every field's missing, unknown and ordinary values and edges."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.selftest import ALWAYS_KNOWN, ClickQuestion, Values, encoded
from recpress_edge.core.rng import stream

DRAWN: Final = 20
"""Requests with drawn values in every field."""
MOST_CANDIDATES: Final = 200
TEXTS: Final = ("a", "Zürich", "東京", "🙂", "e\u0301", " ", "x" * 1000)
"""What hashed fields are asked with: accents, composed and not, more than a byte a letter, a long one."""


def questions(fields: tuple[FeatureField, ...], n_items: int) -> tuple[ClickQuestion, ...]:
    """The questions, without their answers."""
    candidates = np.unique(np.linspace(0, n_items - 1, min(n_items, MOST_CANDIDATES)).astype(np.int64))
    asked = tuple(candidates.tolist())
    return tuple(ClickQuestion(values, encoded(fields, values), asked) for values in requests(fields))


def requests(fields: tuple[FeatureField, ...]) -> Iterator[Values]:
    """Values that touch all that a field can be given; without fields, one request that states nothing."""
    usual = {field.name: next(_ordinary(field)) for field in fields}
    yield usual
    yield {}  # all missing
    for field in fields:
        yield {name: value for name, value in usual.items() if name != field.name}
        for value in (*_special(field), *_ordinary(field)):
            yield usual | {field.name: value}
    rng = stream(0, "click questions")
    for _ in range(DRAWN):
        yield {field.name: _drawn(field, rng) for field in fields}


def _special(field: FeatureField) -> Iterator[Any]:
    """What a field may be given that is no ordinary value."""
    if field.kind in ("numeric", "integer"):
        yield from (*field.edges, -1e30, 1e30, -0.0)
    if field.kind in ALWAYS_KNOWN:
        return
    if field.kind == "integer":
        yield from (field.least - 1, field.most + 1, field.least + 0.5)
        return
    unknown = "?"
    while unknown in field.values:
        unknown += "?"
    yield [unknown] if field.kind == "many" else unknown
    if field.kind == "many":
        yield [*field.values[:1], unknown]
        yield [*field.values, *field.values][: field.capacity + 1]  # one more than counts


def _ordinary(field: FeatureField) -> Iterator[Any]:
    """Values that a field knows, the first and the last; a field that knows none is asked with a text."""
    if field.kind == "hashed":
        yield from TEXTS
    elif field.kind == "numeric":
        yield from (field.edges[:1] or (0.0,))
    elif field.kind == "integer":
        yield from (field.least, field.most)
    else:
        for value in dict.fromkeys((*field.values[:1], *field.values[-1:])) or ("?",):
            yield [value] if field.kind == "many" else value


def _drawn(field: FeatureField, rng: np.random.Generator) -> Any:
    if field.kind == "integer":
        return int(rng.integers(field.least, field.most + 1))
    if field.kind == "numeric":
        return float(rng.choice(field.edges)) if field.edges else 0.0
    known = TEXTS if field.kind == "hashed" else (field.values or ("?",))
    if field.kind != "many":
        return str(known[rng.integers(len(known))])
    return [str(known[place]) for place in rng.integers(0, len(known), rng.integers(1, field.capacity + 1))]
