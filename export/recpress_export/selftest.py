"""The rows of a bundle: id maps, the self-test with its answers, and the evaluation users."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

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
from recpress_edge.artifacts.contract import NOBODY
from recpress_edge.core.errors import DataError
from recpress_edge.core.files import canonical_json, write_atomic
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
    kept = [row for row in answers if row[2].size]  # who has seen everything has no answer to compare
    return SelfTest(
        min(SELFTEST_K, n_items),
        tuple(user for user, _, _, _ in kept),
        tuple(seen for _, seen, _, _ in kept),
        tuple(tuple(items.tolist()) for _, _, items, _ in kept),
        tuple(tuple(float(score) for score in scores) for _, _, _, scores in kept),
    )


def made_histories(n_items: int, *, in_order: bool = True) -> list[NDArray[np.int64]]:
    """Histories for a self-test, drawn at random: nobody's, so they may be shipped. The first is empty.

    By item index, or, not ``in_order``, as they were drawn.
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
    """The id maps, the self-test and, where they travel along, the evaluation rows."""
    write_atomic(draft / USERS_FILE, id_lines("user", user_ids))
    write_atomic(draft / ITEMS_FILE, id_lines("item", item_ids))
    write_atomic(draft / SELFTEST_FILE, canonical_json(selftest_facts(selftest)) + b"\n")
    if test is not None:
        write_atomic(draft / EVALUATION_FILE, test.to_bytes())


def selftest_facts(test: SelfTest) -> dict[str, Any]:
    """selftest.json."""
    users = [NOBODY if user is None else user for user in test.users]
    return {"k": test.k, "users": users, "seen": test.seen, "items": test.items, "scores": test.scores}


def id_lines(kind: str, ids: Sequence[str]) -> bytes:
    """users.txt and items.txt: one external id a line; row n is the id of index n."""
    for index, name in enumerate(ids):
        if not name or "\n" in name or "\r" in name:
            raise DataError(
                f"{kind} id {name!r} (index {index}) is empty or holds a line break; rename it in the log"
            )
    if len(set(ids)) != len(ids):
        raise DataError(f"the {kind} ids are not distinct: {len(ids)} ids, {len(set(ids))} different ones")
    return "".join(f"{name}\n" for name in ids).encode()
