"""Survival records for the page: pass or fail within a limit, and no latency."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.printable import printable_facts
from recpress_edge.core.units import format_bytes
from recpress_edge.records.survival import SURVIVED, check_survival, limit_text
from recpress_edge.report.files import Files, Unreadable


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


def read_survivals(files: Files) -> tuple[tuple[Survival, ...], tuple[Unreadable, ...]]:
    """The newest of every bundle, place and limit, and those that cannot be read.

    Files of other kinds are left to others.
    """
    newest: dict[tuple[str, str, str], tuple[str, Survival]] = {}
    unreadable: list[Unreadable] = []
    for file in files.found:
        if not file.schema.startswith("recpress.survival/"):
            continue
        try:
            check_survival(file.value, str(file.path))
            created, row = _row(str(file.path), printable_facts(file.value))
        except ArtifactError as error:
            unreadable.append(Unreadable(str(file.path), str(error)))
            continue
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            unreadable.append(Unreadable(str(file.path), f"not a whole survival record: {error!r}"))
            continue
        key = (row.name, row.where, row.limit)
        if key not in newest or newest[key][0] < created:
            newest[key] = created, row
    rows = (row for _, row in sorted(newest.values(), key=lambda pair: (pair[1].name, pair[1].limit)))
    return tuple(rows), tuple(unreadable)


def _row(path: str, record: Mapping[str, Any]) -> tuple[str, Survival]:
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
        path=path,
    )
