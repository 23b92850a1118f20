"""Topology Distillation (Kang et al., KDD 2021) on CiteULike: the plan, the table and the two claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Final

from recpress_edge.studies.study import ClaimVerdict, spread

METHODS: Final = ("bpr", "ftd", "htd")
TEACHER: Final = "bpr_dim200"
METRIC: Final = "recall@50"
DATA: Final = "citeulike"
EPOCHS: Final = 100

# Test Recall@50 at epoch 100, seed 0, of the authors' program on the split they ship (run separately).
PUBLISHED: Final[Mapping[int, Mapping[str, float]]] = {
    10: {"bpr": 0.1788, "ftd": 0.2112, "htd": 0.2282},
    20: {"bpr": 0.2276, "ftd": 0.2516, "htd": 0.2744},
    100: {"bpr": 0.2976, "ftd": 0.3116, "htd": 0.3116},
    200: {"bpr": 0.3152, "ftd": 0.3175, "htd": 0.3200},
}
PUBLISHED_TEACHER: Final = 0.3123


@dataclass(frozen=True, slots=True)
class StudyRun:
    """One model to train: a student name and its seed."""

    student: str
    seed: int

    @property
    def method(self) -> str:
        return self.student.partition("_")[0]

    @property
    def dim(self) -> int:
        return int(self.student.rpartition("dim")[2])


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run reached on test, at the last epoch."""

    run: StudyRun
    recall: float
    seconds: float


def plan(dims: Sequence[int], seeds: Mapping[int, int]) -> list[StudyRun]:
    """All runs, the cheapest first. ``seeds`` gives the number of seeds of each dim."""
    return [
        StudyRun(f"{method}_dim{dim}", seed)
        for dim in sorted(dims)
        for method in METHODS
        for seed in range(seeds[dim])
    ]


def recalls(outcomes: Sequence[Outcome]) -> dict[int, dict[str, list[float]]]:
    """Recall of every seed by dim and method."""
    found: dict[int, dict[str, list[float]]] = {}
    for outcome in sorted(outcomes, key=lambda o: (o.run.dim, METHODS.index(o.run.method), o.run.seed)):
        found.setdefault(outcome.run.dim, {}).setdefault(outcome.run.method, []).append(outcome.recall)
    return found


def table_rows(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """One row a dim and method: ours (mean, and the range over seeds), published, difference."""
    rows = []
    for dim, methods in recalls(outcomes).items():
        for method, values in methods.items():
            published = PUBLISHED.get(dim, {}).get(method)
            rows.append(
                [
                    f"{method}_dim{dim}",
                    f"{mean(values):.4f}",
                    spread(values),
                    f"{published:.4f}" if published else "",
                    f"{mean(values) - published:+.4f}" if published else "",
                ]
            )
    return rows


def verdicts(outcomes: Sequence[Outcome]) -> list[ClaimVerdict]:
    """The two claims, judged on the mean over seeds. Needs at least two dims with all three methods."""
    means = {
        dim: {method: mean(values) for method, values in methods.items()}
        for dim, methods in recalls(outcomes).items()
        if set(methods) == set(METHODS)
    }
    if len(means) < 2:
        return []
    dims = sorted(means)
    smallest = means[dims[0]]
    order = f"dim {dims[0]}: " + ", ".join(f"{m} {smallest[m]:.4f}" for m in METHODS)
    leads = [means[dim]["htd"] - means[dim]["ftd"] for dim in dims]
    trend = ", ".join(f"dim {dim} {lead:+.4f}" for dim, lead in zip(dims, leads, strict=True))
    return [
        ClaimVerdict(
            "HTD is best when capacity is very limited",
            smallest["htd"] > smallest["ftd"] > smallest["bpr"],
            order,
        ),
        ClaimVerdict(
            "FTD gains relative to HTD as the capacity gap shrinks",
            max(leads[len(leads) // 2 :]) < min(leads[: len(leads) // 2]),
            f"HTD − FTD: {trend}",
        ),
    ]
