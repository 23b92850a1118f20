"""The rows of a bundle: id maps, the self-test with its answers, and the evaluation users."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import (
    EVALUATION_FILE,
    ITEMS_FILE,
    SELFTEST_FILE,
    USERS_FILE,
    Evaluation,
    SelfTest,
)
from recpress_edge.artifacts.ids import encode_ids
from recpress_edge.core.files import write_atomic
from recpress_edge.core.rng import stream
from recpress_export.ranking import Question, Recommends

SELFTEST_USERS: Final = 64
SELFTEST_K: Final = 50
# float32 products in another order differ by some 1e-7 of the largest score; 1e-5 leaves room for every CPU.
FLOAT_TOLERANCE: Final = 1e-5


def score_tolerance(test: SelfTest, *, exact: bool) -> float:
    """Largest difference from the self-test's scores that the contract of tables allows."""
    return 0.0 if exact else FLOAT_TOLERANCE * largest_score(test)


def largest_score(test: SelfTest) -> float:
    """The largest absolute score of the self-test."""
    return max(abs(score) for row in test.scores for score in row)


def spread_questions(n_users: int, test: Evaluation) -> list[Question]:
    """Up to 64 users spread over all, with what the test split masks for them; the first has seen nothing."""
    users = np.unique(np.linspace(0, n_users - 1, SELFTEST_USERS).astype(np.int64)).tolist()
    rows = {int(user): row for row, user in enumerate(test.users)}
    return [
        (user, test.seen(rows[user]).tolist() if n and user in rows else []) for n, user in enumerate(users)
    ]


def answered(runtime: Recommends, questions: Sequence[Question], n_items: int) -> SelfTest:
    """Questions with the answers of the reference, or of a file, as a self-test."""
    answers = [(user, tuple(seen), *runtime.recommend(user, seen, SELFTEST_K)) for user, seen in questions]
    kept = [row for row in answers if row[2].size]  # no answer for a user who has seen everything
    return SelfTest(
        min(SELFTEST_K, n_items),
        tuple(user for user, _, _, _ in kept),
        tuple(seen for _, seen, _, _ in kept),
        tuple(tuple(items.tolist()) for _, _, items, _ in kept),
        tuple(tuple(float(score) for score in scores) for _, _, _, scores in kept),
    )


def made_histories(n_items: int, *, in_order: bool = True) -> list[NDArray[np.int64]]:
    """Random histories for a self-test, which may be shipped because they are no user's. The first is empty.

    Sorted by item index where ``in_order``.
    """
    rng = stream(0, "self-test histories")
    longest = min(n_items - 1, 200)
    sizes = np.unique(np.geomspace(1, longest + 1, SELFTEST_USERS).astype(np.int64)) - 1
    drawn = [rng.choice(n_items, int(size), replace=False) for size in sizes]
    return [np.sort(items) for items in drawn] if in_order else drawn


def write_rows(
    draft: Path,
    user_ids: Sequence[str],
    item_ids: Sequence[str],
    selftest: SelfTest,
    test: Evaluation | None,
) -> None:
    """Write the id maps, the self-test and, if there are any, the evaluation rows."""
    write_atomic(draft / USERS_FILE, encode_ids("user", user_ids))
    write_atomic(draft / ITEMS_FILE, encode_ids("item", item_ids))
    write_atomic(draft / SELFTEST_FILE, selftest.to_bytes())
    if test is not None:
        write_atomic(draft / EVALUATION_FILE, test.to_bytes())
