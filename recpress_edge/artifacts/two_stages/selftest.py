"""selftest.json of a two-stage bundle: requests with their rows and answers, and what they must touch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.clicks.fields import FIRST, MISSING
from recpress_edge.artifacts.clicks.selftest import ClickQuestion, Values, encoded, read_questions, untouched
from recpress_edge.artifacts.contract import check_range
from recpress_edge.artifacts.selftest import SELFTEST_FILE
from recpress_edge.artifacts.two_stages.contract import TwoStageContract
from recpress_edge.artifacts.two_stages.fields import place_of
from recpress_edge.core.errors import ArtifactError


@dataclass(frozen=True, slots=True)
class TwoStageQuestion:
    """A request with the answer that the model must give, to the bit."""

    user: int | None
    """None of a bundle without users."""
    seen: tuple[int, ...]
    """Item indices, oldest first."""
    values: Values
    row: tuple[int, ...]
    """What the values and the last items become (W,)."""
    items: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()


def request_row(contract: TwoStageContract, values: Values, seen: tuple[int, ...]) -> tuple[int, ...]:
    """The row (W,) of a request: a field that it does not state is missing, and so is an item before the
    first; ``seen``: item indices, oldest first.
    """
    last = [seen[-place] if place <= len(seen) else None for place in map(place_of, contract.fields) if place]
    return (*encoded(contract.stated, values), *(MISSING if item is None else FIRST + item for item in last))


def read_two_stage_selftest(folder: Path, contract: TwoStageContract) -> tuple[TwoStageQuestion, ...]:
    """A bundle's self-test; ArtifactError where it is damaged, contradicts its fields or leaves some out."""
    where = folder / SELFTEST_FILE
    found = read_questions(where, _question, lambda question: _check(where, question, contract))
    for missing in left_out(contract, found):
        raise ArtifactError(f"{where} does not ask with {missing}", fault="content")
    return found


def _question(found: Mapping[str, Any]) -> TwoStageQuestion:
    seen, row, items = (tuple(found[name]) for name in ("seen", "row", "items"))
    if not all(type(number) is int for part in (seen, row, items) for number in part):
        raise TypeError("whole numbers are expected")
    if type(found["user"]) not in (int, type(None)):
        raise TypeError(f"{found['user']!r} is no user")
    scores = tuple(float(score) for score in found["scores"])
    return TwoStageQuestion(found["user"], seen, dict(found["values"]), row, items, scores)


def _check(where: Path, question: TwoStageQuestion, contract: TwoStageContract) -> None:
    if (question.user is None) != (not contract.n_users):
        raise ValueError(f"user {question.user} of {contract.n_users}")
    check_range(where, "user", () if question.user is None else (question.user,), contract.n_users)
    check_range(where, "item", question.seen, contract.n_items)
    check_range(where, "item", question.items, contract.n_items)
    answered = 0 < len(question.items) == len(question.scores) <= contract.candidates
    distinct = len({*question.items}) == len(question.items) and not {*question.items} & {*question.seen}
    if not answered or not distinct or request_row(contract, question.values, question.seen) != question.row:
        raise ArtifactError(f"{where}: a question contradicts its fields or its answer", fault="content")


def left_out(contract: TwoStageContract, questions: tuple[TwoStageQuestion, ...]) -> Iterator[str]:
    """What a self-test does not ask with: of each field what a click model's must, and histories of no item
    and of as many as are read.
    """
    rows = tuple(ClickQuestion(one.values, one.row, ()) for one in questions)
    yield from untouched(contract.stated, rows)
    read = sum(place_of(field) > 0 for field in contract.fields)
    if not any(not one.seen for one in questions):
        yield "an empty history"
    if not any(len(one.seen) >= max(read, 1) for one in questions):
        yield f"a history of {max(read, 1)} items"
