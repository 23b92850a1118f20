"""CARD.md: what a bundle holds, where it comes from, and what to use it for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recpress_edge.artifacts.bundle import Contract, Evaluation
from recpress_edge.artifacts.contract import ALL_USERS, HISTORY, SINGLE_USER
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.metrics import DEFAULT_CUTOFF, metric_title, shown_metrics, stated_cutoff
from recpress_edge.core.units import format_bytes, format_share
from recpress_edge.device.cores import core_lines
from recpress_export.profiles import stored_text

CARD_FILE: Final = "CARD.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class _ProfileWords:
    """What the card says of a profile."""

    audience: str
    unknown: str = "Users and items that were not in the log when it was trained cannot be served."
    privacy: str
    asked_with: str = "made-up"
    """Whose histories the self-test asks with."""
    of_rows: str = ""


_WORDS: Final[Mapping[str, _ProfileWords]] = {
    ALL_USERS: _ProfileWords(
        audience="{n_users:,} known users",
        privacy="this is an all-users bundle. It holds a vector of every user, from which tastes can be "
        "inferred. Ship it to machines you control, not to the phones of single users.",
    ),
    SINGLE_USER: _ProfileWords(
        audience="one user",
        privacy="this is a single-user bundle. It holds the vector and the id of one user and of nobody "
        "else. Ship it to that user. Do not quote its size beside that of an all-users bundle: they are "
        "different products.",
        asked_with="the user's own",
    ),
    HISTORY: _ProfileWords(
        audience="whoever gives the items consumed so far, known or new",
        unknown="Items that were not in the log when it was trained cannot be served. An empty history gets "
        "one and the same list for everybody.",
        privacy="this is a history bundle. The model file holds no vector of any user, and histories stay "
        "on the device. Item rows are learned from everybody's histories, so an item that only one user "
        "consumed still says something about that user.",
        of_rows=", without their ids",
    ),
}


def write_card(
    name: str,
    contract: Contract,
    recipe: Recipe,
    provenance: Mapping[str, Any],
    quality: Mapping[str, Any],
    rows: Evaluation | None,
) -> str:
    """The card's text. ``rows``: the evaluation rows that travel in the bundle."""
    words = _WORDS[contract.profile]
    sections = [
        f"# {name}",
        f"Recommends the best unseen of {contract.n_items:,} items to "
        f"{words.audience.format(n_users=contract.n_users)}. "
        f"Made by {provenance['created_by']} from the student `{provenance['student']}` "
        f"(method {provenance['method']}, dim {contract.dim}, seed {provenance['seed']}), "
        f"{_teacher(provenance)}.",
        _section("Data", *_data(provenance["dataset"])),
        _section(
            "Storage",
            f"recipe: `{recipe.name}`: {stored_text(recipe.summary, contract.profile)}",
            *_row_storage(contract, recipe, provenance),
            *(f"order of the items: {why}" for why in [provenance.get("order", {}).get("why")] if why),
            *core_lines(contract.format, provenance.get("core", "")),
            f"ties: {contract.tie_rule}",
        ),
        _quality(contract, quality),
        *_updates(contract, provenance.get("updates", [])),
        _use(contract),
        _section(
            "Limits",
            words.unknown,
            "Items with few interactions are recommended less well than popular ones.",
            "Scores order one user's items; scores of different users must not be compared.",
            f"Privacy: {words.privacy}",
            _rows(words, rows),
        ),
    ]
    return "\n\n".join(sections) + "\n"


def _section(title: str, *lines: str) -> str:
    return f"## {title}\n\n{_list(lines)}"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _teacher(provenance: Mapping[str, Any]) -> str:
    teacher = provenance["teacher"]
    if provenance["method"] == "imported":
        return "trained elsewhere"
    return f"distilled from `{teacher['name']}`" if teacher else "trained without a teacher"


def _data(data: Mapping[str, Any]) -> list[str]:
    ties = [f"ties in time: {data['ties']}"] if data.get("ties") else []
    return [
        f"set: {data['name']}",
        f"licence: {data['licence']}",
        f"split: {data['protocol']}",
        *ties,
        f"digest: `{data['digest']}`",
    ]


