"""What is kept low: the costs of a variant, their words and their units."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from recpress_edge.core.units import format_bytes, format_instructions, format_ns

FILE_AXIS: Final = "file size"
WORK_KEY: Final = "p95_ns"
"""Of the axis that is time, or instructions where those were counted."""


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
_MEMORY: Final = Axis("model_bytes", "Peak memory above the idle runtime", "memory", format_bytes)
TIMED: Final = (_FILE, Axis(WORK_KEY, "p95 latency of a query", "p95 latency", format_ns), _MEMORY)
COUNTED: Final = (
    _FILE,
    Axis(WORK_KEY, "p95 instructions of a query", "p95 instructions", format_instructions),
    _MEMORY,
)


def axes_for(*, counted: bool) -> tuple[Axis, Axis, Axis]:
    """The axes of runs that were timed, or of those whose instructions were counted."""
    return COUNTED if counted else TIMED


def work_form(*, counted: bool) -> Callable[[float], str]:
    """How a query's time, or its instructions, are written."""
    return axes_for(counted=counted)[1].form
