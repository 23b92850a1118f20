"""Survival records: whether a bundle can be served within a limit of memory or CPU. Never a latency.

They are not bench records on purpose: a run that was killed has no samples, and one that was not must not
lend its latency to a plot.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import read_json
from recpress_edge.core.units import format_bytes

# History: 1 first version.
SURVIVAL_SCHEMA: Final = "recpress.survival/1"
SURVIVED: Final = "survived"
OUT_OF_MEMORY: Final = "out of memory"
TIMED_OUT: Final = "timed out"
CRASHED: Final = "crashed"
OUTCOMES: Final = (SURVIVED, OUT_OF_MEMORY, TIMED_OUT, CRASHED)
_SECTIONS: Final = ("limit", "artifact", "device", "protocol")


def survival_record(
    *,
    created: str,
    on: str,
    limit: Mapping[str, Any],
    outcome: str,
    stage: str | None,
    detail: str,
    artifact: Mapping[str, Any],
    device: Mapping[str, Any],
    protocol: Mapping[str, Any],
    peak_bytes: int | None = None,
    oom_kills: int | None = None,
) -> dict[str, Any]:
    """One record. ``on``: "limit" or the emulated target; ``stage``: where it ended, None when it survived;
    ``limit``: memory_bytes and cpus, None for what is not limited, and ``how``."""
    if outcome not in OUTCOMES or (stage is None) != (outcome == SURVIVED):
        raise ValueError(f"outcome {outcome!r} at stage {stage!r}")
    return {
        "schema": SURVIVAL_SCHEMA,
        "created": created,
        "basis": "emulated",
        "on": on,
        "limit": dict(limit),
        "outcome": outcome,
        "stage": stage,
        "detail": detail,
        "peak_bytes": peak_bytes,
        "oom_kills": oom_kills,
        "artifact": dict(artifact),
        "device": dict(device),
        "protocol": dict(protocol),
    }


def limit_text(memory_bytes: int | None, cpus: float | None) -> str:
    """A limit in words: '256.0 MiB and 0.5 CPUs'."""
    memory = None if memory_bytes is None else format_bytes(memory_bytes)
    share = None if cpus is None else f"{cpus:g} CPUs"
    return " and ".join(filter(None, (memory, share))) or "no limit"


def read_survival(path: Path) -> dict[str, Any]:
    """One survival record; ArtifactError when the file is not one. The full schema is in schemas/."""
    record = read_json(path)
    check_survival(record, str(path))
    return record


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
