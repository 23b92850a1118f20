"""Check a written file: each answer against numpy's, each stored number against the trained one.

A gate on means does not see a single wrong number: at K = 50 an item that enters everybody's list costs
each no more than .02 of overlap. These checks do, and nothing overrules them.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.bundle import Evaluation
from recpress_edge.artifacts.contract import Contract
from recpress_edge.artifacts.integers import INT4_QMAX, QMAX
from recpress_edge.artifacts.item_scale import dimensions_that_tell, outliers_shrunk
from recpress_edge.artifacts.quantize import QuantizedTables
from recpress_edge.artifacts.score16 import MOST, largest_scores, not_fitting
from recpress_edge.core.arrays import F16, F32, F64, I8
from recpress_edge.core.errors import GateError
from recpress_edge.device.tables import read_tables
from recpress_edge.device.verify import difference_beyond_ties, first_difference
from recpress_export.ranking import Question, Recommends, TopLists

WHOLE_USERS: Final = 8
"""Users whose scores of every item are compared."""
_BEST_SEEN: Final = 5
_HALF_STEP: Final = 0.5 + 1e-3
_LOST_IN_HALF: Final = 2.0**-11
"""Largest relative error of float16."""
_SMALLEST_HALF: Final = 2.0**-25


def check_exact(found: TopLists, reference: TopLists, users: Evaluation) -> int:
    """Ids and scores must be equal for each user, else GateError. Returns the number of users."""
    differs = (found.items != reference.items) | (found.scores != reference.scores)
    wrong = differs.any(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        at = int(np.argmax(differs[row]))
        raise GateError(
            f"the file is not exact: {int(wrong.sum())} of {wrong.size} users differ from the numpy "
            f"reference, first user {users.users[row]} at rank {at + 1}: item {found.items[row, at]} "
            f"score {found.scores[row, at]}, expected item {reference.items[row, at]} "
            f"score {reference.scores[row, at]}"
        )
    return int(wrong.size)


def check_close(found: TopLists, reference: TopLists, users: Evaluation, error: float) -> None:
    """Scores may differ by ``error`` of a list's largest, ids where such scores tie; else GateError."""
    largest = np.abs(reference.scores).max(axis=1)  # (B,)
    near = np.abs(found.scores - reference.scores) <= error * largest[:, None]  # not so for NaN
    doubtful = np.flatnonzero(~(near.all(axis=1) & (found.items == reference.items).all(axis=1)))
    for row in doubtful.tolist():
        (got, got_scores), (want, want_scores) = found.of(row), reference.of(row)
        tolerance = float(error * largest[row])
        wrong = difference_beyond_ties(
            got.tolist(), got_scores.tolist(), want.tolist(), want_scores.tolist(), tolerance
        )
        if wrong:
            raise GateError(
                f"the file does not compute what its numbers say: for user {users.users[row]} {wrong}"
            )


def check_sound(found: TopLists, users: Evaluation, n_items: int, retired: Sequence[int] = ()) -> None:
    """Lists of unseen items, each once, as many as there are, with scores that fall; else GateError.

    ``retired``: items that count as seen by everybody.
    """
    for row in range(users.users.size):
        items, scores = found.of(row)
        seen = np.union1d(users.seen(row), np.array(retired, np.int64))
        wrong = ""
        if np.isin(items, seen).any():
            wrong = f"recommends item {items[np.isin(items, seen)][0]}, which the user has seen"
        elif np.unique(items).size < items.size:
            wrong = "names an item twice"
        elif items.size != min(found.items.shape[1], n_items - seen.size):
            wrong = f"recommends {items.size} items of {n_items - seen.size} unseen ones"
        elif not (np.isfinite(scores).all() and (np.diff(scores) <= 0).all()):
            wrong = "gives scores that do not fall"
        if wrong:
            raise GateError(f"for user {users.users[row]} the file {wrong}")


def check_whole(
    runtime: Recommends, reference: Recommends, questions: Sequence[Question], n_items: int, error: float
) -> None:
    """Compare every item's score: also of rows that are in no list of 50. GateError where one differs.

    ``error``: of the largest score, as in :func:`check_close`; 0 where the recipe is exact. The largest of a
    user's questions counts: what is left when the best are seen may be tiny, and its terms are not.
    """
    largest: dict[int, float] = {}
    for user, seen in questions:
        items, scores = runtime.recommend(user, seen, n_items)
        want, right = reference.recommend(user, seen, n_items)
        if error:
            most = float(np.abs(right).max(initial=0))
            if user is not None:
                most = largest[user] = max(most, largest.get(user, 0.0))
            wrong = difference_beyond_ties(
                items.tolist(), scores.tolist(), want.tolist(), right.tolist(), error * most
            )
        else:
            wrong = first_difference(items.tolist(), want.tolist())
            if not wrong and not np.array_equal(scores, right):
                wrong = "scores differ"
        if wrong:
            name = "a history" if user is None else f"user {user}"
            raise GateError(f"the file is not exact over the whole catalogue: at {name} {wrong}")


