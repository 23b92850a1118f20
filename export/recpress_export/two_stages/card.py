"""CARD.md of a two-stage bundle: what it answers from, what a request states, what the second stage adds."""

from collections.abc import Mapping
from typing import Any

from recpress_edge.artifacts.two_stages.contract import TwoStageContract
from recpress_edge.artifacts.two_stages.fields import place_of
from recpress_edge.core.metrics import metric_title
from recpress_edge.core.units import format_bytes, format_share
from recpress_export.clicks.card import values_of
from recpress_export.two_stages.quality import gate_words


def two_stage_card(facts: Mapping[str, Any], contract: TwoStageContract, n_bytes: int) -> str:
    """The card's text; ``facts``: name, provenance and quality."""
    provenance, stages = facts["provenance"], facts["quality"]["stages"]
    data, gains = provenance["dataset"], stages["gain"]
    teacher = provenance["teacher"]["name"] if provenance["teacher"] else "none"
    own = ", ".join(field.name for field in contract.of_users) or "none"
    return "\n".join(
        [
            f"# {facts['name']}",
            "",
            f"Two stages in one file, for {_whom(contract)} and {contract.n_items:,} items: "
            f"`{provenance['first_stage']['name']}` finds {contract.candidates} candidates, "
            f"`{provenance['student']}` (teacher: {teacher}) ranks them again with the moment's context. "
            f"`{contract.model_file}`, {format_bytes(n_bytes)}, int8, exact, made by "
            f"{provenance['created_by']} from data set `{data['name']}`, licence: "
            f"{data['licence'] or 'not stated'}.",
            "",
            "## What a request states",
            "",
            f"{'A user, the' if contract.n_users else 'The'} seen items, oldest first, and:",
            "",
            "| field | kind | values |",
            "| --- | --- | --- |",
            *(f"| `{field.name}` | {_kind(field)} |" for field in contract.fields),
            "",
            f"Held for each user: {own}. Folded into a row of each item: {', '.join(contract.folded)}. A "
            "field that is not stated is missing, a value that is not known counts as unknown; both "
            "were learned. Hours and weekdays (0 is Monday) are given by the application; the bundle reads "
            "no clock.",
            "",
            _privacy(contract),
            "",
            "## What the second stage adds",
            "",
            "| | first stage | both | difference, 95 % |",
            "| --- | ---: | ---: | ---: |",
            *(
                _row(split, name, gains[split][name])
                for split in gains
                for name in ("ndcg@10", "recall@10", "recall@50")
            ),
            "",
            *(
                f"{split}: the first stage finds {format_share(gains[split]['found'])} of what was held "
                "out, and the second can find no others."
                for split in gains
            ),
            "",
            f"Gate: {gate_words(stages['gate'])}",
            "",
            f"Made by: `{provenance['command']}`",
            "",
        ]
    )


def _whom(contract: TwoStageContract) -> str:
    return f"{contract.n_users:,} users" if contract.n_users else "any history"


def _privacy(contract: TwoStageContract) -> str:
    if not contract.n_users:
        return "Privacy: the file holds nothing of any user. Whose history it is asked with is not stored."
    return (
        "Privacy: the file holds a vector of each user, from which tastes can be inferred. Ship it to "
        "machines you control, not to the phones of single users."
    )


def _kind(field: Any) -> str:
    if place := place_of(field):
        return f"item | the {'last' if place == 1 else f'last but {place - 1}'} of the seen items"
    return f"{field.kind} | {values_of(field)}"


def _row(split: str, name: str, gain: Mapping[str, float]) -> str:
    told = f"{gain['gain']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
    first, both = (format_share(gain[which]) for which in ("first", "both"))
    return f"| {split} {metric_title(name)} | {first} | {both} | {told} |"
