"""What a quantised file gains over its fp32 file, and one runtime over another, each from its own column."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from recpress_edge.core.metrics import metric_title
from recpress_edge.core.stats import Interval
from recpress_edge.core.units import enumerated, format_bytes, format_change, format_factor, format_recall
from recpress_edge.report.front import Section
from recpress_edge.report.points import (
    FILE_RESOLUTION_BYTES,
    WORK_KEYS,
    Point,
    Standing,
    has_tail,
    standing,
    work_form,
)

_NOTICE: Final = 0.002
_SIZE: Final = "size"
_SPEED: Final = "speed"
_MEMORY: Final = "memory"
_LEVEL: Final = {_SIZE: "it is no smaller", _SPEED: "it is no faster", _MEMORY: "it holds no less memory"}
_WORSE: Final = {_SIZE: "it is larger", _SPEED: "it is slower", _MEMORY: "it holds more memory"}


def claims(point: Point, fp32: Point) -> Standing:
    """Size from the bytes of the file, speed from the p50 of its queries, memory from the measured peak above
    the idle runtime; a difference inside the intervals is none."""
    return standing(
        {
            _SIZE: (point.file_bytes.widened(FILE_RESOLUTION_BYTES), fp32.file_bytes),
            _SPEED: (point.p50_ns, fp32.p50_ns),
            _MEMORY: (point.model_bytes, fp32.model_bytes),
        }
    )


def _advice(found: Standing) -> str:
    """What follows: 'choose it for size and speed; it holds no less memory'."""
    chosen = f"choose it for {enumerated(found.better)}" if found.better else "nothing measured speaks for it"
    against = [*(_LEVEL[name] for name in found.level), *(_WORSE[name] for name in found.worse)]
    return "; ".join([chosen, *([enumerated(against)] if against else [])])


def quantised_lines(section: Section) -> tuple[str, ...]:
    """A sentence per variant that has an fp32 file to be compared with."""
    points = [placed.point for placed in section.placed if placed.point.first.recipe != "fp32"]
    pairs = [(point, section.fp32_of(point)) for point in points]
    return tuple(sorted(quantised_line(point, fp32) for point, fp32 in pairs if fp32 is not None))


def quantised_line(point: Point, fp32: Point) -> str:
    """One honest sentence about a quantised file."""
    work = "instructions" if point.first.counted else "latency"
    changes = {metric_title(n): point.value(n).mean - fp32.value(n).mean for n in point.shown}
    worse = [metric for metric, change in changes.items() if change < -_NOTICE]
    lost = f"; it loses more than {format_change(_NOTICE)[1:]} of {enumerated(worse)}" if worse else ""
    told = ", ".join(f"{metric} {format_change(change)}" for metric, change in changes.items())
    return (
        f"{point.label}: {_smaller(point, fp32)} than fp32, {point.p50_ns.mean / fp32.p50_ns.mean:.2f}× its "
        f"{work} (p50), memory {_memory_change([point], [fp32])}, {told}: "
        f"{_advice(claims(point, fp32))}{lost}."
    )


def _smaller(point: Point, fp32: Point) -> str:
    """'3.7× smaller', '1.1× larger'."""
    ratio = fp32.file_bytes.mean / point.file_bytes.mean
    return f"{format_factor(ratio)} smaller" if ratio >= 1 else f"{format_factor(1 / ratio)} larger"


def _memory_change(points: Sequence[Point], fp32: Sequence[Point]) -> str:
    """'−1.2 MiB', or '−1.2 to +0.3 MiB' over several devices."""
    changes = [p.model_bytes.mean - q.model_bytes.mean for p, q in zip(points, fp32, strict=True)]
    return " to ".join(dict.fromkeys(map(_change, (min(changes), max(changes)))))


def _change(n_bytes: float) -> str:
    sign = "±" if n_bytes == 0 else "−" if n_bytes < 0 else "+"
    return f"{sign}{format_bytes(abs(n_bytes))}"


def lines_by_core(sections: Sequence[Section]) -> tuple[str, ...]:
    """One sentence per quantised variant: smaller by how much, and faster or slower on which core."""
    found: dict[str, list[tuple[Point, Point]]] = defaultdict(list)
    for section in sections:
        for placed in section.placed:
            fp32 = section.fp32_of(placed.point)
            if fp32 is not None and fp32 is not placed.point:
                found[placed.point.first.name].append((placed.point, fp32))
    return tuple(_line_by_core(name, pairs) for name, pairs in sorted(found.items()))


def _line_by_core(name: str, pairs: Sequence[tuple[Point, Point]]) -> str:
    """By core: what it is worth on all of them, on some, on none."""
    point, fp32 = pairs[0]
    by_core = {_core(small): (small, large) for small, large in reversed(pairs)}
    told = [_on_core(core, *pair) for core, pair in sorted(by_core.items())]
    memory = _memory_change(*zip(*by_core.values(), strict=True))
    metrics = ", ".join(_kept(point, fp32, name) for name in point.shown)
    return (
        f"{name}: {_smaller(point, fp32)}, {', '.join(told)}, memory {memory}; {metrics}: "
        f"{_advice_by_core(by_core)}."
    )


def _kept(point: Point, fp32: Point, name: str) -> str:
    """'Recall@50 .2751 (−.0002)'."""
    own, other = (one.value(name).mean for one in (point, fp32))
    return f"{metric_title(name)} {format_recall(own)} ({format_change(own - other)})"


def _core(point: Point) -> str:
    device = point.first.record["device"]
    return str(device.get("core") or device["id"])


def _on_core(core: str, small: Point, large: Point) -> str:
    dot = "int8 dot product" if small.first.record["device"].get("dotprod") else "no int8 dot product"
    ratio = small.p50_ns.mean / large.p50_ns.mean
    return f"{ratio:.2f}× the {_work(small)} on {core} ({small.first.basis}, {dot})"


def _advice_by_core(by_core: Mapping[str, tuple[Point, Point]]) -> str:
    found = {core: claims(*pair) for core, pair in sorted(by_core.items())}
    everywhere, chosen, against = [], [], []
    for claim in (_SIZE, _SPEED, _MEMORY):
        better = [core for core, one in found.items() if claim in one.better]
        worse = [core for core, one in found.items() if claim in one.worse]
        if len(better) == len(found):
            everywhere.append(claim)
        elif better:
            chosen.append(f"for {claim} only on {enumerated(better)}")
        if worse:
            where = "" if len(worse) == len(found) else f" on {enumerated(worse)}"
            against.append(f"{_WORSE[claim]}{where}")
    reasons = [*([f"for {enumerated(everywhere)}"] if everywhere else []), *chosen]
    advice = f"choose it {', '.join(reasons)}" if reasons else "nothing measured speaks for it"
    return "; ".join([advice, *([enumerated(against)] if against else [])])


def _work(point: Point) -> str:
    return "instructions" if point.first.counted else "latency"


def runtime_lines(section: Section) -> tuple[str, ...]:
    """A sentence per student and recipe that more than one runtime answered for: speed, then memory."""
    groups: dict[tuple[str, ...], list[Point]] = defaultdict(list)
    for placed in section.placed:
        run = placed.point.first
        groups[(run.student, run.teacher, run.recipe, run.basis)].append(placed.point)
    return tuple(
        _runtime_line(members)
        for members in groups.values()
        if len({point.first.runtime for point in members}) > 1
    )


def _runtime_line(points: Sequence[Point]) -> str:
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


def _by_runtime(points: Sequence[Point], of: Callable[[Point], Interval]) -> Mapping[str, Interval]:
    return {point.first.runtime: of(point) for point in points}


def _standing(
    when: str, leads: str, what: str, spans: Mapping[str, Interval], form: Callable[[float], str]
) -> str:
    """'back to back a is fastest (p95: a 35.0 µs, b 71.0 µs, 2.0×)'; those that are level are said to be."""
    ordered = sorted(spans.items(), key=lambda item: item[1].mean)
    first, lead = ordered[0]
    level = [name for name, span in ordered[1:] if not lead.below(span)]
    said = [f"{first} {form(lead.mean)}"]
    said += [
        f"{name} {form(span.mean)}, {format_factor(span.mean / lead.mean)}" for name, span in ordered[1:]
    ]
    verb = f"{enumerated([first, *level])} are level" if level else f"{first} {leads}"
    return f"{when}{verb} ({what}: {'; '.join(said)})"
