"""Survival records for the page: pass or fail within a limit, and no latency."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.survival import SURVIVED, limit_text, read_survival
from recpress_edge.core.units import format_bytes
from recpress_edge.report.rows import json_files, schema_of


@dataclass(frozen=True, slots=True)
class Survival:
    """One row: a bundle, a limit, how it ended."""

    name: str
    where: str
    limit: str
    outcome: str
    survived: bool
    detail: str
    peak: str
    path: str


def read_survivals(paths: Sequence[Path]) -> tuple[Survival, ...]:
    """The newest of every bundle, place and limit; files of other kinds are left to others."""
    newest: dict[tuple[str, str, str], tuple[str, Survival]] = {}
    for path in json_files(paths):
        if not schema_of(path).startswith("recpress.survival/"):
            continue
        try:
            created, row = _row(path)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ArtifactError(f"{path} is not a whole survival record: {error!r}") from None
        key = (row.name, row.where, row.limit)
        if key not in newest or newest[key][0] < created:
            newest[key] = created, row
    return tuple(row for _, row in sorted(newest.values(), key=lambda pair: (pair[1].name, pair[1].limit)))


def _row(path: Path) -> tuple[str, Survival]:
    record = read_survival(path)
    limit, device = record["limit"], record["device"]
    machine = str(device.get("model") or device["id"])
    stage = "" if record["stage"] is None else f" in stage {record['stage']}"
    return str(record["created"]), Survival(
        name=str(record["artifact"]["name"]),
        where=f"{machine}, {limit['how']}" if record["on"] == "limit" else str(record["on"]),
        limit=limit_text(limit["memory_bytes"], limit["cpus"]),
        outcome=f"{record['outcome']}{stage}",
        survived=record["outcome"] == SURVIVED,
        detail=str(record["detail"]),
        peak="–" if record["peak_bytes"] is None else format_bytes(record["peak_bytes"]),
        path=str(path),
    )
