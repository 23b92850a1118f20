"""Survival records: whether a bundle can be served within a limit of memory or CPU. Never a latency.

They are not bench records on purpose: a killed run has no samples, and the latency of one that survived must
not get into a plot.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.units import format_bytes

# History: 1 first version.
SURVIVAL_SCHEMA: Final = "recpress.survival/1"
SURVIVED: Final = "survived"
OUT_OF_MEMORY: Final = "out of memory"
TIMED_OUT: Final = "timed out"
CRASHED: Final = "crashed"
OUTCOMES: Final = (SURVIVED, OUT_OF_MEMORY, TIMED_OUT, CRASHED)
_SECTIONS: Final = ("limit", "artifact", "device", "protocol")


@dataclass(frozen=True, slots=True)
class SurvivalResult:
    """How a run within a limit ended."""

    outcome: str
    """One of OUTCOMES."""
    stage: str | None
    """Where it ended; None when it survived."""
    detail: str
    """What was served, or the last words."""
    peak_bytes: int | None = None
    oom_kills: int | None = None

    def __post_init__(self) -> None:
        if self.outcome not in OUTCOMES or (self.stage is None) != (self.outcome == SURVIVED):
            raise ValueError(f"outcome {self.outcome!r} at stage {self.stage!r}")


def survival_record(
    result: SurvivalResult, *, created: str, on: str, limit: Mapping[str, Any], sections: Mapping[str, Any]
) -> dict[str, Any]:
    """One record. ``on``: "limit" or the emulated target; ``limit``: memory_bytes and cpus, None for what is
    not limited, and ``how``; ``sections``: artifact, device and protocol."""
    return {
        "schema": SURVIVAL_SCHEMA,
        "created": created,
        "basis": "emulated",
        "on": on,
        "limit": dict(limit),
        **dataclasses.asdict(result),
        **sections,
    }


def limit_text(memory_bytes: int | None, cpus: float | None) -> str:
    """A limit in words: '256.0 MiB and 0.5 CPUs'."""
    memory = None if memory_bytes is None else format_bytes(memory_bytes)
    share = None if cpus is None else f"{cpus:g} CPUs"
    return " and ".join(filter(None, (memory, share))) or "no limit"


def check_survival(record: Mapping[str, Any], path: str) -> None:
    """ArtifactError when this is not a whole survival record. ``path``: where it came from."""
    if record.get("schema") != SURVIVAL_SCHEMA:
        raise ArtifactError(
            f"{path} has schema {record.get('schema')!r}; this version reads {SURVIVAL_SCHEMA!r}"
        )
    if record.get("outcome") not in OUTCOMES or record.get("basis") != "emulated":
        raise ArtifactError(f"{path}: 'outcome' must be one of {', '.join(OUTCOMES)}, 'basis' emulated")
    for name in _SECTIONS:
        if not isinstance(record.get(name), dict):
            raise ArtifactError(f"{path} is not a whole record: section {name!r} is missing")