def _row_storage(contract: Contract, recipe: Recipe, provenance: Mapping[str, Any]) -> list[str]:
    network = provenance.get("network")
    if network:
        versions = ", ".join(f"{name} {number}" for name, number in network["versions"].items())
        level = f", opset {network['opset']}, IR {network['ir_version']}" if "opset" in network else ""
        origin = f"traced by {versions}" if versions else f"brought as {network['source']}"
        unknown = network.get("items_unknown", 0)
        lost = [f"items that the network does not know, never recommended: {unknown:,}"] if unknown else []
        return [f"network: {network['kind']}, {origin}{level}", *lost]
    size, of_users = recipe.user_row_bytes(contract.dim), "bytes per user row"
    if contract.profile == HISTORY:
        size -= recipe.user_extra_bytes
        of_users = "bytes per item row of the history table, which stands in for the users"
    return [f"bytes per item row: {recipe.item_row_bytes(contract.dim)}", f"{of_users}: {size}"]


def _use(contract: Contract) -> str:
    integer = FORMATS[contract.format].index_type
    return (
        "## Use\n\n```\ndevice_bench run .        # verifies, runs the self-test, measures\n```\n\n"
        f"`{contract.model_file}` takes {_inputs(contract, integer)} and `{contract.k_input}` {integer} [1] "
        f"with k at most the number of unseen items; it gives `{contract.items_output}` {integer} "
        f"[k] and `{contract.scores_output}` float32 [k]. "
        "Check ids before the call: runtimes wrap negative indices. Row n of `users.txt` and "
        "`items.txt` is the external id of index n."
    )


def _inputs(contract: Contract, integer: str) -> str:
    seen = f"`{contract.seen_input}` {integer} [n] (may be empty)"
    if contract.seen_capacity:
        seen = (
            f"`{contract.seen_input}` int32 [{contract.seen_capacity}] (unused entries hold "
            f"{contract.n_items}; resize the input for more)"
        )
    if contract.user_input:
        return f"`{contract.user_input}` {integer} [1], {seen}"
    if contract.history_length:
        return (
            f"{seen}: the items consumed so far, oldest first, of which the last "
            f"{contract.history_length} are read and none is recommended again,"
        )
    if contract.profile == HISTORY:
        return f"{seen}: the distinct items consumed so far, of which none is recommended again,"
    return seen


def _rows(words: _ProfileWords, rows: Evaluation | None) -> str:
    """Whose interactions travel along."""
    if rows is None:
        return (
            f"Inside: no evaluation rows. The self-test asks with {words.asked_with} histories. Recall and "
            "NDCG cannot be measured on the device: export --with-evaluation brings the rows along."
        )
    return (
        f"Inside: `evaluation.npz` holds what {rows.users.size:,} test users consumed{words.of_rows}, for "
        "the benchmark. An application does not need it."
    )


def _quality(contract: Contract, quality: Mapping[str, Any]) -> str:
    k = stated_cutoff(quality)
    definition = quality["definition"]
    return (
        f"## Quality\n\nDefinition: {definition['valid']} (valid); {definition['test']} (test).\n\n"
        f"{_chain(quality['chain'], k)}\n\n{_parity(quality['parity'])}"
        + _fold_in(quality.get("fold_in"))
        + _small(contract, k)
    )


def _fold_in(beside: Mapping[str, Any] | None) -> str:
    """What the history costs against the user table that it replaces; nothing for the other profiles."""
    if beside is None or not beside["change"]:
        return ""
    return (
        f"\n\nWithout a user table: on the same {beside['users']:,} validation users, where both know the "
        f"train items alone and mask them, from the user table to the history: {_changes(beside)}. "
        "Of the rows above, teacher and student know the train items alone, on test as well, and mask what "
        "their own records say; the file is given the valid items too when it is asked about test."
    )


def _small(contract: Contract, k: int) -> str:
    """Why another K than 50 judges; nothing where 50 does."""
    if k == DEFAULT_CUTOFF:
        return ""
    return (
        f"\n\nK is {k}: of a catalogue of {contract.n_items:,} items the first {DEFAULT_CUTOFF} hold most of "
        "what is relevant in whatever order."
    )


