"""What a click bundle is asked when it is timed: drawn values of every field, and drawn candidates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from device_bench.drawn.values import CANDIDATES, DISTINCT, drawn_values
from recpress_edge.artifacts.clicks.contract import ClickContract
from recpress_edge.artifacts.clicks.selftest import Values, encoded
from recpress_edge.core.arrays import I32, I64
from recpress_edge.core.rng import stream

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

    The same for the same contract, count and seed.
    """
    rng = stream(seed, "bench clicks")
    size = min(CANDIDATES, contract.n_items)
    return [
        DrawnRequest(
            drawn_values(contract.fields, rng),
            np.sort(rng.choice(contract.n_items, size, replace=False)).astype(np.int64),
        )
        for _ in range(min(count, DISTINCT))
    ]


def whole_catalogue(feeds: Sequence[Feed], contract: ClickContract, k: int) -> list[Feed]:
    """The same requests with every item as a candidate."""
    items = np.arange(contract.n_items, dtype=np.int64)
    return [(row, items, min(k, items.size)) for row, _, _ in feeds]
