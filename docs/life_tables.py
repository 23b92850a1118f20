"""The tables of docs/results/life.md: nights, new items, and bytes of bundles and patches."""

from collections.abc import Iterator

from result_tables import HEAD_TITLES, R50, Result, interval, short, table

METRICS = ("recall@10", R50, "ndcg@10")
TITLES = (HEAD_TITLES[0], "Recall@50", HEAD_TITLES[1])
SIDES = {"features": "made from features", "folded_in": "folded in", "trained": "trained with"}
SIDE = {"warm": "goes on", "cold": "anew"}
NIGHT = {"new items": "new items folded in", "warm": "retrained, going on", "cold": "retrained anew"}


def nights(*results: Result) -> str:
    """Each night from the last model and from the start."""
    headers = ["log", "night", "model", "CPU s", *TITLES, "overlap@10"]
    return table(headers, [row for result in results for row in _nights(result)])


def _nights(result: Result) -> Iterator[list[str]]:
    for line in result["nights"]:
        for side in ("warm", "cold"):
            if side not in line:
                continue
            found = line[side]
            yield [
                result["log"],
                str(line["night"]),
                SIDE[side] if line["night"] else "the first",
                f"{found['cpu_s']:.0f}",
                *(short(found[name]) for name in METRICS),
                short(found["overlap@10"]["mean"]) if found["overlap@10"] else "",
            ]


def gains(*results: Result) -> str:
    """What going on costs of the time, and by how much its figures differ, each night and in the mean."""
    headers = ["log", "night", "share of the CPU time", *TITLES]
    return table(headers, [row for result in results for row in _gains(result)])


def _gains(result: Result) -> Iterator[list[str]]:
    shares = {
        str(line["night"]): (line["warm"]["cpu_s"] / line["cold"]["cpu_s"], line["warm - cold"])
        for line in result["nights"][1:]
    }
    shares["all"] = (result["all nights"]["share"], result["all nights"]["warm - cold"])
    for night, (share, found) in shares.items():
        yield [result["log"], night, short(share, 2), *(interval(found[name]) for name in METRICS)]


def folded(*results: Result) -> str:
    """New items by their interactions: folded in, and trained with."""
    headers = ["log", "interactions", "items are", "Recall@10", "Recall@50", "others' Recall@50", "new in 50"]
    return table(headers, [row for result in results for row in _folded(result)])


def _folded(result: Result) -> Iterator[list[str]]:
    log = f"{result['log']}, {result['items']} items"
    yield [log, "", "not there", "", "", short(result["others_recall@50"]), ""]
    for one in result["results"]:
        for side, words in SIDES.items():
            if side not in one:
                continue
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
