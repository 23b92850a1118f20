"""The same variants on several devices: what was measured, emulated and estimated, side by side and apart."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from recpress_edge.report.claims import lines_by_core
from recpress_edge.report.front import Section
from recpress_edge.report.points import Point

MEASURED: Final = "measured"
ESTIMATED: Final = "estimated"
# Boards of estimates, by what their own device tree calls them: a measurement of one replaces its estimate.
BOARD_MODELS: Final = {
    "Raspberry Pi Zero 2 W": r"Raspberry Pi Zero 2\b",
    "Raspberry Pi 3B+": r"Raspberry Pi 3 Model B Plus",
    "Raspberry Pi 4B": r"Raspberry Pi 4 Model B",
    "Raspberry Pi 5": r"Raspberry Pi 5\b",
}


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
class DeviceComparison:
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


def compare_devices(sections: Sequence[Section]) -> tuple[DeviceComparison, ...]:
    """One entry per data set and list length that was met on more than one device, or emulated."""
    grouped: dict[tuple[str, str], list[Section]] = defaultdict(list)
    for section in sections:
        if section.placed:
            run = section.first
            grouped[(run.dataset, str(run.record["protocol"]["k"]))].append(section)
    return tuple(
        _comparison(f"{dataset} over all devices, top {k}", members)
        for (dataset, k), members in sorted(grouped.items())
        if len({section.first.record["device"]["id"] for section in members}) > 1 or members[0].first.counted
    )


def _comparison(title: str, sections: Sequence[Section]) -> DeviceComparison:
    measured = [_median(point) for point in _points(sections) if not point.first.counted]
    boards = {mark.device for mark in measured if mark.basis == MEASURED}
    brackets = [mark for point in _points(sections) for mark in _estimates(point)]
    kept = [mark for mark in brackets if not any(_is_board(device, mark.device) for device in boards)]
    return DeviceComparison(
        title,
        (*measured, *kept),
        tuple(_median(point) for point in _points(sections) if point.first.counted),
        lines_by_core(sections),
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
    """Bundle name, with the runtime or delegate when it is not the default."""
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
