"""What a two-stage bundle is asked when it is timed: drawn users, histories and values of every field."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from device_bench.drawn.values import DISTINCT, drawn_values
from recpress_edge.artifacts.clicks.selftest import Values
from recpress_edge.artifacts.two_stages.contract import TwoStageContract
from recpress_edge.artifacts.two_stages.selftest import request_row
from recpress_edge.core.rng import stream
from recpress_edge.device.two_stages.runtimes import StagedRequest

MOST_SEEN: Final = 64
"""Items of a history at most: each has as many as any other number from 0 on."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnStaged:
    """A request as an application states it, by indices."""

    user: int | None
    """None where the bundle knows none."""
    seen: tuple[int, ...]
    """Oldest first, none twice."""
    values: Values

    def feed(self, contract: TwoStageContract, k: int) -> StagedRequest:
        """As the model file takes it."""
        row = np.array(request_row(contract, self.values, self.seen), np.int32)
        return staged_request(contract, self.user, np.array(self.seen, np.int64), row, k)


def staged_request(
    contract: TwoStageContract, user: int | None, seen: np.ndarray, row: np.ndarray, k: int
) -> StagedRequest:
    """A request for the best k, or for as many as are left."""
    retrieve = min(contract.candidates, contract.n_items - np.unique(seen).size)
    return StagedRequest(user, seen, row, retrieve, min(k, retrieve))


def drawn_staged(contract: TwoStageContract, count: int, seed: int) -> list[DrawnStaged]:
    """Requests; the same for the same contract, count and seed: nothing of anybody's log is in them."""
    rng, most = stream(seed, "bench two stages"), min(MOST_SEEN, contract.n_items - 1)
    return [
        DrawnStaged(
            int(rng.integers(contract.n_users)) if contract.n_users else None,
            tuple(rng.choice(contract.n_items, int(rng.integers(most + 1)), replace=False).tolist()),
            drawn_values(contract.stated, rng),
        )
        for _ in range(min(count, DISTINCT))
    ]
