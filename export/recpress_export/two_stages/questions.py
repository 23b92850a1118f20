"""What the self-test of a two-stage bundle asks: special values of every field, histories of all lengths."""

import numpy as np

from recpress_edge.artifacts.two_stages.contract import TwoStageContract
from recpress_edge.artifacts.two_stages.selftest import TwoStageQuestion, request_row
from recpress_edge.core.rng import stream
from recpress_export.clicks.questions import requests

MOST_SEEN = 40
FEWEST = 24
"""Questions at least, where few fields are stated."""


def stage_questions(contract: TwoStageContract) -> tuple[TwoStageQuestion, ...]:
    """The questions, without their answers: users and histories are drawn, the first history is empty."""
    rng, found = stream(0, "two stage questions"), []
    asked = list(requests(contract.stated))
    asked += [asked[place % len(asked)] for place in range(max(FEWEST - len(asked), 0))]
    most = min(MOST_SEEN, contract.n_items // 2)
    for number, values in enumerate(asked):
        size = min(number, 3) if number < 4 else int(rng.integers(0, most + 1))
        seen = tuple(rng.permutation(contract.n_items)[:size].tolist())
        user = int(rng.integers(0, contract.n_users)) if contract.n_users else None
        found.append(TwoStageQuestion(user, seen, values, request_row(contract, values, seen)))
    longest = tuple(np.arange(most).tolist())
    found.append(
        TwoStageQuestion(
            0 if contract.n_users else None, longest, asked[0], request_row(contract, asked[0], longest)
        )
    )
    return tuple(found)
