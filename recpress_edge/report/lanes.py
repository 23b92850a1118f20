"""The same variants on several devices: what was measured, emulated and estimated, side by side and apart."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from recpress_edge.report.front import Point, Section
from recpress_edge.report.verdict import recall, sibling, signed, times

MEASURED: Final = "measured"
ESTIMATED: Final = "estimated"
# Boards of estimates, by what their own device tree calls them: a measurement of one replaces its estimate.
BOARD_MODELS: Final = {
    "Raspberry Pi Zero 2 W": r"Raspberry Pi Zero 2\b",
    "Raspberry Pi 3B+": r"Raspberry Pi 3 Model B Plus",
    "Raspberry Pi 4B": r"Raspberry Pi 4 Model B",
    "Raspberry Pi 5": r"Raspberry Pi 5\b",
}
# Within this, a ratio says nothing.
_SAME: Final = 0.05


@dataclass(frozen=True, slots=True)
class Mark:
    """One variant on one device."""

    device: str
    variant: str
    basis: str
    low: float
    """Nanoseconds, or instructions. The ends of an estimate; of anything else both are the median."""
    high: float


@dataclass(frozen=True, slots=True)
class Lanes:
    """One data set's variants on all devices."""

    title: str
    times: tuple[Mark, ...]
    """Measured medians and estimated brackets, in nanoseconds."""
    counts: tuple[Mark, ...]
    """Emulated medians, in instructions: no time, so on an axis of their own."""
    int8: tuple[str, ...]
    """What quantisation buys, over all devices and core types."""
    labels: tuple[str, ...]
    """What the estimates say of themselves."""


def lanes(sections: Sequence[Section]) -> tuple[Lanes, ...]:
    """One entry per data set and list length that was met on more than one device, or emulated."""
    grouped: dict[tuple[str, str], list[Section]] = defaultdict(list)
    for section in sections:
        if section.placed:
            run = section.first
            grouped[(run.dataset, str(run.record["protocol"]["k"]))].append(section)
    return tuple(
        _lanes(f"{dataset} over all devices, top {k}", members)
        for (dataset, k), members in sorted(grouped.items())
        if len(members) > 1 or members[0].first.counted
    )


def _lanes(title: str, sections: Sequence[Section]) -> Lanes:
    measured = [_median(point) for point in _points(sections) if not point.first.counted]
    boards = {mark.device for mark in measured if mark.basis == MEASURED}
    brackets = [mark for point in _points(sections) for mark in _estimates(point)]
    kept = [mark for mark in brackets if not any(_is_board(device, mark.device) for device in boards)]
    return Lanes(
        title,
        (*measured, *kept),
        tuple(_median(point) for point in _points(sections) if point.first.counted),
        tuple(int8_lines(sections)),
        tuple(dict.fromkeys(label for point in _points(sections) for label in _labels(point))),
    )


def _points(sections: Sequence[Section]) -> Iterator[Point]:
    return (placed.point for section in sections for placed in section.placed)


def device_name(point: Point) -> str:
    """The board or the machine that was measured; of an emulated one the core."""
    record = point.first.record
    device, threads = record["device"], record["protocol"]["threads"]
    core = str(device.get("core") or device["id"])
    name = core if point.first.basis == "emulated" else str(device.get("model") or core)
    return name if threads == 1 else f"{name}, {threads} threads"


def variant_name(point: Point) -> str:
    """The bundle, and what computed in place of its own runtime or that one's kernels."""
    protocol = point.first.record["protocol"]
    other = protocol.get("delegate") or protocol.get("runtime")
    return f"{point.first.name} + {other}" if other else point.first.name


def _median(point: Point) -> Mark:
    return Mark(device_name(point), variant_name(point), point.first.basis, point.p50_ns, point.p50_ns)


def _estimates(point: Point) -> Iterator[Mark]:
    for found in point.first.record.get("estimates", ()):
        low, high = float(found["query_low_ns"]), float(found["query_high_ns"])
        yield Mark(str(found["board"]), variant_name(point), ESTIMATED, low, high)


def _labels(point: Point) -> Iterator[str]:
    return (str(found["label"]) for found in point.first.record.get("estimates", ()))


def _is_board(model: str, board: str) -> bool:
    return re.search(BOARD_MODELS.get(board, re.escape(board)), model) is not None


def int8_lines(sections: Sequence[Section]) -> Iterator[str]:
    """One sentence per quantised variant: smaller by how much, and faster or slower on which core."""
    found: dict[str, list[tuple[Point, Point]]] = defaultdict(list)
    for section in sections:
        for placed in section.placed:
            fp32 = sibling(section, placed.point)
            if fp32 is not None and fp32 is not placed.point:
                found[placed.point.first.name].append((placed.point, fp32))
    for name, pairs in sorted(found.items()):
        yield _int8_line(name, pairs)


def _int8_line(name: str, pairs: Sequence[tuple[Point, Point]]) -> str:
    point, fp32 = pairs[0]
    smaller = fp32.file_bytes.mean / point.file_bytes.mean
    size = f"{times(smaller)} smaller" if smaller >= 1 else f"{times(1 / smaller)} larger"
    by_core: dict[str, tuple[float, str]] = {}
    for small, large in pairs:
        device = small.first.record["device"]
        core = str(device.get("core") or device["id"])
        dot = "int8 dot product" if device.get("dotprod") else "no int8 dot product"
        ratio = small.p50_ns / large.p50_ns
        told = f"{ratio:.2f}× the {_work(small)} on {core} ({small.first.basis}, {dot})"
        by_core.setdefault(core, (ratio, told))
    fast = [core for core, (ratio, _) in by_core.items() if ratio <= 1 - _SAME]
    slow = [core for core, (ratio, _) in by_core.items() if ratio > 1 + _SAME]
    if len(fast) == len(by_core):
        follows = "choose it for memory and for speed"
    elif fast:
        follows = f"choose it for memory, for speed only on {' and '.join(fast)}"
    else:
        follows = "choose it for memory, not for speed" + (": it is slower" if slow else "")
    delta = signed(point.recall.mean - fp32.recall.mean)
    work = ", ".join(told for _, told in by_core.values())
    return f"{name}: {size}, {work}; Recall@50 {recall(point.recall.mean)} ({delta}): {follows}."


def _work(point: Point) -> str:
    return "instructions" if point.first.counted else "latency"
