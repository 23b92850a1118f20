"""The tables of docs/results/autoencoders.md: ECAE beside its generator, and its student's files."""

from collections.abc import Iterator
from statistics import mean

from result_tables import Result, kib, short, spread, table

METRICS = ("recall@10", "ndcg@10", "recall@50")
_HEADS = ("Recall@10", "NDCG@10", "Recall@50")
_TEACHERS = ("ecae", "generator alone", "ecae, through", "multvae")


def teachers(result: Result) -> str:
    """Test metrics of teachers after train items, means over their seeds."""
    headers = ("model", "seeds", *_HEADS, "Recall@50 over seeds")
    return table(headers, list(_teacher_rows(result)))


def _teacher_rows(result: Result) -> Iterator[list[str]]:
    for kind in dict.fromkeys(row["kind"] for row in result["rows"] if row["kind"] in _TEACHERS):
        found = [row for row in result["rows"] if row["kind"] == kind]
        name = kind if kind != "multvae" else f"`{found[0]['model']}`, 128 users a step"
        values = {metric: [row["test"][metric] for row in found] for metric in METRICS}
        several = spread(values["recall@50"]) if len(found) > 1 else ""
        yield [name, str(len(found)), *(short(mean(values[m])) for m in METRICS), several]
    gained = result["joint_above_generator"]
    differences = [f"{gained[metric]:+.4f}".replace("0.", ".", 1) for metric in METRICS]
    yield ["ecae less generator alone", str(len(gained["seeds"])), *differences, ""]


def students(result: Result) -> str:
    """Test metrics of students' history files, after train and valid items."""
    headers = ("student", "seed", "recipe", "size", *_HEADS, "overlap@50 with fp32")
    return table(headers, [cells for row in result["rows"] for cells in _files(row)])


def _files(row: Result) -> Iterator[list[str]]:
    words = {"taught": "taught by its seed's ecae", "alone": "alone", "history": "`history` profile"}
    for file in row.get("files", []):
        figures = [short(file["test"][metric]) for metric in METRICS]
        size = f"{kib(file['file_bytes'])} KiB"
        overlap = "" if file["recipe"] == "fp32" else short(file["overlap@50"])
        name = f"`{row['model']}`, {words[row['kind']]}"
        yield [name, str(row["seed"]), file["recipe"], size, *figures, overlap]
