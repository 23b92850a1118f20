"""The tables of docs/results/two-stages.md, from records of benchmarks/two_stages.py."""

from statistics import mean

from result_tables import Result, interval, short, table

from recpress_edge.core.units import format_bytes

METRICS = ("ndcg@10", "recall@10", "recall@50")


def figures(*results: Result) -> str:
    """Test metrics of the int8 files, means over seeds, first stage → both; and what both add."""
    rows = [
        [
            result["dataset"]["name"],
            f"`{result['student']}`, {kind}",
            *(
                " → ".join(short(_mean(result, kind, metric, which)) for which in ("first", "both"))
                for metric in METRICS
            ),
            interval(result["added_over_seeds"][kind]),
        ]
        for result in results
        for kind in dict.fromkeys(row["kind"] for row in result["rows"])
    ]
    headers = ("data", "student", "NDCG@10", "Recall@10", "Recall@50", "NDCG@10 added, as trained")
    return table(headers, rows)


def costs(*results: Result) -> str:
    """What a bundle costs: bytes and microseconds, of seed 0."""
    rows = []
    for result in results:
        one = result["rows"][0]
        us = one["us"]
        rows.append(
            [
                result["dataset"]["name"],
                format_bytes(one["bundle_bytes"]),
                short(one["file"]["test"]["found"]),
                f"{us['first, 10 items']:.0f}",
                f"{us['first, all candidates']:.0f}",
                f"{us['both'] - us['first, all candidates']:.0f}",
                f"{us['both']:.0f}",
            ]
        )
    return table(
        (
            "data",
            "bundle",
            "among the candidates",
            "first stage alone, 10 items",
            "200 items",
            "second",
            "both, µs",
        ),
        rows,
    )


def seeds(*results: Result) -> str:
    """NDCG@10 on test of each seed's int8 file."""
    rows = []
    for result in results:
        for row in result["rows"]:
            gain = row["file"]["test"]["ndcg@10"]
            told = f"{gain['gain']:+.4f} [{gain['low']:+.4f}, {gain['high']:+.4f}]"
            name = f"{row['kind']}, seed {row['seed']}"
            met = "met" if row["gate_met"] else "not met"
            rows.append(
                [result["dataset"]["name"], name, short(gain["first"]), short(gain["both"]), told, met]
            )
    return table(("data", "", "first stage", "both", "added, 95 %", "gate on validation"), rows)


CORES = (("armvm:cortex-a53", "A53"), ("armvm:cortex-a76", "A76"))
SERIES = ("retrieve", "rerank", "query", "end_to_end")


def cores(result: Result) -> str:
    """Thousands of instructions of each stage and of both, for the best 10, and whether the lists are the
    host's."""
    rows = []
    for row in result["rows"]:
        for target, core in CORES:
            found = row["on"][target]
            numbers = [f"{found['instructions'][name]['p50'] / 1000:,.0f}" for name in SERIES]
            lists = "equal" if found["ids_equal"] else "differ"
            cells = [core, *numbers, format_bytes(found["model_peak_bytes"]), lists]
            rows.append([row["format"], format_bytes(row["file_bytes"]), *cells])
    counted = ("first stage", "second", "both", "ids in, ids out")
    return table(("format", "file", "core", *counted, "memory", "lists"), rows)


def _mean(result: Result, kind: str, metric: str, which: str) -> float:
    return mean(row["file"]["test"][metric][which] for row in result["rows"] if row["kind"] == kind)
