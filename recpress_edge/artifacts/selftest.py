"""selftest.json: queries with the answers that the model must give before anything is timed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.contract import (
    NOBODY,
    Contract,
    check_range,
    check_score_tolerance,
    check_size,
    check_users,
)
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import canonical_json, read_json

SELFTEST_FILE: Final = "selftest.json"
MAX_SELFTEST_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Queries with the answers that the model must give before anything is timed."""

    k: int
    users: tuple[int | None, ...]
    """None where the bundle holds no users (-1 in the file)."""
    seen: tuple[tuple[int, ...], ...]
    items: tuple[tuple[int, ...], ...]
    scores: tuple[tuple[float, ...], ...]

    def user_indices(self) -> list[int]:
        """The users (Q,), NOBODY where the bundle holds none."""
        return [NOBODY if user is None else user for user in self.users]

    def to_bytes(self) -> bytes:
        """The file's content."""
        facts = {"k": self.k, "users": self.user_indices(), "seen": self.seen}
        return canonical_json(facts | {"items": self.items, "scores": self.scores}) + b"\n"


def read_selftest(folder: Path, contract: Contract) -> SelfTest:
    """A bundle's self-test, with every index checked against the contract."""
    where = folder / SELFTEST_FILE
    check_size(where, MAX_SELFTEST_BYTES)
    test = _parsed(where, read_json(where))
    rows = {len(test.users), len(test.seen), len(test.items), len(test.scores)}
    if len(rows) != 1 or not test.users:
        raise ArtifactError(
            f"{where}: users, seen, items and scores differ in length or are empty", fault="content"
        )
    for items, scores in zip(test.items, test.scores, strict=True):
        if len(items) != len(scores) or not 0 < len(items) <= test.k <= contract.n_items:
            raise ArtifactError(
                f"{where}: an answer of {len(items)} items with {len(scores)} scores, k {test.k}",
                fault="content",
            )
    check_users(where, test.user_indices(), contract)
    for row in (*test.seen, *test.items):
        check_range(where, "item", row, contract.n_items)
    _check_scores(where, contract, [score for row in test.scores for score in row])
    return test


def _parsed(where: Path, value: Mapping[str, Any]) -> SelfTest:
    try:
        return SelfTest(
            _whole(value["k"]),
            tuple(None if u == NOBODY else _whole(u) for u in value["users"]),
            tuple(tuple(map(_whole, row)) for row in value["seen"]),
            tuple(tuple(map(_whole, row)) for row in value["items"]),
            tuple(tuple(map(_figure, row)) for row in value["scores"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ArtifactError(f"{where} is not a self-test: {error!r}", fault="content") from None


def _check_scores(where: Path, contract: Contract, scores: Sequence[float]) -> None:
    strange = next((score for score in scores if not math.isfinite(score)), None)
    if strange is not None:
        raise ArtifactError(f"{where}: a score is {strange}, which no model may answer", fault="answers")
    check_score_tolerance(where, contract, max(map(abs, scores)))


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{str(value)[:80]!r} where a whole number should be")
    return value


def _figure(value: Any) -> float:
    if type(value) not in (int, float):
        raise TypeError(f"{str(value)[:80]!r} where a score should be")
    return float(value)
