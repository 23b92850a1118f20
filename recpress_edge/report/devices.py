"""The same variants on several devices: what was measured, emulated and estimated, side by side and apart."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from recpress_edge.report.claims import MEMORY, SIZE, SPEED, claims, memory_change, smaller
from recpress_edge.report.figures import listed, recall, signed
from recpress_edge.report.front import Section
from recpress_edge.report.points import Point
from recpress_edge.report.verdict import sibling

MEASURED: Final = "measured"
ESTIMATED: Final = "estimated"
# Boards of estimates, by what their own device tree calls them: a measurement of one replaces its estimate.
BOARD_MODELS: Final = {
    "Raspberry Pi Zero 2 W": r"Raspberry Pi Zero 2\b",
    "Raspberry Pi 3B+": r"Raspberry Pi 3 Model B Plus",
    "Raspberry Pi 4B": r"Raspberry Pi 4 Model B",
    "Raspberry Pi 5": r"Raspberry Pi 5\b",
}
_AGAINST: Final = {SIZE: "it is larger", SPEED: "it is slower", MEMORY: "it holds more memory"}


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
        if len({section.first.record["device"]["id"] for section in members}) > 1 or members[0].first.counted
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
    median = point.p50_ns.mean
    return Mark(device_name(point), variant_name(point), point.first.basis, median, median)


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
    """By core: what it is worth on all of them, on some, on none."""
    point, fp32 = pairs[0]
    by_core = {_core(small): (small, large) for small, large in reversed(pairs)}
    told = [_told(core, *pair) for core, pair in sorted(by_core.items())]
    memory = memory_change(*zip(*by_core.values(), strict=True))
    metric = f"Recall@{point.first.cutoff} {recall(point.recall.mean)}"
    change = signed(point.recall.mean - fp32.recall.mean)
    return (
        f"{name}: {smaller(point, fp32)}, {', '.join(told)}, memory {memory}; {metric} ({change}): "
        f"{_advice(by_core)}."
    )


def _core(point: Point) -> str:
    device = point.first.record["device"]
    return str(device.get("core") or device["id"])


def _told(core: str, small: Point, large: Point) -> str:
    dot = "int8 dot product" if small.first.record["device"].get("dotprod") else "no int8 dot product"
    ratio = small.p50_ns.mean / large.p50_ns.mean
    return f"{ratio:.2f}× the {_work(small)} on {core} ({small.first.basis}, {dot})"


def _advice(by_core: Mapping[str, tuple[Point, Point]]) -> str:
    found = {core: claims(*pair) for core, pair in sorted(by_core.items())}
    everywhere, chosen, against = [], [], []
    for claim in (SIZE, SPEED, MEMORY):
        better = [core for core, one in found.items() if claim in one.better]
        worse = [core for core, one in found.items() if claim in one.worse]
        if len(better) == len(found):
            everywhere.append(claim)
        elif better:
            chosen.append(f"for {claim} only on {listed(better)}")
        if worse:
            where = "" if len(worse) == len(found) else f" on {listed(worse)}"
            against.append(f"{_AGAINST[claim]}{where}")
    reasons = [*([f"for {listed(everywhere)}"] if everywhere else []), *chosen]
    advice = f"choose it {', '.join(reasons)}" if reasons else "nothing measured speaks for it"
    return "; ".join([advice, *([listed(against)] if against else [])])


def _work(point: Point) -> str:
    return "instructions" if point.first.counted else "latency"
