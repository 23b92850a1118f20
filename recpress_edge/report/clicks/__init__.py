"""Records of click bundles: models beside each other by AUC on the rows of one data set, never by Recall."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from recpress_edge.artifacts.clicks.contract import CLICKS
from recpress_edge.artifacts.clicks.metrics import CLICK_METRICS, TITLES
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.printable import printable_facts
from recpress_edge.core.units import UNKNOWN, format_bytes, format_ns, format_share
from recpress_edge.records.bench import (
    BENCH_SCHEMA,
    CATALOGUE,
    HEADLINE,
    MEDIAN,
    check_record,
    field_of,
    figure,
    model_memory_bytes,
    runtime_of,
)
from recpress_edge.report.files import Files, JsonFile, Unreadable

HEADERS: Final = ("file", "bundle", *TITLES.values(), "candidates p50", "catalogue p50", "memory")
"""Of the columns after the name; candidates are those of the section's title."""
_SAME: Final = (
    *("artifact.provenance.dataset.digest", "quality.definition", "quality.rows", "quality.users"),
    *("device.id", "device.governor", "protocol.candidates", "protocol.k", "protocol.threads"),
)
"""What runs of one section agree on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickRow:
    """The newest run of a bundle and runtime."""

    path: str
    record: Mapping[str, Any]
    name: str
    created: str
    auc: float | None
    """None where the bundle carries no test rows."""
    file_bytes: int
    cells: tuple[str, ...]
    """By HEADERS."""
    status: str
    front: bool = False


@dataclass(frozen=True, slots=True)
class ClickSection:
    """Runs that may be compared, the best AUC first."""

    title: str
    rows: tuple[ClickRow, ...]


def is_click_record(file: JsonFile) -> bool:
    """Whether a file is a bench record of a click bundle."""
    return file.schema == BENCH_SCHEMA and field_of(file.value, "artifact.profile") == CLICKS


def read_click_sections(files: Files) -> tuple[tuple[ClickSection, ...], tuple[Unreadable, ...]]:
    """What was measured of click bundles, and the records of them that cannot be read."""
    groups: dict[tuple[str, ...], dict[tuple[str, str], ClickRow]] = {}
    unreadable = []
    for file in filter(is_click_record, files.found):
        try:
            check_record(file.value, str(file.path))
            row = _row(str(file.path), printable_facts(file.value))
        except (ArtifactError, KeyError, TypeError, ValueError, AttributeError) as error:
            unreadable.append(Unreadable(str(file.path), f"not a whole record of a click bundle: {error}"))
            continue
        known = groups.setdefault(tuple(str(field_of(row.record, name)) for name in _SAME), {})
        key = (row.name, str(field_of(row.record, "artifact.bundle_sha256")))
        if key not in known or known[key].created < row.created:
            known[key] = row
    return tuple(_section(list(rows.values())) for _, rows in sorted(groups.items())), tuple(unreadable)


def _section(rows: Sequence[ClickRow]) -> ClickSection:
    record = rows[0].record
    data, quality, device = record["artifact"]["provenance"]["dataset"], record["quality"], record["device"]
    judged = f"{quality['rows']:,} {quality['split']} rows" if "auc" in quality else "no test rows"
    title = (
        f"Click models on {data['name']}: {judged}, {record['protocol']['candidates']:,} candidates, "
        f"{device.get('model') or device['id']}"
    )
    ordered = sorted(rows, key=lambda row: (row.auc is None, -(row.auc or 0), row.file_bytes, row.name))
    return ClickSection(title, tuple(_placed(row, ordered) for row in ordered))


def _placed(row: ClickRow, rows: Sequence[ClickRow]) -> ClickRow:
    """With its place: on the front where no other file is as small and as good."""
    if row.auc is None:
        return row
    better = [
        other
        for other in rows
        if other.auc is not None
        and other.auc >= row.auc
        and other.file_bytes <= row.file_bytes
        and (other.auc, -other.file_bytes) != (row.auc, -row.file_bytes)
    ]
    place = f"{better[0].name} is no larger and no worse" if better else "on the front of AUC and file size"
    return ClickRow(
        **{name: getattr(row, name) for name in ClickRow.__slots__ if name not in ("status", "front")},
        status="; ".join(filter(None, (place, row.status))),
        front=not better,
    )


def _row(path: str, record: Mapping[str, Any]) -> ClickRow:
    artifact, quality = record["artifact"], record["quality"]
    memory = model_memory_bytes(record, "vm_hwm")
    times = [figure(record, series, MEDIAN) for series in (HEADLINE, CATALOGUE)]
    metrics = [quality.get(name) for name in CLICK_METRICS]
    reasons = "; ".join(map(str, record["invalid_reasons"]))
    return ClickRow(
        path=path,
        record=record,
        name=f"{artifact['name']}, {runtime_of(record)}",
        created=str(record["created"]),
        auc=quality.get("auc"),
        file_bytes=int(artifact["file_bytes"]),
        cells=(
            format_bytes(artifact["file_bytes"]),
            format_bytes(artifact["bundle_bytes"]),
            *(UNKNOWN if value is None else format_share(value) for value in metrics),
            *(UNKNOWN if value is None else format_ns(value) for value in times),
            UNKNOWN if memory is None else format_bytes(memory),
        ),
        status="" if record["valid"] else f"times invalid: {reasons}",
    )


def section_table(section: ClickSection) -> tuple[list[str], list[list[str]]]:
    """Headers and rows for a terminal."""
    rows = [[row.name, *row.cells, "front" if row.front else ""] for row in section.rows]
    return ["click model", *HEADERS, ""], rows


def section_facts(section: ClickSection) -> dict[str, Any]:
    """What the page says of it, for programs."""
    return {
        "title": section.title,
        "variants": [
            {
                "name": row.name,
                "status": row.status,
                "front": row.front,
                "file_bytes": row.file_bytes,
                "bundle_bytes": row.record["artifact"]["bundle_bytes"],
                **{name: row.record["quality"].get(name) for name in CLICK_METRICS},
                "p50_ns": figure(row.record, HEADLINE, MEDIAN),
                "catalogue_p50_ns": figure(row.record, CATALOGUE, MEDIAN),
                "model_memory_bytes": model_memory_bytes(row.record, "vm_hwm"),
                "runs": [row.path],
            }
            for row in section.rows
        ],
    }