def whole_questions(reference: Recommends, users: Sequence[int]) -> list[Question]:
    """For :func:`check_whole`: each user, first without seen items, then with the best of that list seen."""
    best = [reference.recommend(user, (), _BEST_SEEN)[0].tolist() for user in users]
    return [*((user, ()) for user in users), *zip(users, best, strict=True)]


def spread_users(n_users: int) -> list[int]:
    """Some users spread over all."""
    return [int(user) for user in np.unique(np.linspace(0, n_users - 1, WHOLE_USERS).astype(np.int64))]


def check_rounding(tables: QuantizedTables, user_emb: F32, item_emb: F32) -> None:
    """Every stored integer must be the one nearest to what it stands for, or at its end; else GateError.

    user_emb (U, D), item_emb (I, D): as they were trained. What is multiplied by nothing but zeros of the
    other table may be anything, as may a dimension in which all items have one level: it ranks nothing.
    """
    scale = tables.item_scale.astype(np.float64)  # (D,)
    if tables.item_row_scale is None:
        items = outliers_shrunk(item_emb) / scale  # one scale for all, so that outliers are shrunk
    else:
        items = item_emb / scale / tables.item_row_scale.astype(np.float64)[:, None]
    users = user_emb * scale / tables.user_scale.astype(np.float64)[:, None]
    asked, answered = (np.abs(table).max(axis=0) > 0 for table in (user_emb, item_emb))
    varied = dimensions_that_tell(np.ones(len(scale), bool), item_emb)
    for kind, stored, wanted, qmax, alive in (
        ("item", tables.item_q, items, QMAX if tables.item_bits == 8 else INT4_QMAX, asked & varied),
        ("user", tables.user_q, users, QMAX, answered & varied),
    ):
        check_nearest(kind, stored * alive, np.clip(wanted, -qmax, qmax) * alive)


def check_scores(user_q: I8, item_q: I8) -> None:
    """Every score must fit 16 bits, where the recipe promises it; else GateError. (U, D), (I, D)"""
    wrong = not_fitting(user_q, item_q)
    if wrong.size:
        largest = int(largest_scores(user_q[wrong[:1]], item_q)[0])
        raise GateError(
            f"{wrong.size} of {len(user_q)} users have a score beyond 16 bits, first user {wrong[0]}: "
            f"{largest}, at most {MOST}. Recipe score16 holds none: take int8-dim, or export again."
        )


def check_nearest(kind: str, stored: NDArray[np.integer], wanted: F64) -> None:
    """Every stored integer must be the one nearest to ``wanted``; else GateError. Both (N, D)."""
    off = ~(np.abs(stored - wanted) <= _HALF_STEP)
    _check_none(off, kind, lambda at: f"{stored[at]} for {wanted[at]:.3f} steps")


def check_stored_floats(stored: F32 | F16, trained: F32, kind: str) -> None:
    """Every stored float must be the trained one to its own precision; else GateError. Both (N, D)."""
    wanted = trained.astype(np.float64)
    allowed = np.abs(wanted) * _LOST_IN_HALF + _SMALLEST_HALF if stored.dtype == np.float16 else 0.0
    off = ~(np.abs(stored.astype(np.float64) - wanted) <= allowed)
    _check_none(off, kind, lambda at: f"{stored[at]} for {trained[at]}")


def _check_none(off: NDArray[np.bool_], kind: str, words: Callable[[tuple[int, int]], str]) -> None:
    if off.any():
        row, column = (int(at) for at in np.argwhere(off)[0])
        raise GateError(
            f"{int(off.sum())} stored numbers are not what they stand for, first {kind} {row}, dimension "
            f"{column}: {words((row, column))}"
        )


def check_tables(model: Path, contract: Contract, wanted: Mapping[str, NDArray[Any] | np.float32]) -> None:
    """The tables read back from a written file must be the wanted ones to the bit; else GateError.

    wanted: under the names of recpress_edge.device.tables.Tables.
    """
    found = read_tables(model, contract)
    for name, table in wanted.items():
        right = np.asarray(table)
        if name not in found or not np.array_equal(found[name].reshape(right.shape), right):
            raise GateError(f"{model.name} does not hold the {name} that was to be written.")
