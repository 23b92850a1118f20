"""What a click bundle is asked when it is timed: drawn values of every field, and drawn candidates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.clicks.contract import ClickContract
from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.selftest import Values, encoded
from recpress_edge.core.arrays import I32, I64
from recpress_edge.core.rng import stream

CANDIDATES: Final = 200
"""What a first stage hands to a click model."""
DISTINCT: Final = 1000
"""So many different requests are prepared at most; the order then repeats."""

Feed = tuple[I32, I64, int]
"""As a runtime's ``rank`` takes it: row, candidates, k."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnRequest:
    """A request as an application states it."""

    values: Values
    candidates: I64
    """Item indices, ascending and distinct."""

    def feed(self, contract: ClickContract, k: int) -> Feed:
        """As the model file takes it."""
        row = np.array(encoded(contract.fields, self.values), np.int32)
        return row, self.candidates, min(k, self.candidates.size)


def drawn_requests(contract: ClickContract, count: int, seed: int) -> list[DrawnRequest]:
    """Requests with a value that every field knows, and CANDIDATES items or as many as there are.

    The same for the same contract, count and seed: nothing of anybody's log is in them.
    """
    rng = stream(seed, "bench clicks")
    size = min(CANDIDATES, contract.n_items)
    return [
        DrawnRequest(
            {field.name: _drawn(field, rng) for field in contract.fields},
            np.sort(rng.choice(contract.n_items, size, replace=False)).astype(np.int64),
        )
        for _ in range(min(count, DISTINCT))
    ]


def whole_catalogue(feeds: Sequence[Feed], contract: ClickContract, k: int) -> list[Feed]:
    """The same requests with every item as a candidate."""
    items = np.arange(contract.n_items, dtype=np.int64)
    return [(row, items, min(k, items.size)) for row, _, _ in feeds]


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
