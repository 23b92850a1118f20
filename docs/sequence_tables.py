"""The tables of docs/results/networks.md on histories that forget: teacher, students and their files."""

from collections.abc import Iterator, Sequence
from statistics import mean
from typing import Any

from result_tables import Result, interval, kib, short, spread, table

METRICS = ("recall@10", "ndcg@10", "recall@50")


def students(*results: Result) -> str:
    """Test metrics of each model, means over seeds, and of the files of seed 0."""
    metrics = ("Recall@10", "NDCG@10", "NDCG@10 over seeds", "Recall@50", "of the teacher")
    return table(("data", "model", "size", *metrics), [row for result in results for row in _rows(result)])


def _rows(result: Result) -> Iterator[list[str]]:
    name, teacher = result["dataset"]["name"], result["teacher"]
    best = teacher["test"]["ndcg@10"]
    size = f"{kib(teacher['parameter_bytes'])} KiB"
    yield [name, f"`{teacher['name']}`, the teacher", size, *_figures([teacher]), ""]
    for kind in dict.fromkeys(row["kind"] for row in result["rows"]):
        found = [row for row in result["rows"] if row["kind"] == kind]
        kept = mean(row["test"]["ndcg@10"] for row in found) / best
        yield [name, f"`{result['student']}`, {kind}", "", *_figures(found), short(kept, 2)]
    for file in result["rows"][0]["files"]:
        kept = file["test"]["ndcg@10"] / best
        size = f"{kib(file['file_bytes'])} KiB"
        yield [name, f"its ONNX file, {file['recipe']}", size, *_figures([file]), short(kept, 2)]


def _figures(found: Sequence[Result]) -> list[str]:
    values: dict[str, Any] = {metric: [row["test"][metric] for row in found] for metric in METRICS}
    several = spread(values["ndcg@10"]) if len(found) > 1 else ""
    recall, ndcg, deep = (short(mean(values[metric])) for metric in METRICS)
    return [recall, ndcg, several, deep]


def above(*results: Result) -> str:
    """What a teacher is worth, and what decays are: differences of NDCG@10 on test."""
    rows = [
        [result["dataset"]["name"], kind, interval(found)]
        for result in results
        for kind, found in result["taught_above"].items()
    ]
    return table(("data", "taught against", "NDCG@10"), rows)
