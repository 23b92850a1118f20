"""What a variant recommends, by name, as its record has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recpress_edge.report.front import Section
from recpress_edge.report.points import Point


@dataclass(frozen=True, slots=True)
class ExampleAnswer:
    """One answer."""

    whom: str
    items: tuple[str, ...]
    """Titles, best first."""


@dataclass(frozen=True, slots=True)
class ExampleAnswers:
    """A few answers of one variant."""

    label: str
    answers: tuple[ExampleAnswer, ...]


def examples_of(section: Section, chosen: Point | None) -> ExampleAnswers | None:
    """Of the chosen variant, else of the first with titles; None where no bundle carries any."""
    points = [row.point for row in section.rows]
    for point in [*([chosen] if chosen else []), *points]:
        found = point.first.record["artifact"].get("examples")
        entries = found if isinstance(found, list) else []
        answers = tuple(_answer(e) for e in entries if isinstance(e, dict) and _texts(e, "items"))
        if answers:
            return ExampleAnswers(point.label, answers)
    return None


def _answer(entry: dict[str, Any]) -> ExampleAnswer:
    user, seen = entry.get("user"), _texts(entry, "seen")
    whom = f"user {user}" if type(user) is int else "who consumed " + (", ".join(seen) or "nothing yet")
    return ExampleAnswer(whom, tuple(_texts(entry, "items")))


def _texts(entry: dict[str, Any], name: str) -> Sequence[str]:
    found = entry.get(name)
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
