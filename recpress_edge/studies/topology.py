"""Topology Distillation (Kang et al., KDD 2021) on CiteULike by the reference protocol: FTD and HTD."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean
from typing import Any, Final

from recpress_edge.core.progress import Note, OnEvent, silent
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.executor import Executor
from recpress_edge.studies.making import made
from recpress_edge.studies.outcome import Outcome, by_name, figure, measured, spread
from recpress_edge.studies.study import Claim, Column, Study, StudyRequest, StudyResult, find_or_train
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.store import TrainedModel

METHODS: Final = ("bpr", "ftd", "htd")
DIMS: Final = (10, 20, 100, 200)
TEACHER: Final = "bpr_dim200"
METRIC: Final = "recall@50"
DATA: Final = "citeulike"
EPOCHS: Final = 100
TRAINING: Final[Mapping[str, Any]] = {"epochs": EPOCHS, "keep": "last"}

# Test Recall@50 at epoch 100, seed 0, of the authors' program on the split they ship (run separately).
PUBLISHED: Final[Mapping[int, Mapping[str, float]]] = {
    10: {"bpr": 0.1788, "ftd": 0.2112, "htd": 0.2282},
    20: {"bpr": 0.2276, "ftd": 0.2516, "htd": 0.2744},
    100: {"bpr": 0.2976, "ftd": 0.3116, "htd": 0.3116},
    200: {"bpr": 0.3152, "ftd": 0.3175, "htd": 0.3200},
}
PUBLISHED_TEACHER: Final = 0.3123


def _recalls(row: Sequence[Outcome]) -> list[float]:
    return [outcome.recall_at_50 for outcome in row]


def _published(row: Sequence[Outcome]) -> float | None:
    model = parse_name(row[0].name)
    return PUBLISHED.get(model.dim, {}).get(model.method)


def _difference(row: Sequence[Outcome]) -> str:
    published = _published(row)
    return "" if published is None else f"{mean(_recalls(row)) - published:+.4f}"


def _means(outcomes: Sequence[Outcome]) -> dict[int, dict[str, float]]:
    """Mean recall over seeds by dim, of those with all methods; empty where there is only one dim."""
    found: dict[int, dict[str, float]] = {}
    for name, row in by_name(outcomes).items():
        model = parse_name(name)
        found.setdefault(model.dim, {})[model.method] = mean(_recalls(row))
    complete = {dim: found[dim] for dim in sorted(found) if set(found[dim]) == set(METHODS)}
    return complete if len(complete) > 1 else {}


def _best_when_small(outcomes: Sequence[Outcome]) -> Iterator[tuple[bool, str]]:
    for dim, means in list(_means(outcomes).items())[:1]:
        evidence = f"dim {dim}: " + ", ".join(f"{method} {means[method]:.4f}" for method in METHODS)
        yield means["htd"] > means["ftd"] > means["bpr"], evidence


def _gains_with_size(outcomes: Sequence[Outcome]) -> Iterator[tuple[bool, str]]:
    leads = {dim: means["htd"] - means["ftd"] for dim, means in _means(outcomes).items()}
    if leads:
        small, large = list(leads.values())[: len(leads) // 2], list(leads.values())[len(leads) // 2 :]
        trend = ", ".join(f"dim {dim} {lead:+.4f}" for dim, lead in leads.items())
        yield max(large) < min(small), f"HTD − FTD: {trend}"


STUDY: Final = Study(
    name="topology",
    protocol="CiteULike, leave-one-out, full ranking, test Recall@50 at epoch 100, no early stopping",
    columns=(
        Column("student", lambda row: row[0].name),
        Column("ours R@50", lambda row: figure(mean(_recalls(row)))),
        Column("over seeds", lambda row: spread(_recalls(row))),
        Column("published", lambda row: figure(_published(row))),
        Column("difference", _difference),
    ),
    claims=(
        Claim("HTD is best when capacity is very limited", _best_when_small),
        Claim("FTD gains relative to HTD as the capacity gap shrinks", _gains_with_size),
    ),
    recorded={"run": {"student": "name", "seed": "seed"}, "recall": "recall_at_50", "seconds": "seconds"},
    over_seeds=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologyRequest(StudyRequest):
    """``recpress-edge reproduce topology``."""

    dims: tuple[int, ...] | None = None
    """Sizes of the students; None for :data:`DIMS`."""

    def plan(self) -> list[str]:
        """The models that :meth:`run` finds or trains."""
        return find_or_train(
            [f"{TEACHER} seed 0", *(f"{name} seed {seed}" for name, seed in self.students())]
        )

    def run(self, on_event: OnEvent = silent, executor: Executor | None = None) -> StudyResult:
        """Train the teacher, then the students."""
        data = load_data(DATA, self.work, on_event)
        make = partial(made, data=data, work=self.work, on_event=on_event, executor=executor)
        students = self.students()
        on_event(Note(f"study      teacher {TEACHER}, then {len(students)} students on {DATA}"))
        (teacher,) = make(
            [ModelRequest(name=TEACHER, role="teacher", options=TrainOptions(training=TRAINING))]
        )
        models = make([_student(name, seed, teacher) for name, seed in students])
        recall = _recall(teacher)
        return StudyResult(
            study=STUDY,
            outcomes=[measured(model, recall_at_50=_recall(model)) for model in models],
            next_step=f"recpress-edge export --student htd_dim{self._dims[0]} --int8 --data {DATA}",
            details={
                "published": {str(dim): dict(row) for dim, row in PUBLISHED.items()},
                "published_teacher": PUBLISHED_TEACHER,
                "teacher": {"name": TEACHER, "recall": recall},
            },
            remarks=(f"teacher {TEACHER}: ours {recall:.4f}, published {PUBLISHED_TEACHER:.4f}",),
        )

    @property
    def _dims(self) -> list[int]:
        return sorted(set(self.dims or DIMS))

    def students(self) -> list[tuple[str, int]]:
        """Name and seed of every student, the cheapest first."""
        return [
            (f"{method}_dim{dim}", seed)
            for dim in self._dims
            for method in METHODS
            for seed in range(self.seeds or (3 if dim < 100 else 1))
        ]


def _student(name: str, seed: int, teacher: TrainedModel) -> ModelRequest:
    learns_from = None if name.startswith("bpr_") else str(teacher.folder)
    return ModelRequest(name=name, seed=seed, options=TrainOptions(teacher=learns_from, training=TRAINING))


def _recall(model: TrainedModel) -> float:
    return float(model.metadata["metrics"]["test"][METRIC])
