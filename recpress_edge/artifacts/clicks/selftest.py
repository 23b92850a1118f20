"""selftest.json of a click bundle: requests with their rows and answers, and what they must touch."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from recpress_edge.artifacts.clicks.contract import ClickContract
from recpress_edge.artifacts.clicks.fields import FIRST, MISSING, UNKNOWN, FeatureField
from recpress_edge.artifacts.contract import MAX_TOLERANCE, check_range, check_size
from recpress_edge.artifacts.selftest import MAX_SELFTEST_BYTES, SELFTEST_FILE
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.facts import check_plain
from recpress_edge.core.files import canonical_json, read_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Q = TypeVar("Q")
ALWAYS_KNOWN: Final = ("numeric", "hashed")
"""Kinds of fields to which no value is unknown."""
Values = Mapping[str, Any]
"""Of a request, by field: a text, a number or None; of a field of many values a list of texts."""


@dataclass(frozen=True, slots=True)
class ClickQuestion:
    """A request with the answer that the model must give before anything is timed."""

    values: Values
    row: tuple[int, ...]
    """What the values become (W,)."""
    candidates: tuple[int, ...]
    items: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()


def encoded(fields: tuple[FeatureField, ...], values: Values) -> tuple[int, ...]:
    """The row (W,) of a request's values; a field that it does not name is missing."""
    return tuple(row for field in fields for row in field.rows_of(values.get(field.name)))


def agrees(question: ClickQuestion, items: Sequence[int], scores: Sequence[float], tolerance: float) -> bool:
    """Whether an answer is the one expected: its logits within the tolerance, and its items, unless those of
    two places are that near to each other.
    """
    if len(items) != len(question.items):
        return False
    known = dict(zip(question.items, question.scores, strict=True))
    wanted = zip(items, scores, question.scores, strict=True)
    return all(
        abs(score - expected) <= tolerance and abs(known.get(item, score) - score) <= tolerance
        for item, score, expected in wanted
    )


def selftest_bytes(questions: Sequence["DataclassInstance"]) -> bytes:
    """The file's content."""
    return canonical_json({"questions": [asdict(question) for question in questions]}) + b"\n"


def read_questions(
    where: Path, read: Callable[[Mapping[str, Any]], Q], check: Callable[[Q], None]
) -> tuple[Q, ...]:
    """The questions of a file, each read and checked; ArtifactError where it is damaged."""
    check_size(where, MAX_SELFTEST_BYTES)
    facts = read_json(where)
    check_plain(str(where), facts)
    try:
        found = tuple(read(one) for one in facts["questions"])
        for question in found:
            check(question)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{where} is not a self-test: {error!r}", fault="content") from None
    return found


def read_click_selftest(folder: Path, contract: ClickContract) -> tuple[ClickQuestion, ...]:
    """A bundle's self-test; ArtifactError where it is damaged, contradicts its fields or leaves some out."""
    where = folder / SELFTEST_FILE
    found = read_questions(where, _question, lambda question: _check(where, question, contract))
    missing = list(untouched(contract.fields, found))
    if missing:
        raise ArtifactError(f"{where} does not ask with {missing[0]}", fault="content")
    largest = max(abs(score) for question in found for score in question.scores)
    if contract.score_tolerance > MAX_TOLERANCE * largest:
        raise ArtifactError(
            f"{where}: the contract allows {contract.score_tolerance:g}, the largest logit is {largest:g}",
            fault="range",
        )
    return found


def _question(found: Mapping[str, Any]) -> ClickQuestion:
    row, candidates, items = (tuple(found[name]) for name in ("row", "candidates", "items"))
    if not all(type(number) is int for part in (row, candidates, items) for number in part):
        raise TypeError("whole numbers are expected")
    scores = tuple(float(score) for score in found["scores"])
    return ClickQuestion(dict(found["values"]), row, candidates, items, scores)


def _check(where: Path, question: ClickQuestion, contract: ClickContract) -> None:
    check_range(where, "item", question.candidates, contract.n_items)
    ascending = list(question.candidates) == sorted(set(question.candidates))
    answered = 0 < len(question.items) == len(question.scores) and {*question.items} <= {*question.candidates}
    if not ascending or not answered or encoded(contract.fields, question.values) != question.row:
        raise ArtifactError(f"{where}: a question contradicts its fields or its answer", fault="content")


def untouched(fields: tuple[FeatureField, ...], questions: tuple[ClickQuestion, ...]) -> Iterator[str]:
    """What a self-test leaves out: of each field a missing value, an unknown one, a value on each edge."""
    start = 0
    for field in fields:
        rows = {question.row[start] for question in questions}
        start += field.width
        wanted = {"a missing value": MISSING, "a value": None}
        if field.kind not in ALWAYS_KNOWN:
            wanted["an unknown value"] = UNKNOWN
        for what, row in wanted.items():
            if not (max(rows, default=0) >= FIRST if row is None else row in rows):
                yield f"{what} of field {field.name!r}"
        on_edges = {question.values.get(field.name) for question in questions} if field.edges else set()
        yield from (f"the edge {edge} of field {field.name!r}" for edge in {*field.edges} - on_edges)
