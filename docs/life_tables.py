"""The tables of docs/results/life.md: nights, new items, and bytes of bundles and patches."""

from collections.abc import Iterator
from typing import Any

from result_tables import Result, short, table

METRICS = ("recall@10", "ndcg@10", "recall@50")
SIDES = {"warm": "goes on", "cold": "anew"}
NIGHT = {"new items": "new items folded in", "warm": "retrained, going on", "cold": "retrained anew"}


def nights(*results: Result) -> str:
    """Every night, warm and cold: CPU time, figures, and what stays of a first ten."""
    headers = ["log", "night", "train", "student", "CPU s", "Recall@10", "NDCG@10", "Recall@50", "overlap@10"]
    return table(headers, [row for result in results for row in _nights(result)])


def _nights(result: Result) -> Iterator[list[str]]:
    for line in result["nights"]:
        for side, words in SIDES.items():
            if side not in line:
                continue
            found = line[side]
            moved = found["overlap@10"]
            yield [
                result["log"],
                str(line["night"]),
                f"{line['train']:,}",
                words,
                f"{found['cpu_s']:,.0f}",
                *(short(found[name]) for name in METRICS),
                short(moved["mean"]) if moved else "",
            ]


def night_sums(*results: Result) -> str:
    """A sentence a log: the cost of the nights, and the mean difference of their figures."""
    return "\n".join(_sum(result) for result in results)


def _sum(result: Result) -> str:
    told = [line for line in result["nights"] if "warm" in line]
    cost = {side: sum(line[side]["cpu_s"] for line in told) for side in SIDES}
    above: dict[str, Any] = {
        name: sum(line["warm"][name] - line["cold"][name] for line in told) / len(told) for name in METRICS
    }
    differences = ", ".join(
        f"{title} {above[name]:+.4f}".replace("0.", ".", 1)
        for title, name in zip(("Recall@10", "NDCG@10", "Recall@50"), METRICS, strict=True)
    )
    warm, cold = cost["warm"], cost["cold"]
    return (
        f"- {result['log']}, `{result['student']}`: {len(told)} nights take {warm:,.0f} CPU s going on and "
        f"{cold:,.0f} anew, a share of {warm / cold:.2f}; warm less cold on average {differences}."
    )


def folded(*results: Result) -> str:
    """New items by their interactions: folded in, and trained with."""
    headers = ["log", "interactions", "items are", "Recall@10", "Recall@50", "others' Recall@50", "new in 50"]
    return table(headers, [row for result in results for row in _folded(result)])


def _folded(result: Result) -> Iterator[list[str]]:
    log = f"{result['log']}, {result['items']} items"
    yield [log, "", "not there", "", "", short(result["others_recall@50"]), ""]
    for one in result["results"]:
        for side, words in (("folded_in", "folded in"), ("trained", "trained with")):
            found = one[side]
            yield [
                log,
                str(one["interactions"]),
                words,
                *(short(found[name]) for name in ("recall@10", "recall@50", "others_recall@50")),
                f"{found['new_in_50']:.2f}",
            ]


def bundles(*results: Result) -> str:
    """Bytes of bundles, whole and lean."""
    headers = ["log", "student", "users × items", "model", "whole bundle", "lean", "lean, order only"]
    names = ("model_bytes", "bundle_bytes", "lean_bytes", "order_only_bytes")
    rows = [
        [
            result["log"],
            f"`{result['student']}` {one['recipe']}",
            f"{result['users']:,} × {result['items']:,}",
            *(f"{one[name]:,}" for name in names),
        ]
        for result in results
        for one in result["results"]
    ]
    return table(headers, rows)


def patches(*results: Result) -> str:
    """Bytes of a night's patches, beside the new lean bundle as one xz stream."""
    headers = ["log", "recipe", "the night's version", "patch", "patch of the lean bundle", "lean bundle, xz"]
    rows = [
        [
            result["log"],
            one["recipe"],
            _version(side, found),
            *(f"{found[form]['bytes']:,}" for form in ("whole", "lean")),
            f"{found['lean']['new_packed_bytes']:,}",
        ]
        for result in results
        for one in result["results"]
        for side, found in one["patches"].items()
    ]
    return table(headers, rows)


def _version(side: str, found: Result) -> str:
    return f"{found['items']:,} {NIGHT[side]}" if "items" in found else NIGHT[side]
