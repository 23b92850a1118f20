"""What each step costs: teacher → student → fp32 file → int8 file, on the same held-out users."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recpress_edge.report.front import Section
from recpress_edge.report.knowledge import asked_with_more
from recpress_edge.report.runs import Run

_MADE: Final = ("teacher", "student")
"""Stages before there was a file: they know the train items alone."""
_ORDER: Final = ("teacher", "student", "fp32")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage of a chain."""

    stage: str
    name: str
    n_bytes: int | None
    valid: float | None
    test: float | None
    loss: float | None
    """Recall here less Recall at the step before: on test where both have it and know the same,
    else on valid."""
    loss_split: str


@dataclass(frozen=True, slots=True)
class Chain:
    """The stages of one trained model."""

    student: str
    teacher: str
    """Empty for a model that had none."""
    seed: str
    steps: tuple[Step, ...]

    @property
    def title(self) -> str:
        """Whose chain it is."""
        return f"{self.student}, seed {self.seed or 'not recorded'}"

    def step(self, stage: str) -> Step | None:
        """The step of a stage, if the chain has it."""
        return next((step for step in self.steps if step.stage == stage), None)


def chains(section: Section) -> tuple[Chain, ...]:
    """One chain per student, of its lowest seed; runs of one trained model are gathered."""
    models: dict[tuple[str, str], dict[str, list[Run]]] = {}
    for placed in section.placed:
        for run in placed.point.runs:
            models.setdefault((run.student, run.teacher), {}).setdefault(run.model_id, []).append(run)
    made = []
    for (student, teacher), by_model in sorted(models.items(), key=lambda item: (item[0][0], item[0][1])):
        runs = min(by_model.values(), key=lambda members: (len(members[0].seed), members[0].seed))
        made.append(Chain(student, teacher, runs[0].seed, _steps(runs)))
    return tuple(made)


def _steps(runs: Sequence[Run]) -> tuple[Step, ...]:
    stages: dict[str, dict[str, Any]] = {}
    for run in runs:
        for entry in run.record["artifact"].get("quality", {}).get("chain", ()):
            if isinstance(entry, Mapping) and "stage" in entry:
                stages.setdefault(str(entry["stage"]), dict(entry))
    for run in runs:  # what the bench measured on this very file outranks what was noted when it was made
        entry = stages.setdefault(run.recipe, {"stage": run.recipe, "name": run.name})
        entry["bytes"], entry["test"] = run.cost.file_bytes, {f"recall@{run.cutoff}": run.recall}
    ordered = sorted(
        stages, key=lambda stage: (_ORDER.index(stage) if stage in _ORDER else len(_ORDER), stage)
    )
    steps: list[Step] = []
    for stage in ordered:
        before = steps[-1] if steps else None
        alike = before is None or before.stage not in _MADE or stage in _MADE or not asked_with_more(runs[0])
        steps.append(_step(stages[stage], before, runs[0].cutoff, alike=alike))
    return tuple(steps)


def _step(entry: Mapping[str, Any], before: Step | None, cutoff: int, *, alike: bool) -> Step:
    """alike: whether this stage and the one before know the same of the test users."""
    valid, test = _metric(entry.get("valid"), cutoff), _metric(entry.get("test"), cutoff)
    loss, split = None, ""
    if before is not None:
        if alike and test is not None and before.test is not None:
            loss, split = test - before.test, "test"
        elif valid is not None and before.valid is not None:
            loss, split = valid - before.valid, "valid"
    size = entry.get("bytes")
    return Step(
        stage=str(entry["stage"]),
        name=str(entry.get("name", "")),
        n_bytes=int(size) if isinstance(size, int | float) and math.isfinite(size) else None,
        valid=valid,
        test=test,
        loss=loss,
        loss_split=split,
    )


def _metric(values: Any, cutoff: int) -> float | None:
    found = values.get(f"recall@{cutoff}") if isinstance(values, Mapping) else None
    return float(found) if isinstance(found, int | float) and math.isfinite(found) else None


def teacher_of(section: Section) -> Step | None:
    """The best teacher with a test figure among the section's chains: the line students are held against.

    None where the section's files are asked with more than a teacher knows.
    """
    if asked_with_more(section.first):
        return None
    found = [step for chain in chains(section) if (step := chain.step("teacher")) and step.test is not None]
    return max(found, key=lambda step: step.test or 0.0, default=None)
