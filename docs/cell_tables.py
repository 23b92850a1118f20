"""The table of docs/results/networks.md on cells: teacher, searched, random and uniform cells, verdicts."""

from collections.abc import Iterator, Sequence
from statistics import mean
from typing import Any

from result_tables import Result, kib, short, spread, table

METRICS = ("recall@10", "ndcg@10", "recall@50")


def cells(*results: Result) -> str:
    """Means over seeds of each kind of student, and the files of the searched one of seed 0."""
    headers = ("data", "student", "size", "MACs a token", "Recall@10", "NDCG@10", "over seeds", "Recall@50")
    return table(headers, [row for result in results for row in _rows(result)])


def _rows(result: Result) -> Iterator[list[str]]:
    name, teacher = result["dataset"]["name"], result["teacher"]
    yield [name, f"`{teacher['name']}`, the teacher", *_figures([teacher])]
    for kind in dict.fromkeys(_kind(row) for row in result["rows"]):
        yield [name, kind, *_figures([row for row in result["rows"] if _kind(row) == kind])]
    for file in next(row["files"] for row in result["rows"] if "files" in row):
        size = f"{kib(file['file_bytes'])} KiB"
        found = [short(file["test"][metric]) for metric in METRICS]
        yield [name, f"searched, as ONNX {file['recipe']}", size, "", *found[:2], "", found[2]]


def _kind(row: Result) -> str:
    return f"searched, β {row['cost_weight']:g}" if "cost_weight" in row else str(row["kind"])


def _figures(rows: Sequence[Result]) -> list[str]:
    values: dict[str, Any] = {metric: [row["test"][metric] for row in rows] for metric in METRICS}
    recall, ndcg, deep = (short(mean(values[metric])) for metric in METRICS)
    several = spread(values["ndcg@10"]) if len(rows) > 1 else ""
    size = f"{kib(mean(row['parameter_bytes'] for row in rows))} KiB"
    return [size, f"{mean(row['macs_per_token'] for row in rows):,.0f}", recall, ndcg, several, deep]


def verdicts(*results: Result) -> str:
    """What the figures say, in sentences."""
    return "\n".join(
        f"- {result['dataset']['name']}, {'yes' if one['holds'] else 'no'}: {one['claim']}. {one['evidence']}"
        for result in results
        for one in result["verdicts"]
    )
