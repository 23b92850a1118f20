"""What is kept low: the costs of a variant, their words and their units."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from recpress_edge.core.units import format_bytes, format_instructions, format_ns

FILE_AXIS: Final = "file size"
MEMORY_AXIS: Final = "memory"
WORK_KEYS: Final = ("p95_ns", "p50_ns")
"""Of the axis that is time, or instructions where those were counted: the tail, or the median."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One thing to keep low: its key, its title, the words for near ties, and how its values are written."""

    key: str
    title: str
    short: str
    form: Callable[[float], str]

    @property
    def binary(self) -> bool:
        """Whether round values are powers of two."""
        return self.form is format_bytes


_FILE: Final = Axis("file_bytes", "Model file", FILE_AXIS, format_bytes)
_MEMORY: Final = Axis("model_bytes", "Peak memory above the idle runtime", MEMORY_AXIS, format_bytes)
# Idle runtimes differ: what is above one says little beside what is above another.
_PEAK: Final = Axis("peak_bytes", "Peak memory of the whole process", MEMORY_AXIS, format_bytes)
TIMED: Final = Axis(WORK_KEYS[0], "p95 latency of a query", "p95 latency", format_ns)
COUNTED: Final = Axis(WORK_KEYS[0], "p95 instructions of a query", "p95 instructions", format_instructions)


def axes_for(*, counted: bool, runtimes: int, tail: bool = True) -> tuple[Axis, Axis, Axis]:
    """The axes of runs that were timed or whose instructions were counted, by one runtime or by several.

    ``tail``: whether every run has a p95 to rely on; without, all are compared by their median.
    """
    work = COUNTED if counted else TIMED
    if not tail:
        title, short = (text.replace("p95", "p50") for text in (work.title, work.short))
        work = Axis(WORK_KEYS[1], title, short, work.form)
    return _FILE, work, _PEAK if runtimes > 1 else _MEMORY


def work_form(*, counted: bool) -> Callable[[float], str]:
    """How a query's time, or its instructions, are written."""
    return (COUNTED if counted else TIMED).form
