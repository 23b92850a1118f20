"""What each step costs: teacher → student → fp32 file → int8 file, and what each knows of the users."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recpress_edge.artifacts.contract import ALL_USERS, HISTORY, SINGLE_USER
from recpress_edge.artifacts.two_stages.contract import TWO_STAGES
from recpress_edge.core.metrics import BALANCED, DEFAULT_CUTOFF, HEAD_CUTOFF, worth
from recpress_edge.report.front import Section
from recpress_edge.report.runs import BenchRun

_MADE: Final = ("teacher", "student", "first stage")
"""Stages before there was a file: they know the train items alone."""
_ORDER: Final = (*_MADE, "two stages", "fp32")
_KNOWS: Final = {
    ALL_USERS: "User vectors know the train items alone; train and validation items are masked in these "
    "figures.",
    SINGLE_USER: "The user's vector knows the train items alone. Recall is that of one user, which tells "
    "little: the all-users files of a student tell what it is worth.",
    HISTORY: "A history file is asked with the train and validation items of a test user; a teacher, or a "
    "file with user vectors, knows the train items alone. So it is compared with history files, and with its "
    "teacher on validation users, where both know the train items.",
    TWO_STAGES: "A first stage of user vectors knows the train items alone. The second reads what a "
    "request states, and the last items of a test user, of validation too: its teacher is held against it on "
    "validation users.",
}
"""What files of each profile know of test users; files that know other things are in other sections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStep:
    """One stage of a chain."""

    stage: str
    name: str
    n_bytes: int | None
    valid: Mapping[str, float]
    """The metrics that are known, by name."""
    test: Mapping[str, float]
    change: Mapping[str, float]
    """Each metric here less that of the step before: on test where both were measured and know the same,
    else on valid."""
    change_split: str


@dataclass(frozen=True, slots=True)
class Chain:
    """The stages of one trained model."""

    student: str
    teacher: str
    """Empty for a model that had none."""
    seed: str
    steps: tuple[ChainStep, ...]

    @property
    def title(self) -> str:
        """Whose chain it is."""
        return f"{self.student}, seed {self.seed or 'not recorded'}"

    def step(self, stage: str) -> ChainStep | None:
        """The step of a stage, if the chain has it."""
        return next((step for step in self.steps if step.stage == stage), None)


def chains(section: Section) -> tuple[Chain, ...]:
    """One chain per student, of its lowest seed; runs of one trained model are gathered."""
    models: dict[tuple[str, str], dict[str, list[BenchRun]]] = {}
    for placed in section.placed:
        for run in placed.point.runs:
            models.setdefault((run.student, run.teacher), {}).setdefault(run.model_id, []).append(run)
    made = []
    for (student, teacher), by_model in sorted(models.items(), key=lambda item: (item[0][0], item[0][1])):
        runs = min(by_model.values(), key=lambda members: (len(members[0].seed), members[0].seed))
        made.append(Chain(student, teacher, runs[0].seed, _steps(runs)))
    return tuple(made)


def _steps(runs: Sequence[BenchRun]) -> tuple[ChainStep, ...]:
    stages: dict[str, dict[str, Any]] = {}
    for run in runs:
        for entry in run.record["artifact"].get("quality", {}).get("chain", ()):
            if isinstance(entry, Mapping) and "stage" in entry:
                stages.setdefault(str(entry["stage"]), dict(entry))
    for run in runs:  # what the bench measured on this very file outranks what was noted when it was made
        entry = stages.setdefault(run.recipe, {"stage": run.recipe, "name": run.name})
        entry["bytes"], entry["test"] = run.cost.file_bytes, dict(run.metrics)
    ordered = sorted(
        stages, key=lambda stage: (_ORDER.index(stage) if stage in _ORDER else len(_ORDER), stage)
    )
    steps: list[ChainStep] = []
    for stage in ordered:
        before = steps[-1] if steps else None
        alike = before is None or before.stage not in _MADE or stage in _MADE or not runs[0].knows_more
        steps.append(_step(stages[stage], before, alike=alike))
    return tuple(steps)


def _step(entry: Mapping[str, Any], before: ChainStep | None, *, alike: bool) -> ChainStep:
    """alike: whether this stage and the one before know the same of the test users."""
    valid, test = _metrics(entry.get("valid")), _metrics(entry.get("test"))
    change: dict[str, float] = {}
    split = ""
    if before is not None:
        on_test = alike and test.keys() & before.test.keys()
        here, there, split = (test, before.test, "test") if on_test else (valid, before.valid, "valid")
        change = {name: here[name] - there[name] for name in here if name in there}
    size = entry.get("bytes")
    return ChainStep(
        stage=str(entry["stage"]),
        name=str(entry.get("name", "")),
        n_bytes=int(size) if isinstance(size, int | float) and math.isfinite(size) else None,
        valid=valid,
        test=test,
        change=change,
        change_split=split if change else "",
    )


def _metrics(values: Any) -> dict[str, float]:
    found = values.items() if isinstance(values, Mapping) else ()
    return {
        str(name): float(value)
        for name, value in found
        if isinstance(value, int | float) and math.isfinite(value)
    }


def value_of(metrics: Mapping[str, float], measure: str, cutoff: int) -> float | None:
    """What a measure reads of some metrics; None where these lack what it needs."""
    if measure != BALANCED:
        return metrics.get(measure)
    known = {f"recall@{cutoff}", f"ndcg@{cutoff}", f"ndcg@{min(HEAD_CUTOFF, cutoff)}"} <= metrics.keys()
    return worth(metrics, cutoff)[0] if known else None


def teacher_of(section: Section, measure: str) -> tuple[ChainStep, float] | None:
    """The best teacher on test among the section's chains, and its value: what students are held against.

    None where the section's files are asked with more than a teacher knows.
    """
    if section.first.knows_more:
        return None
    steps = [step for chain in chains(section) if (step := chain.step("teacher"))]
    found = [
        (step, value) for step in steps if (value := value_of(step.test, measure, section.cutoff)) is not None
    ]
    return max(found, key=lambda pair: pair[1], default=None)


def notes(section: Section) -> tuple[str, ...]:
    """Why another K than 50 judges, where one does, and what the section's files know of test users."""
    why = (
        f"Recall@{section.cutoff} judges here, not Recall@{DEFAULT_CUTOFF}: of "
        f"{section.first.n_items:,} items a longer list holds so many that any order finds most of what is "
        "relevant."
    )
    found = (why if section.cutoff != DEFAULT_CUTOFF else "", _KNOWS.get(section.first.profile, ""))
    return tuple(note for note in found if note)
