"""CARD.md of a click bundle: what it holds, how it is asked, and what it reaches."""

from collections.abc import Mapping
from typing import Any

from recpress_edge.artifacts.clicks.contract import ClickContract
from recpress_edge.artifacts.clicks.evaluation import EvaluationRows
from recpress_edge.artifacts.clicks.fields import FeatureField
from recpress_edge.artifacts.clicks.metrics import CLICK_METRICS, TITLES
from recpress_edge.core.units import format_bytes, format_share


def click_card(
    facts: Mapping[str, Any], contract: ClickContract, n_bytes: int, test: EvaluationRows | None = None
) -> str:
    """The card's text; ``facts``: name, provenance and quality."""
    provenance, clicks = facts["provenance"], facts["quality"]["clicks"]
    data = provenance["dataset"]
    teacher = provenance["teacher"]["name"] if provenance["teacher"] else "none"
    rows = [
        f"| {name} | {' | '.join(format_share(clicks[part][metric]) for metric in CLICK_METRICS)} |"
        for name, part in (("as trained", "before"), ("this file", "after"))
    ]
    return "\n".join(
        [
            f"# {facts['name']}",
            "",
            f"A click model that ranks candidates among {contract.n_items:,} items for a row of features. "
            f"`{contract.model_file}`, {format_bytes(n_bytes)}, {contract.recipe}, made by "
            f"{provenance['created_by']} from `{provenance['student']}` (teacher: {teacher}), data set "
            f"`{data['name']}`, licence: {data['licence'] or 'not stated'}.",
            "",
            "## What a request states",
            "",
            "| field | side | kind | values |",
            "| --- | --- | --- | --- |",
            *(
                f"| `{field.name}` | {field.side} | {field.kind} | {values_of(field)} |"
                for field in contract.fields
            ),
            "",
            f"Fields of items are folded into a row of each item: {', '.join(contract.folded)}. A field that "
            "is not stated is missing, a value that is not known counts as unknown; both were learned. Hours "
            "and weekdays (0 is Monday) are those that the application gives; the bundle reads no clock.",
            "",
            f"Privacy: {_privacy(contract)}{_rows_inside(test)}",
            "",
            f"## Quality on {clicks['rows']:,} validation rows",
            "",
            f"| | {' | '.join(TITLES[metric] for metric in CLICK_METRICS)} |",
            f"| --- |{' ---: |' * len(CLICK_METRICS)}",
            *rows,
            "",
            f"Made by: `{provenance['command']}`",
            "",
        ]
    )


def _privacy(contract: ClickContract) -> str:
    """Whose ids and vectors are inside."""
    known = [field.name for field in contract.fields if field.side == "user" and field.values]
    if not known:
        return "the bundle holds nothing of any user."
    return (
        f"the vocabularies of {', '.join(known)} name users or what they are, each value with a vector from "
        "which tastes can be inferred. Ship it to machines you control, not to the phones of single users."
    )


def _rows_inside(test: EvaluationRows | None) -> str:
    if test is None:
        return ""
    return (
        f" `evaluation.npz` holds {len(test.labels):,} test rows, what was shown to whom and taken, to judge "
        "the file on a device; no application needs it."
    )


def values_of(field: FeatureField) -> str:
    """What a field knows, in words."""
    words = {
        "integer": f"{field.least} to {field.most}",
        "numeric": f"{len(field.edges) + 1} ranges",
        "hashed": f"any, {field.buckets:,} buckets",
        "many": f"{len(field.values):,}, {field.capacity} of a row",
    }
    return words.get(field.kind, f"{len(field.values):,}")
