"""The sentence a reader takes away, and the rule that chose its subject."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.core.units import format_bytes, format_factor, format_recall
from recpress_edge.records.bench import BASES
from recpress_edge.records.budget import Budget, Check, checks, misses
from recpress_edge.report.chain import ChainStep, chains, notes, teacher_of
from recpress_edge.report.claims import quantised_line, quantised_lines, runtime_lines
from recpress_edge.report.front import CERTAIN, PlacedPoint, Section, place, sections
from recpress_edge.report.points import FILE_RESOLUTION_BYTES, Point, work_form
from recpress_edge.report.robustness import Survival, read_survivals
from recpress_edge.report.runs import Unreadable, read_files, read_runs

WITHIN: Final = 0.02
RULE: Final = (
    "Chosen, by report and pick alike: of the variants that keep every limit, the smallest file whose "
    f"Recall is within {100 * WITHIN:.0f} % (relative) of the best of them; equal sizes are settled by "
    "Recall, then by p95 latency, or by p50 where a variant has no p95 to rely on."
)
_LIMITS: Final = (
    "Limits: peak memory is that of the whole process (VmHWM); with several seeds the largest file and peak "
    "count, and the mean p95."
)


@dataclass(frozen=True, slots=True)
class Choice:
    """What to ship from one section."""

    winner: PlacedPoint | None
    sentence: str
    notes: tuple[str, ...]
    """Which K judges where it is not 50, and what a file of this profile may know."""
    int8: tuple[str, ...]
    """One honest line per variant that has an fp32 file beside it."""
    own_int8: str
    """The winner's own line among them, or empty."""
    runtimes: tuple[str, ...]
    """One line per student and recipe that several runtimes answered for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was read, compared and chosen: all that the page says."""

    budget: Budget
    sections: tuple[Section, ...]
    choices: tuple[Choice, ...]
    """One per section."""
    survivals: tuple[Survival, ...]
    unreadable: tuple[Unreadable, ...]

    @property
    def pairs(self) -> tuple[tuple[Section, Choice], ...]:
        """Each section with its choice."""
        return tuple(zip(self.sections, self.choices, strict=True))

    @property
    def drawn(self) -> tuple[tuple[Section, PlacedPoint | None], ...]:
        """The sections of which there is a picture, with what is chosen: valid runs, and a known Recall."""
        return tuple((one, choice.winner) for one, choice in self.pairs if one.placed and one.judged)


def read_report(paths: Sequence[Path], budget: Budget) -> Report:
    """Read files and folders of records; ArtifactError where none is a bench or survival record."""
    files = read_files(paths)
    survivals, damaged = read_survivals(files)
    runs, others = read_runs(files, required=not survivals)
    found = sections(runs, budget)
    return Report(
        budget=budget,
        sections=found,
        choices=tuple(verdict(section, budget) for section in found),
        survivals=survivals,
        unreadable=(*others, *damaged),
    )


def verdict(section: Section, budget: Budget) -> Choice:
    """Choose, and say so in words."""
    winner = choose(section, budget)
    fp32 = section.fp32_of(winner.point) if winner else None
    own = quantised_line(winner.point, fp32) if winner and fp32 and fp32 is not winner.point else ""
    return Choice(
        winner,
        _sentence(section, winner, budget),
        notes(section),
        quantised_lines(section),
        own,
        runtime_lines(section),
    )


def rule(budget: Budget) -> str:
    """How :func:`choose` chooses, in words."""
    return f"{RULE} {_LIMITS}" if budget.limited else RULE


def candidates(section: Section) -> tuple[PlacedPoint, ...]:
    """Measured points; only where there are none, the emulated, then the estimated ones."""
    for basis in BASES:
        found = tuple(p for p in section.placed if p.point.first.basis == basis)
        if found:
            return found
    return ()


def choose(section: Section, budget: Budget) -> PlacedPoint | None:
    """The variant to ship by :data:`RULE`; None when nothing fits, or when nothing says which is better."""
    rows = [placed for placed in candidates(section) if not placed.missed] if section.judged else []
    if not rows:
        return None
    best = max(placed.point.recall.mean for placed in rows)
    close = [placed.point for placed in rows if placed.point.recall.mean >= (1 - WITHIN) * best]
    smallest = min(point.file_bytes.mean for point in close)

    def order(placed: PlacedPoint) -> tuple[float, float, str]:
        work = placed.point.span(section.axes[1].key)
        return -placed.point.recall.mean, work.mean, placed.point.label

    level = [point for point in close if point.file_bytes.mean - smallest <= FILE_RESOLUTION_BYTES]
    return min((placed for placed in rows if placed.point in level), key=order)


def nearest_misses(section: Section, budget: Budget) -> tuple[tuple[PlacedPoint, Check], ...]:
    """Per limit, the variant that breaks it by least, with that check; limits nobody breaks are left out."""
    broken: dict[str, list[tuple[PlacedPoint, Check]]] = {}
    for placed in candidates(section):
        for check in misses(placed.point.cost, budget):
            broken.setdefault(check.constraint, []).append((placed, check))

    def overshoot(pair: tuple[PlacedPoint, Check]) -> tuple[float, float]:
        margin = pair[1].margin
        return (float("inf") if margin is None else -margin), -pair[0].point.recall.mean

    order = (
        [check.constraint for check in checks(section.placed[0].point.cost, budget)] if section.placed else []
    )
    return tuple(min(broken[name], key=overshoot) for name in order if name in broken)


def what_to_do(section: Section) -> str:
    """What gives a section whose Recall tells nothing one that does."""
    if section.placed and section.placed[0].status == CERTAIN:
        return "Judge by a log that leaves each user more items."
    return "Export with --with-evaluation, and measure again."


