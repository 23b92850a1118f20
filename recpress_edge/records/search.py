"""What ``recpress-edge tune`` found, as a record: every candidate, and which was chosen."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from recpress_edge.core.metrics import metric_title
from recpress_edge.core.units import UNKNOWN, format_bytes, format_recall

TUNE_KIND: Final = "recpress.tune/"
TUNE_SCHEMA: Final = f"{TUNE_KIND}1"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A try that a file could hold."""

    name: str
    recipe: str
    size: str
    figures: tuple[str, ...]
    """On validation, rounding included, then its worth; one a column."""
    outcome: str
    """What became of it: chosen, tried, pruned or failed, with the reason."""
    chosen: bool


@dataclass(frozen=True, slots=True)
class SearchRecord:
    """A search, best candidate first."""

    path: str
    title: str
    columns: tuple[str, ...]
    """Of the figures of its candidates."""
    candidates: tuple[Candidate, ...]
    verdict: tuple[str, ...]
    """Sentences of the test; empty where the search is not at its end."""


def taught_name(name: str, teacher: str | None) -> str:
    """'soft_dim21 of ease', by the teacher's folder; an ensemble is called so, without its members."""
    of = re.sub(r"-s\d+-[0-9a-f]{8}$", "", teacher or "")
    if not of:
        return name
    return f"{name} of {'ensemble' if of.startswith('ensemble') else of}"


def search_record(facts: Mapping[str, Any], path: str) -> SearchRecord:
    """A search from its file; KeyError, TypeError or ValueError where that is none."""
    if facts["schema"] != TUNE_SCHEMA:
        raise ValueError(f"its schema is {facts['schema']!r}, not {TUNE_SCHEMA!r}")
    tries = [trial for trial in facts["trials"] if trial["recipe"] is not None]
    shown = tuple(facts["shown"])
    ranked = sorted(tries, key=lambda trial: -(trial["worth"] or 0.0))
    asked = facts["asked"]
    return SearchRecord(
        path=path,
        title=f"{asked['data']}, at most {format_bytes(asked['max_bytes'])}",
        columns=(*map(metric_title, shown), "worth"),
        candidates=tuple(_candidate(trial, shown, facts.get("chosen")) for trial in ranked),
        verdict=tuple(map(str, facts.get("said", ()))),
    )


def _candidate(
    trial: Mapping[str, Any], shown: tuple[str, ...], chosen: Mapping[str, Any] | None
) -> Candidate:
    is_chosen, valid = trial == chosen, trial["valid"] or {}
    state = "chosen" if is_chosen else "tried" if trial["state"] == "done" else str(trial["state"])
    values = (*(valid.get(metric) for metric in shown), trial["worth"])
    return Candidate(
        name=taught_name(str(trial["name"]), trial["teacher"]),
        recipe=str(trial["recipe"]),
        size=UNKNOWN if trial["file_bytes"] is None else format_bytes(trial["file_bytes"]),
        figures=tuple(UNKNOWN if value is None else format_recall(value) for value in values),
        outcome=": ".join(filter(None, (state, trial["reason"]))),
        chosen=is_chosen,
    )
