"""CARD.md: what is in a bundle, where it comes from, what it may be used for."""

from collections.abc import Mapping, Sequence
from typing import Any

from recpress_edge.core.bundle import Contract
from recpress_edge.core.units import format_bytes
from recpress_export.quantize import Recipe


def write_card(
    name: str, contract: Contract, recipe: Recipe, provenance: Mapping[str, Any], quality: Mapping[str, Any]
) -> str:
    """The card's text; it holds nothing that bundle.json does not."""
    data = provenance["dataset"]
    sections = [
        f"# {name}",
        f"Recommends the best unseen of {contract.n_items:,} items to {contract.n_users:,} known users. "
        f"Made by {provenance['created_by']} from the student `{provenance['student']}` "
        f"(method {provenance['method']}, dim {contract.dim}, seed {provenance['seed']}), "
        f"{_teacher(provenance)}.",
        "## Data\n\n"
        + _list(
            [
                f"set: {data['name']}",
                f"licence: {data['licence']}",
                f"split: {data['protocol']}",
                f"digest: `{data['digest']}`",
            ]
        ),
        "## Storage\n\n"
        + _list(
            [
                f"recipe: `{recipe.name}`: {recipe.summary}",
                f"bytes per item row: {recipe.item_row_bytes(contract.dim)}",
                f"bytes per user row: {recipe.user_row_bytes(contract.dim)}",
                f"ties: {contract.tie_rule}",
            ]
        ),
        f"## Quality\n\nDefinition: {quality['definition']['valid']} (valid); "
        f"{quality['definition']['test']} (test).\n\n"
        + _chain(quality["chain"])
        + "\n\n"
        + _parity(quality["parity"]),
        "## Use\n\n```\ndevice_bench run .        # verifies, runs the self-test, measures\n```\n\n"
        f"`{contract.model_file}` takes `{contract.user_input}` int64 [1], `{contract.seen_input}` int64 "
        f"[n] (may be empty) and `{contract.k_input}` int64 [1] with k at most the number of unseen "
        f"items; it gives `{contract.items_output}` int64 [k] and `{contract.scores_output}` float32 [k]. "
        "Check ids before the call: runtimes wrap negative indices. Row n of `users.txt` and "
        "`items.txt` is the external id of index n.",
        "## Limits\n\n"
        + _list(
            [
                "Users and items that were not in the log when it was trained cannot be served.",
                "Items with few interactions are recommended less well than popular ones.",
                "Scores order one user's items; scores of different users must not be compared.",
                f"Privacy: this is an {contract.profile} bundle. It holds a vector of every user, from which "
                "tastes can be inferred. Ship it to machines you control, not to the phones of single users.",
            ]
        ),
    ]
    return "\n\n".join(sections) + "\n"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _teacher(provenance: Mapping[str, Any]) -> str:
    teacher = provenance["teacher"]
    return f"distilled from `{teacher['name']}`" if teacher else "trained without a teacher"


def _chain(chain: Sequence[Mapping[str, Any]]) -> str:
    rows = ["| stage | bytes | valid Recall@50 | test Recall@50 |", "|---|---|---|---|"]
    for stage in chain:
        size = format_bytes(stage["bytes"]) if stage["bytes"] else ""
        cells = [_figure(stage[split], "recall@50") for split in ("valid", "test")]
        rows.append(f"| {stage['stage']}: {stage['name']} | {size} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _figure(metrics: Mapping[str, float] | None, key: str) -> str:
    return f"{metrics[key]:.4f}" if metrics and key in metrics else ""


def _parity(parity: Mapping[str, Any]) -> str:
    change, overlap = parity["change"]["recall@50"], parity["overlap"]["overlap@50"]
    delta = change["delta"]
    exact = (
        f" Ids and scores equal the integer reference for all {parity['exact_users']:,} of them."
        if parity["exact_users"] is not None
        else ""
    )
    return (
        f"On {parity['users']:,} validation users against {parity['reference']}: "
        f"overlap@50 {overlap['mean']:.4f} (lowest user {overlap['lowest']:.2f}), "
        f"Recall@50 {change['before']:.4f} to {change['after']:.4f}, "
        f"difference {delta['mean']:+.4f} [{delta['low']:+.4f}, {delta['high']:+.4f}] "
        "(95 % paired bootstrap)." + exact
    )
