"""HetComp (Kang et al., WWW 2023) on CiteULike split 60/20/20, student dim 6, from heterogeneous teachers."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.distill.students import parse_name
from recpress_edge.jobs.data import load_data
from recpress_edge.jobs.executor import Executor
from recpress_edge.studies.making import made
from recpress_edge.studies.outcome import Outcome, figure, measured, same
from recpress_edge.studies.study import Claim, Column, Study, StudyRequest, StudyResult, find_or_train
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.settings import settings

DATA: Final = "citeulike-602020"
DIM: Final = 6
METRIC: Final = "recall@50"
KINDS: Final[Mapping[str, str]] = {
    # teacher -> what the paper calls its kind
    "bpr_dim64": "MF",
    "cml_dim64": "ML",
    "neumf_dim64": "DL",
    "lightgcn_dim64": "GNN",
    "multvae_dim200": "AE",
    "iae_dim200": "I-AE",
}
PLAIN: Final = f"bpr_dim{DIM}"
HETCOMP: Final = f"hetcomp_dim{DIM}"
SINGLE: Final = f"rrd_dim{DIM}"
"""Distilled from every teacher."""
SINGLE_OF_TABLES: Final = tuple(f"{method}_dim{DIM}" for method in ("ftd", "htd", "irrrd"))
"""Distilled from the strongest teacher that has tables, which they need."""
PLAIN_TRAINING: Final[Mapping[str, Any]] = {"epochs": 400, "patience": 0, "choose_by": "recall"}
"""For the students by other methods: until validation stalls, as in the study of DE-RRD."""
HETCOMP_METHOD: Final[Mapping[str, Any]] = {"sharpness": 100.0}
HETCOMP_TRAINING: Final[Mapping[str, Any]] = {"epochs": 1000, "choose_by": "recall"}
"""For HetComp from all teachers and from one: until 50 epochs bring no gain on validation."""

DIFFERENCES: Final = (
    "The paper's tables are not at hand; ensemble, teachers, the student without distillation, every "
    "single-teacher distillation and HetComp stand side by side instead.",
    "HetComp's batches are users with whole rows, each once an epoch, with Adam's step 1e-2; the authors' "
    "are 1024 interactions, 1e-3.",
    "An item at rank r of a teacher counts e^(−r/100), chosen on validation among 10, 30 and 100; the "
    "authors' counts e^(−r/10).",
    "Single-teacher distillation is RRD from each teacher's final ranking, methods that need a teacher's "
    "tables from the strongest that has them, and HetComp's own losses from the strongest of all.",
    "Seeds are those of the student alone and of HetComp's: every teacher, and every student that another "
    "method taught, is trained once.",
)
# part of the table -> what our figures have to show against it
GOALS: Final[Mapping[str, str]] = {
    "plain": "HetComp is above the same student without distillation",
    "single": "HetComp is above the best distillation from one teacher by another method",
    "hetcomp alone": "HetComp is above its own losses from the best teacher alone",
}


def ensemble_of(teachers: Sequence[str]) -> str:
    """Name of the ensemble of the teachers; a single teacher is its own ensemble."""
    return teachers[0] if len(teachers) == 1 else f"ensemble:{'+'.join(teachers)}"


def best(outcomes: Sequence[Outcome], part: str) -> Outcome | None:
    """The outcome of a part that is best on validation; None where there is none."""
    some = [outcome for outcome in outcomes if outcome.part == part]
    return max(some, key=_on_validation) if some else None


def _on_validation(outcome: Outcome) -> float:
    return outcome.valid[METRIC]


def _compare(part: str, outcomes: Sequence[Outcome]) -> Iterator[tuple[bool, str]]:
    """HetComp against a part, seed by seed; where the part has fewer seeds, against the best of them all."""
    pairs = []
    for seed in sorted({outcome.seed for outcome in outcomes if outcome.part == "hetcomp"}):
        of_seed = [outcome for outcome in outcomes if outcome.seed == seed]
        ours, other = best(of_seed, "hetcomp"), best(of_seed, part) or best(outcomes, part)
        if ours and other:
            source = f" from {other.teacher}" if other.teacher else ""
            pairs.append((ours.test[METRIC], other.test[METRIC], other.name + source))
    if pairs:
        evidence = ", ".join(f"{ours:.4f} and {other:.4f} ({name})" for ours, other, name in pairs)
        yield all(ours > other for ours, other, _ in pairs), evidence


def _metric(name: str, row: Sequence[Outcome]) -> str:
    return figure(row[0].test[name])


STUDY: Final = Study(
    name="hetcomp",
    protocol="CiteULike, users with 5 items and more, 60/20/20 per user, full ranking, Recall@50 = hits / "
    "|relevant|, the best epoch on validation, all students dim 6 with inner products",
    columns=(
        Column("model", lambda row: row[0].name),
        Column("part", lambda row: row[0].part),
        Column("teacher", lambda row: row[0].teacher),
        Column("seed", lambda row: str(row[0].seed)),
        Column("epoch", lambda row: str(row[0].chosen_epoch)),
        Column("test R@10", partial(_metric, "recall@10")),
        Column("test R@50", partial(_metric, "recall@50")),
        Column("test N@50", partial(_metric, "ndcg@50")),
        Column("valid R@50", lambda row: figure(row[0].valid[METRIC])),
    ),
    claims=tuple(Claim(text, partial(_compare, part)) for part, text in GOALS.items()),
    recorded={
        **same("name", "part", "teacher", "folder", "seed", "chosen_epoch", "seconds"),
        **same("peak_memory_bytes", "valid", "test"),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HetCompRequest(StudyRequest):
    """``recpress-edge reproduce hetcomp``."""

    teachers: tuple[str, ...] | None = None
    """None for those of :data:`KINDS`."""

    def plan(self) -> list[str]:
        """The models that :meth:`run` finds or trains."""
        teachers = self._teachers()
        return find_or_train([*teachers, ensemble_of(teachers), PLAIN, SINGLE, *SINGLE_OF_TABLES, HETCOMP])

    def run(self, on_event: OnEvent = silent, executor: Executor | None = None) -> StudyResult:
        """Train what is missing: teachers, with their trajectories, then students."""
        teachers = self._teachers()
        data = load_data(DATA, self.work, on_event)
        make = partial(made, data=data, work=self.work, on_event=on_event, executor=executor)
        models = make(
            [
                ModelRequest(name=name, role="teacher", options=options)
                for name in teachers
                for options in [TrainOptions(trajectory=True, training=_teacher_training(name))]
            ]
        )
        outcomes = [measured(model, part="teacher") for model in models]
        with_tables = [outcome for outcome, model in zip(outcomes, models, strict=True) if model.tables]
        students = list(self._students(outcomes, with_tables))
        outcomes += [
            measured(model, part=part, teacher=teacher)
            for model, (part, teacher, _) in zip(
                make([request for _, _, request in students]), students, strict=True
            )
        ]
        student = shlex.quote(str(self._folder(outcomes[-1])))
        return StudyResult(
            study=STUDY,
            outcomes=outcomes,
            next_step=f"recpress-edge export --student {student} --int8 --data {DATA}",
            details={
                "differences": DIFFERENCES,
                "kinds": {name: KINDS.get(name, "other") for name in teachers},
            },
        )

    def _teachers(self) -> Sequence[str]:
        """Names of the teachers; ConfigError for an unknown one."""
        teachers = self.teachers or tuple(KINDS)
        for name in (*teachers, ensemble_of(teachers)):
            parse_name(name, "teacher")
        return teachers

    def _students(
        self, teachers: Sequence[Outcome], with_tables: Sequence[Outcome]
    ) -> Iterator[tuple[str, str, ModelRequest]]:
        """Part, teacher's name and request of every model that learns from the teachers.

        Students that another method distils from one teacher are trained with seed 0 only.
        """
        sources = [("hetcomp alone", max(teachers, key=_on_validation).name)]
        if len(teachers) > 1:
            ensemble = ensemble_of([teacher.name for teacher in teachers])
            sources.append(("hetcomp", ensemble))
            everybody = TrainOptions(members=self._folders(ensemble, teachers))
            yield "ensemble", "", ModelRequest(name=ensemble, role="teacher", options=everybody)
        plain = TrainOptions(training=PLAIN_TRAINING)
        single = [(SINGLE, teacher) for teacher in teachers]
        if with_tables:
            strongest = max(with_tables, key=_on_validation)
            single += [(name, strongest) for name in SINGLE_OF_TABLES]
        for name, teacher in single:
            options = replace(plain, teacher=str(self._folder(teacher)))
            yield "single", teacher.name, ModelRequest(name=name, options=options)
        together = TrainOptions(method=HETCOMP_METHOD, training=HETCOMP_TRAINING)
        for seed in range(self.seeds or 1):
            yield "plain", "", ModelRequest(name=PLAIN, seed=seed, options=plain)
            for part, source in sources:
                options = replace(together, teacher=source, members=self._folders(source, teachers))
                yield part, source, ModelRequest(name=HETCOMP, seed=seed, options=options)

    def _folder(self, model: Outcome) -> Path:
        return self.work / "models" / model.folder

    def _folders(self, source: str, teachers: Sequence[Outcome]) -> tuple[str, ...]:
        """Of the teachers that a source names: this study's own, whatever the usual settings are."""
        name = parse_name(source, "teacher")
        names = {str(member) for member in name.members or (name,)}
        return tuple(str(self._folder(teacher)) for teacher in teachers if teacher.name in names)


def _teacher_training(name: str) -> dict[str, Any]:
    """The rule of the study: chosen by recall, and stopped early only where a method's settings say so."""
    method = parse_name(name, "teacher")
    if method.entry.closed_form:
        return {"choose_by": "recall"}
    return {"choose_by": "recall", "patience": settings(method.method, "teacher").training.get("patience", 0)}
