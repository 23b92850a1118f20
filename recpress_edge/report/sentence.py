"""What a verdict says of the chosen variant: its figures, then what they are held against."""

from collections.abc import Mapping
from typing import Final

from recpress_edge.core.metrics import metric_title
from recpress_edge.core.units import (
    enumerated,
    format_bytes,
    format_change,
    format_factor,
    format_recall,
)
from recpress_edge.report.baselines import is_baseline
from recpress_edge.report.chain import ChainStep, chains, teacher_of
from recpress_edge.report.front import Section
from recpress_edge.report.points import Point, work_form

_SHARES: Final = "{share:.1f} % of {metric} ({own} of {other})"


def figures(section: Section, point: Point) -> str:
    """'Recall@10 .1376, NDCG@10 .0550, Recall@50 .2751 (mean of 3 seeds)'."""
    told = ", ".join(
        f"{metric_title(name)} {format_recall(point.value(name).mean)}" for name in section.shown
    )
    split = " on test users" if point.first.knows_more else ""
    return told + split + (f" (mean of {len(point.runs)} seeds)" if len(point.runs) > 1 else "")


def against_teacher(section: Section, point: Point) -> str:
    """First of all what is lost: the teacher's metrics, and its bytes, against the file's."""
    teacher = _teacher(section, point)
    own = None if teacher is None else _on_same_knowledge(section, point, teacher)
    if teacher is None or own is None:
        return ""
    ours, theirs = own
    shares = [
        _SHARES.format(
            share=100 * ours[name] / theirs[name],
            metric=metric_title(name),
            own=format_recall(ours[name]),
            other=format_recall(theirs[name]),
        )
        for name in point.shown
        if name in ours and theirs.get(name)
    ]
    if not shares:
        return ""
    whose = "its teacher" if point.first.teacher else "the best teacher"
    where = "On validation users, of" if point.first.knows_more else "Of"
    size = (
        f", which needs {format_factor(teacher.n_bytes / point.file_bytes.mean)} the bytes"
        if teacher.n_bytes
        else ""
    )
    return f"{where} {whose} ({teacher.name}{size}) it has {enumerated(shares)}."


def _teacher(section: Section, point: Point) -> ChainStep | None:
    """The step of the point's own teacher; of a model that had none the best teacher in the section."""
    run = point.first
    if not run.teacher:
        best = teacher_of(section, section.by)
        return best[0] if best else None
    own = (c for c in chains(section) if (c.student, c.teacher) == (run.student, run.teacher))
    return next((step for chain in own if (step := chain.step("teacher"))), None)


def _on_same_knowledge(
    section: Section, point: Point, teacher: ChainStep
) -> tuple[Mapping[str, float], Mapping[str, float]] | None:
    """The file's metrics and the teacher's: on test, or on validation where the file knows more on test."""
    if not point.first.knows_more:
        return {name: point.value(name).mean for name in point.shown}, teacher.test
    run = point.first
    own = (c for c in chains(section) if (c.student, c.teacher) == (run.student, run.teacher))
    step = next((step for chain in own if (step := chain.step(run.recipe))), None)
    return None if step is None else (step.valid, teacher.valid)


def costs(section: Section, point: Point) -> str:
    """Bytes and time, on what."""
    device = point.first.record["device"]
    form = work_form(counted=point.first.counted)
    runtime = f" with {point.first.runtime}" if len(section.runtimes) > 1 else ""
    work = f"p95 {form(point.p95_ns.mean)}" if point.p95_ns else f"p50 {form(point.p50_ns.mean)}"
    paced = f", {form(point.paced_p95_ns.mean)} after a pause" if point.paced_p95_ns else ""
    return (
        f"It takes {format_bytes(point.file_bytes.mean)} (its bundle {format_bytes(point.bundle_bytes)}), "
        f"{work}{paced}{runtime} on "
        f"{device.get('model') or device['id']} ({point.first.basis})."
    )


def against_fp32(section: Section, point: Point) -> str:
    """What the recipe keeps."""
    fp32 = section.fp32_of(point)
    if fp32 is None or fp32 is point:
        return ""
    pairs = {name: (point.value(name).mean, fp32.value(name).mean) for name in point.shown}
    kept = [f"{100 * own / other:.1f} % of {metric_title(n)}" for n, (own, other) in pairs.items() if other]
    if not kept:
        return ""
    size = point.file_bytes.mean / fp32.file_bytes.mean
    return f"Of its fp32 file it has {enumerated(kept)} at {size:.2f}× the bytes."


def against_undistilled(section: Section, point: Point) -> str:
    """What distillation bought at equal bytes, when the same size without a teacher was benchmarked."""
    if not point.first.teacher or is_baseline(point):
        return ""

    def like(p: Point) -> tuple[object, ...]:
        run = p.first
        return run.dim, run.recipe, run.format, run.runtime, run.basis

    plain = [
        placed.point
        for placed in section.placed
        if not placed.point.first.teacher
        and not is_baseline(placed.point)
        and like(placed.point) == like(point)
    ]
    if not plain:
        return ""
    best = max(plain, key=lambda p: p.value(section.by).mean)
    gains = [
        f"{metric_title(name)} by {format_change(point.value(name).mean - best.value(name).mean)}"
        for name in point.shown
    ]
    return f"Distillation changes {enumerated(gains)} against {best.label}, which had no teacher."
