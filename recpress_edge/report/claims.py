"""What a quantised file gains over its fp32 file, each claim from the column that shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from recpress_edge.core.units import format_bytes
from recpress_edge.report.figures import listed, signed, times
from recpress_edge.report.points import FILE_RESOLUTION_BYTES, Point
from recpress_edge.report.spans import Span

_RECALL_NOTICE: Final = 0.002
SIZE: Final = "size"
SPEED: Final = "speed"
MEMORY: Final = "memory"
_LEVEL: Final = {SIZE: "it is no smaller", SPEED: "it is no faster", MEMORY: "it holds no less memory"}
_WORSE: Final = {SIZE: "it is larger", SPEED: "it is slower", MEMORY: "it holds more memory"}


@dataclass(frozen=True, slots=True)
class Claims:
    """Where a file is better than its fp32 file, where level, where worse: size, speed, memory."""

    better: tuple[str, ...]
    level: tuple[str, ...]
    worse: tuple[str, ...]


def claims(point: Point, fp32: Point) -> Claims:
    """Size from the bytes of the file, speed from the p50 of its queries, memory from the measured peak above
    the idle runtime; a difference inside the intervals is none."""
    pairs = (
        (SIZE, point.file_bytes.widened(FILE_RESOLUTION_BYTES), fp32.file_bytes),
        (SPEED, point.p50_ns, fp32.p50_ns),
        (MEMORY, point.model_bytes, fp32.model_bytes),
    )
    stands = {name: _stands(ours, theirs) for name, ours, theirs in pairs}
    better, level, worse = (tuple(name for name in stands if stands[name] == sign) for sign in (1, 0, -1))
    return Claims(better, level, worse)


def _stands(ours: Span, theirs: Span) -> int:
    return int(ours.below(theirs)) - int(theirs.below(ours))


def advice(found: Claims) -> str:
    """What follows: 'choose it for size and speed; it holds no less memory'."""
    chosen = f"choose it for {listed(found.better)}" if found.better else "nothing measured speaks for it"
    against = [*(_LEVEL[name] for name in found.level), *(_WORSE[name] for name in found.worse)]
    return "; ".join([chosen, *([listed(against)] if against else [])])


def quantised_line(point: Point, fp32: Point) -> str:
    """One honest sentence about a quantised file."""
    work = "instructions" if point.first.counted else "latency"
    delta = point.recall.mean - fp32.recall.mean
    metric = f"Recall@{point.first.cutoff}"
    lost = f"; it loses more than {signed(_RECALL_NOTICE)[1:]} {metric}" if delta < -_RECALL_NOTICE else ""
    return (
        f"{point.label}: {smaller(point, fp32)} than fp32, {point.p50_ns.mean / fp32.p50_ns.mean:.2f}× its "
        f"{work} (p50), memory {memory_change([point], [fp32])}, {metric} {signed(delta)}: "
        f"{advice(claims(point, fp32))}{lost}."
    )


def smaller(point: Point, fp32: Point) -> str:
    """'3.7× smaller', '1.1× larger'."""
    ratio = fp32.file_bytes.mean / point.file_bytes.mean
    return f"{times(ratio)} smaller" if ratio >= 1 else f"{times(1 / ratio)} larger"


def memory_change(points: Sequence[Point], fp32: Sequence[Point]) -> str:
    """'−1.2 MiB', or '−1.2 to +0.3 MiB' over several devices."""
    changes = [p.model_bytes.mean - q.model_bytes.mean for p, q in zip(points, fp32, strict=True)]
    return " to ".join(dict.fromkeys(map(_change, (min(changes), max(changes)))))


def _change(n_bytes: float) -> str:
    sign = "±" if n_bytes == 0 else "−" if n_bytes < 0 else "+"
    return f"{sign}{format_bytes(abs(n_bytes))}"