def _chain(chain: Sequence[Mapping[str, Any]], k: int) -> str:
    shown = [(split, metric) for split in ("valid", "test") for metric in shown_metrics(k)]
    titles = [f"{split} {metric_title(metric)}" for split, metric in shown]
    rows = [f"| stage | bytes | {' | '.join(titles)} |", "|---" * (2 + len(shown)) + "|"]
    for stage in chain:
        size = format_bytes(stage["bytes"]) if stage["bytes"] else ""
        cells = [_figure(stage[split], metric) for split, metric in shown]
        rows.append(f"| {stage['stage']}: {stage['name']} | {size} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _updates(contract: Contract, updates: Sequence[Mapping[str, Any]]) -> list[str]:
    """What changed since the figures above were measured; nothing where nothing did."""
    if not updates:
        return []
    lines = []
    for entry in updates:
        recall = entry.get("recall")
        clipped = f"; {entry['clipped_rows']:,} new rows clipped" if entry["clipped_rows"] else ""
        lines.append(
            f"{entry['appended']:,} appended, {entry['replaced']:,} replaced, {entry['retired']:,} retired"
            f"{clipped}" + (_recalled(recall) if recall else "")
        )
    return [
        "## Updates\n\nThe catalogue was changed after the figures above were measured.\n\n"
        + _list(lines)
        + f"\n\n{len(contract.retired):,} retired items keep their index and are never recommended: "
        "count them as seen when you choose k."
    ]


def _recalled(recall: Mapping[str, Any]) -> str:
    metric = f"{recall['split']} Recall@{recall['cutoff']}"
    return f"; {metric} {recall['before']:.4f} to {recall['after']:.4f}"


def _figure(metrics: Mapping[str, float | None] | None, key: str) -> str:
    return format_share(metrics[key]) if metrics and key in metrics else ""


def _parity(parity: Mapping[str, Any]) -> str:
    k = parity["cutoff"]
    overlap = parity["overlap"][f"overlap@{k}"]
    if parity["certain"]:
        return (
            f"Recall@{k} is 1 for any file: none of the {parity['users']:,} validation users has more than "
            f"{k} items to rank." + _gate(parity["gate"])
        )
    exact = ""
    if parity["exact_users"] is not None:
        exact = f" Ids and scores equal the integer reference for all {parity['exact_users']:,} of them."
    users, changes, thirds = "users with nothing held out", "", ""
    if parity["change"]:
        users, thirds = "validation users", _thirds(parity["by_popularity"], k)
        changes = f", {_changes(parity)} (95 % paired bootstrap)"
    return (
        f"On {parity['users']:,} {users} against {parity['reference']}: overlap@{k} {overlap['mean']:.4f} "
        f"(lowest user {overlap['lowest']:.2f}){changes}." + exact + thirds + _gate(parity["gate"])
    )


def _changes(parity: Mapping[str, Any]) -> str:
    """Each metric before and after, and the difference."""
    return "; ".join(
        f"{metric_title(metric)} {change['before']:.4f} to {change['after']:.4f}, "
        f"difference {delta['mean']:+.4f} [{delta['low']:+.4f}, {delta['high']:+.4f}]"
        for metric, change in parity["change"].items()
        for delta in [change["delta"]]
    )


def _thirds(thirds: Mapping[str, Any], k: int) -> str:
    rows = [
        "\n\nItems by train interactions, a third of all interactions each:\n",
        f"| items | | users | Recall@{k} before | after | difference |",
        "|---|---|---|---|---|---|",
    ]
    for name, third in thirds.items():
        figures = " | | |"
        if third["users"]:
            delta = third["delta"]
            figures = (
                f" {third['before']:.4f} | {third['after']:.4f} | "
                f"{delta['mean']:+.4f} [{delta['low']:+.4f}, {delta['high']:+.4f}] |"
            )
        rows.append(f"| {name} | {third['items']:,} | {third['users']:,} |{figures}")
    return "\n".join(rows)


def _gate(gate: Mapping[str, Any]) -> str:
    if gate["met"]:
        return ""
    what = "Published all the same with --force" if gate["overruled"] else "Not published"
    return f"\n\n**Below the gate:** {gate['failure']}. {what}."
