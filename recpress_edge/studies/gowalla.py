"""Teachers on Gowalla, the LightGCN split, trained again on train and validation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from typing import Any, Final

from recpress_edge.core.errors import unknown_name
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.executor import Executor
from recpress_edge.jobs.forest import make_models
from recpress_edge.studies.making import made
from recpress_edge.studies.outcome import Outcome, figure, measured, same
from recpress_edge.studies.study import Claim, Column, Study, StudyRequest, StudyResult, find_or_train
from recpress_edge.training.plan import ModelRequest, TrainOptions, want
from recpress_edge.training.refit import joined, want_again
from recpress_edge.training.store import TrainedModel

DATA: Final = "gowalla"
RECALL: Final = "recall@20"
NDCG: Final = "ndcg@20"


@dataclass(frozen=True, slots=True)
class PublishedTeacher:
    """One teacher: its settings, the published figures, and what ours has to reach."""

    label: str
    published: tuple[float, float] | None
    """Test Recall@20 and NDCG@20."""
    goal: float | None
    """Least test Recall@20 of ours."""
    method: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)


TEACHERS: Final[Mapping[str, PublishedTeacher]] = {
    "pop": PublishedTeacher("popularity", None, None),
    "itemknn": PublishedTeacher("item-kNN", None, None),
    "bpr_dim64": PublishedTeacher(
        "MF-BPR",
        (0.1627, 0.1378),
        0.158,
        {
            "learning_rate": 0.005,
            "weight_decay": 0.005,
            "batch_size": 8192,
            "init_std": 0.05,
            "candidates": 32,
        },
        {"epochs": 30, "evaluate_every": 3, "patience": 2},
    ),
    "lightgcn_dim64": PublishedTeacher(
        "LightGCN",
        (0.1824, 0.1547),
        0.178,
        {"learning_rate": 0.01, "l2": 0.001, "batch_size": 16384, "candidates": 32},
        {"epochs": 40, "evaluate_every": 4, "patience": 1},
    ),
    "ease": PublishedTeacher("EASE", (0.1765, 0.1467), 0.174, {"l2": 100.0}),
    "multvae_dim64": PublishedTeacher(
        "Mult-VAE",
        (0.1641, 0.1335),
        0.160,
        {"learning_rate": 0.003, "beta": 0.4, "anneal_epochs": 40},
        {"epochs": 32, "evaluate_every": 4, "patience": 2},
    ),
    "neumf_dim64": PublishedTeacher(
        "NeuMF",
        (0.1399, 0.1212),
        0.135,
        {
            "learning_rate": 0.005,
            "weight_decay": 0.02,
            "batch_size": 8192,
            "negatives": 8,
            "product_weight": 1.0,
        },
        {"epochs": 9, "evaluate_every": 9},
    ),
}

DIFFERENCES: Final = (
    "Published figures train on the whole train file and mostly choose on test. Ours choose the epoch on a "
    "tenth of that file (by Recall@50, as in every study here) and train again on all of it; the figure "
    "without training again stands beside.",
    "MF-BPR and LightGCN learn from the hardest of several uniform negatives, in large batches with large "
    "steps, for tens of epochs; those published from one uniform negative, LightGCN for 1000 epochs.",
    "Mult-VAE's decoder is one linear layer, and its code narrower.",
    "NeuMF is trained at once, without its authors' pre-training; its products start as plain factorisation.",
    "Settings were found by hand on validation: EASE's weight on 8,000 of the users (50, 100 and 250), those "
    "of the others on 4,000 in one to six short runs each, NeuMF's on 1,500 in some fifteen, its epochs too.",
)


def parse_teachers(asked: Sequence[str] | None) -> list[str]:
    """The teachers in the order of the table; None for all. A name without its size means ours."""
    if asked is None:
        return list(TEACHERS)
    by_method = {parse_name(name, "teacher").method: name for name in TEACHERS}
    for name in asked:
        if name not in TEACHERS and name not in by_method:
            raise unknown_name("teacher of this study", name, list(TEACHERS))
    names = {by_method.get(name, name) for name in asked}
    return [name for name in TEACHERS if name in names]


def _teacher(row: Sequence[Outcome]) -> PublishedTeacher:
    return TEACHERS[row[0].name]


def _published(place: int, row: Sequence[Outcome]) -> str:
    published = _teacher(row).published
    return figure(published[place] if published else None)


def _choosing(split: str, row: Sequence[Outcome]) -> str:
    before = row[0].choosing
    return figure(before[split][RECALL] if before else None)


def _minutes(seconds: float | None) -> str:
    return figure(None if seconds is None else seconds / 60, 1)


def _reaches(name: str, teacher: PublishedTeacher, outcomes: Sequence[Outcome]) -> Iterator[tuple[bool, str]]:
    for outcome in outcomes:
        if outcome.name == name and teacher.goal is not None and teacher.published:
            recall = outcome.test[RECALL]
            gap = recall - teacher.published[0]
            yield recall >= teacher.goal, f"{recall:.4f}, {gap:+.4f} to the published"


def claims(teachers: Mapping[str, PublishedTeacher]) -> tuple[Claim, ...]:
    """The goals of the teachers."""
    return tuple(
        Claim(f"{teacher.label} reaches test Recall@20 {teacher.goal:.3f}", partial(_reaches, name, teacher))
        for name, teacher in teachers.items()
        if teacher.goal is not None
    )


STUDY: Final = Study(
    name="gowalla",
    protocol="Gowalla, the LightGCN split, full ranking, Recall@20 = hits / |relevant| and NDCG@20 on test; "
    "the epoch chosen on validation, then trained again on train and validation for as many epochs",
    columns=(
        Column("teacher", lambda row: f"{_teacher(row).label} ({row[0].name})"),
        Column("R@20", lambda row: figure(row[0].test[RECALL])),
        Column("N@20", lambda row: figure(row[0].test[NDCG])),
        Column("published R@20", partial(_published, 0)),
        Column("published N@20", partial(_published, 1)),
        Column("goal", lambda row: figure(_teacher(row).goal, 3)),
        Column("R@20 train alone", partial(_choosing, "test")),
        Column("valid R@20", partial(_choosing, "valid")),
        Column("epochs", lambda row: str(row[0].chosen_epoch) if row[0].choosing else ""),
        Column("minutes choosing", lambda row: _minutes((row[0].choosing or {}).get("seconds"))),
        Column("minutes", lambda row: _minutes(row[0].seconds)),
    ),
    claims=claims(TEACHERS),
    recorded={
        **same("name", "seed", "settings"),
        "epochs": "chosen_epoch",
        **same("seconds", "peak_memory_bytes", "test", "choosing"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GowallaRequest(StudyRequest):
    """``recpress-edge reproduce gowalla``."""

    teachers: tuple[str, ...] | None = None
    """None for all of :data:`TEACHERS`."""

    def plan(self) -> list[str]:
        """The models that :meth:`run` finds or trains."""
        return find_or_train(parse_teachers(self.teachers))

    def run(self, on_event: OnEvent = silent, executor: Executor | None = None) -> StudyResult:
        """Train what is missing; each teacher is trained again on train and validation."""
        data = load_data(DATA, self.work, on_event)
        requests = [
            ModelRequest(name=name, role="teacher", seed=seed, options=_options(name))
            for name, seed in product(parse_teachers(self.teachers), range(self.seeds or 1))
        ]
        in_epochs = [place for place, request in enumerate(requests) if not _computed_at_once(request.name)]
        make = partial(made, data=data, work=self.work, on_event=on_event, executor=executor)
        choosing = dict(zip(in_epochs, make([requests[place] for place in in_epochs]), strict=True))
        both = joined(data)
        wanted = [
            want_again(choosing[place], both, request.options) if place in choosing else want(request, both)
            for place, request in enumerate(requests)
        ]
        models = make_models(wanted, both, self.work, on_event, executor)
        return StudyResult(
            study=STUDY,
            outcomes=[
                measured(model, choosing=_facts(choosing.get(place))) for place, model in enumerate(models)
            ],
            next_step=f"recpress-edge distill --student soft_dim32 --teacher ease --data {DATA}",
            details={
                "differences": DIFFERENCES,
                "published": {name: row.published for name, row in TEACHERS.items() if row.published},
            },
        )


def _options(name: str) -> TrainOptions:
    training = {**TEACHERS[name].training, "choose_by": "recall", "valid_users": 0}
    return TrainOptions(method=TEACHERS[name].method, training=training)


def _computed_at_once(name: str) -> bool:
    return parse_name(name, "teacher").entry.closed_form


def _facts(chosen: TrainedModel | None) -> dict[str, Any] | None:
    """Of the model on train alone that chose the epoch; None where there are no epochs."""
    if chosen is None:
        return None
    return {"seconds": chosen.metadata["seconds"], **chosen.metadata["metrics"]}