def _sentence(section: Section, winner: PlacedPoint | None, budget: Budget) -> str:
    if not section.placed:
        return f"Nothing to ship: no run is valid.{_without_times(section)}"
    if not section.judged:
        status = section.placed[0].status
        return f"{status[0].upper()}{status[1:]}. {what_to_do(section)}"
    if winner is None:
        near = [f"{placed.point.label}: {check}" for placed, check in nearest_misses(section, budget)]
        return f"Nothing fits the budget ({budget}). Nearest: {'; '.join(near)}."
    point = winner.point
    sentences = [
        f"Ship {point.label}: {_against_teacher(section, point)}.",
        _costs(section, point),
        _against_fp32(section, point),
        _against_undistilled(section, point),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _without_times(section: Section) -> str:
    """What the runs still tell where none is valid: load moves times, but neither Recall nor bytes."""
    alike = [row.point for row in section.disturbed if row.point.first.basis == section.first.basis]
    if not section.judged or not alike:
        return ""
    placed = place(alike, Budget(), section.axes)
    untimed = dataclasses.replace(section, placed=placed)
    chosen = choose(untimed, Budget())
    if chosen is None:
        return ""
    point = chosen.point
    return (
        f" Known all the same are Recall and bytes: by these {point.label} is the choice, "
        f"{_against_teacher(untimed, point)}, in {format_bytes(point.file_bytes.mean)}. "
        "Measure its latency again on a quiet machine."
    )


def _against_teacher(section: Section, point: Point) -> str:
    """First of all what is lost: the teacher's Recall, and its bytes, against the file's."""
    own = f"{section.metric} {format_recall(point.recall.mean)}"
    if len(point.runs) > 1:
        own += f" (mean of {len(point.runs)} seeds)"
    teacher = _teacher(section, point)
    if teacher is None:
        return own
    values = _on_same_knowledge(section, point, teacher)
    if values is None or not values[1]:
        return own
    kept = values[0] / values[1]
    split = " on validation users" if point.first.knows_more else ""
    whose = "its teacher's" if point.first.teacher else "the best teacher's"
    size = (
        f", which needs {format_factor(teacher.n_bytes / point.file_bytes.mean)} the bytes"
        if teacher.n_bytes
        else ""
    )
    return (
        f"it {_share(kept)} of {whose} {section.metric}{split} ({format_recall(values[0])} of "
        f"{format_recall(values[1])}, {teacher.name}{size})"
    ) + (f"; {own} on test users" if split else "")


def _share(kept: float) -> str:
    """'keeps 97.2 %', or 'reaches 103.0 %'."""
    return f"{'keeps' if kept < 1 else 'reaches'} {100 * kept:.1f} %"


def _teacher(section: Section, point: Point) -> ChainStep | None:
    """The step of the point's own teacher; of a model that had none the best teacher in the section."""
    run = point.first
    if not run.teacher:
        return teacher_of(section)
    own = (c for c in chains(section) if (c.student, c.teacher) == (run.student, run.teacher))
    return next((step for chain in own if (step := chain.step("teacher"))), None)


def _on_same_knowledge(section: Section, point: Point, teacher: ChainStep) -> tuple[float, float] | None:
    """The file's Recall and the teacher's: on test, or on validation where the file knows more on test."""
    if not point.first.knows_more:
        return None if teacher.test is None else (point.recall.mean, teacher.test)
    run = point.first
    own = (c for c in chains(section) if (c.student, c.teacher) == (run.student, run.teacher))
    step = next((step for chain in own if (step := chain.step(run.recipe))), None)
    if step is None or step.valid is None or teacher.valid is None:
        return None
    return step.valid, teacher.valid


def _costs(section: Section, point: Point) -> str:
    device = point.first.record["device"]
    form = work_form(counted=point.first.counted)
    runtime = f" with {point.first.runtime}" if len(section.runtimes) > 1 else ""
    work = f"p95 {form(point.p95_ns.mean)}" if point.p95_ns else f"p50 {form(point.p50_ns.mean)}"
    paced = f", {form(point.paced_p95_ns.mean)} after a pause" if point.paced_p95_ns else ""
    return (
        f"It takes {format_bytes(point.file_bytes.mean)}, {work}{paced}{runtime} on "
        f"{device.get('model') or device['id']} ({point.first.basis})."
    )


def _against_fp32(section: Section, point: Point) -> str:
    fp32 = section.fp32_of(point)
    if fp32 is None or fp32 is point or not fp32.recall.mean:
        return ""
    kept, size = point.recall.mean / fp32.recall.mean, point.file_bytes.mean / fp32.file_bytes.mean
    return f"It {_share(kept)} of its fp32 file's {section.metric} at {size:.2f}× the bytes."


def _against_undistilled(section: Section, point: Point) -> str:
    """What distillation bought at equal bytes, when the same size without a teacher was benchmarked."""
    if not point.first.teacher:
        return ""

    def like(p: Point) -> tuple[object, ...]:
        run = p.first
        return run.dim, run.recipe, run.format, run.runtime, run.basis

    plain = [
        placed.point
        for placed in section.placed
        if not placed.point.first.teacher and like(placed.point) == like(point)
    ]
    if not plain:
        return ""
    best = max(plain, key=lambda p: p.recall.mean)
    gain = point.recall.mean - best.recall.mean
    verb = "adds" if gain >= 0 else "costs"
    return f"Distillation {verb} {format_recall(abs(gain))} against {best.label}, which had no teacher."
