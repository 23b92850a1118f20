"""Time on boards for counted instructions: brackets, not measurements.

    t ∈ [ max(I / R_hi, B / W),  I / R_lo + B / W ]

I: instructions of a query; R: instructions per second that the board's core sustains, low to high; B: bytes
that a query reads from main memory; W: bytes per second of such reads. The lower end lets computing and
reading overlap wholly, the upper end not at all.

R comes from two kinds of published figures that bound what such code sustains: 7-zip MIPS of one thread
(sbc-bench results, https://github.com/ThomasKaiser/sbc-bench/blob/master/Results.md), and single-thread
latencies of MobileNet V1 int8 in ncnn (https://github.com/Tencent/ncnn/tree/master/benchmark) against
counted instructions of the same network in XNNPACK. W comes from sbc-bench's memory bandwidth (tinymembench).
No board was at hand: nothing here was checked against one. Milliseconds of this machine are never scaled to
a board: what is 2 times slower there at 7-zip is 42 times slower at int8 convolution.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

LABEL: Final = "estimated ±40 %, unvalidated"


@dataclass(frozen=True, slots=True)
class Board:
    """A board by its core. Rates per second."""

    name: str
    core: str
    counted_on: str
    """The emulated core whose instructions it executes: with int8 dot product or without."""
    low_rate: float
    high_rate: float
    read_rate: float
    cache_bytes: int
    """Of the last level: tables that fit are not read from main memory by every query."""


BOARDS: Final = (
    Board("Raspberry Pi Zero 2 W", "Cortex-A53", "Cortex-A53", 0.78e9, 0.84e9, 2.2e9, 512 * 2**10),
    Board("Raspberry Pi 3B+", "Cortex-A53", "Cortex-A53", 0.86e9, 1.23e9, 2.2e9, 512 * 2**10),
    # no int8 dot product either, so it executes the instructions that were counted on the A53
    Board("Raspberry Pi 4B", "Cortex-A72", "Cortex-A53", 1.74e9, 2.06e9, 4.3e9, 2**20),
    Board("Raspberry Pi 5", "Cortex-A76", "Cortex-A76", 3.2e9, 4.44e9, 14.9e9, 2 * 2**20),
)


def estimates(core: str, instructions: float, artifact: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The bracket of a query for every board that executes what was counted on ``core``.

    artifact: as in a record. A query reads every item's row once, and one user's.
    """
    entities = artifact["n_users"] + artifact["n_items"]
    touched = artifact["file_bytes"] * artifact["n_items"] / entities
    return [
        {
            "board": board.name,
            "core": board.core,
            "query_low_ns": round(low * 1e9),
            "query_high_ns": round(high * 1e9),
            "label": LABEL,
        }
        for board in BOARDS
        if board.counted_on == core
        for low, high in [bracket(board, instructions, touched if touched > board.cache_bytes else 0.0)]
    ]


def bracket(board: Board, instructions: float, read_bytes: float) -> tuple[float, float]:
    """Seconds, lowest and highest."""
    reading = read_bytes / board.read_rate
    return max(instructions / board.high_rate, reading), instructions / board.low_rate + reading


def estimate_lines(record: Mapping[str, Any]) -> Iterator[tuple[str, int, int, str]]:
    """Board, lowest and highest nanoseconds, label: of each estimate of a record."""
    for found in record.get("estimates", ()):
        yield found["board"], found["query_low_ns"], found["query_high_ns"], found["label"]
