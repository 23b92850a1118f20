"""Which runtime to take: the same student and recipe, answered by several on one device."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from recpress_edge.core.units import format_bytes
from recpress_edge.report.axes import WORK_KEYS, work_form
from recpress_edge.report.figures import listed, times
from recpress_edge.report.front import Section, has_tail
from recpress_edge.report.points import Point
from recpress_edge.report.spans import Span


def runtime_lines(section: Section) -> tuple[str, ...]:
    """A sentence per student and recipe that more than one runtime answered for: speed, then memory."""
    groups: dict[tuple[str, ...], list[Point]] = defaultdict(list)
    for placed in section.placed:
        run = placed.point.first
        groups[(run.student, run.teacher, run.recipe, run.basis)].append(placed.point)
    return tuple(
        _line(members) for members in groups.values() if len({point.first.runtime for point in members}) > 1
    )


def _line(points: Sequence[Point]) -> str:
    run = points[0].first
    work, fastest = ("instructions", "takes fewest") if run.counted else ("p95", "is fastest")
    form = work_form(counted=run.counted)
    key = WORK_KEYS[not has_tail(points)]
    figure = work if run.counted else key.removesuffix("_ns")
    parts = [_standing("back to back ", fastest, figure, _by_runtime(points, lambda p: p.span(key)), form)]
    paced = [point.paced_p95_ns for point in points]
    pauses = {point.first.record["protocol"].get("pause_ns") for point in points}
    if all(paced) and len(pauses) == 1:
        spans = {p.first.runtime: span for p, span in zip(points, paced, strict=True) if span is not None}
        parts.append(_standing("after a pause ", fastest, work, spans, form))
    memory = _by_runtime(points, lambda point: point.peak_bytes)
    parts.append(_standing("", "takes least memory", "whole process", memory, format_bytes))
    return f"{run.student}, {run.recipe}: {'; '.join(parts)}."


def _by_runtime(points: Sequence[Point], of: Callable[[Point], Span]) -> Mapping[str, Span]:
    return {point.first.runtime: of(point) for point in points}


def _standing(
    when: str, leads: str, what: str, spans: Mapping[str, Span], form: Callable[[float], str]
) -> str:
    """'back to back a is fastest (p95: a 35.0 µs, b 71.0 µs, 2.0×)'; those that are level are said to be."""
    ordered = sorted(spans.items(), key=lambda item: item[1].mean)
    first, lead = ordered[0]
    level = [name for name, span in ordered[1:] if not lead.below(span)]
    said = [f"{first} {form(lead.mean)}"]
    said += [f"{name} {form(span.mean)}, {times(span.mean / lead.mean)}" for name, span in ordered[1:]]
    verb = f"{listed([first, *level])} are level" if level else f"{first} {leads}"
    return f"{when}{verb} ({what}: {'; '.join(said)})"
