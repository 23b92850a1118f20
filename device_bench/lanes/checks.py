"""Checks of a record that a board sends back: it will name files, fill plots and feed gates."""

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from device_bench.process import most_items
from device_bench.record import artifact_facts
from device_bench.settings import Protocol
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.opening import AnyBundle
from recpress_edge.records.bench import OPTIONAL, PACED, SAMPLES, check_record

CLOCKS: Final = ("perf_counter_ns", "System.nanoTime")
"""Clocks in nanoseconds: Python's on a board, Java's on a phone."""
UNRECORDED: Final = ("memory_limit", "time_limit_s")
"""Settings of a protocol that end a process and do not change what an undisturbed one measures."""
MAX_SAMPLES: Final = 50_000_000
MAX_SAMPLE_NS: Final = 86_400 * 10**9
MAX_TEXT: Final = 2_000
MAX_LIST: Final = 200
_TOP: Final = {
    *("schema", "created", "basis", "valid", "invalid_reasons", "warnings", "artifact", "device", "state"),
    *("software", "protocol", "validity", "latency_ns", "memory_bytes", "quality", "selftest", "sustained"),
}
_DEVICE_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_CREATED: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


def check_returned(record: Any, bundle: AnyBundle, protocol: Protocol, where: str) -> dict[str, Any]:
    """The record, when it is one of this bundle under this protocol; else an ArtifactError saying why."""
    if not isinstance(record, dict):
        raise ArtifactError(f"{where} sent a {type(record).__name__} instead of a record")
    check_record(record, where)
    _plain(record, where)
    unknown = sorted(record.keys() - _TOP)
    if unknown:
        raise ArtifactError(f"{where} sent unknown sections: {', '.join(unknown)[:200]}")
    if record["basis"] != "measured":
        raise ArtifactError(f"{where} sent a record with basis {record['basis']!r}, expected 'measured'")
    for name, pattern, text in (
        ("device.id", _DEVICE_ID, record["device"].get("id")),
        ("created", _CREATED, record.get("created")),
    ):
        if not isinstance(text, str) or not pattern.fullmatch(text):
            raise ArtifactError(f"{where} sent {name} {text!r}, which is malformed")
    if bool(record.get("invalid_reasons")) == record["valid"]:
        raise ArtifactError(f"{where} sent a record whose 'valid' contradicts its 'invalid_reasons'")
    # as JSON, for what the bundle's provenance may hold; the model's and the bundle's digests are among them
    if json.dumps(record["artifact"], sort_keys=True) != json.dumps(artifact_facts(bundle), sort_keys=True):
        raise ArtifactError(
            f"{where} measured something else: {_first(record['artifact'], artifact_facts(bundle))}"
        )
    asked = dataclasses.asdict(protocol) | {"k": min(protocol.k, most_items(bundle))}
    asked = {name: value for name, value in asked.items() if name not in UNRECORDED}
    stated = record["protocol"]  # an absent field means none: no delegate, no sustained phase, seed 0
    differing = [name for name, value in asked.items() if (stated.get(name) or None) != (value or None)]
    if differing:
        raise ArtifactError(f"{where} did not measure as asked: {', '.join(differing)}")
    if record["protocol"].get("clock") not in CLOCKS:
        raise ArtifactError(f"{where} sent clock {record['protocol'].get('clock')!r}")
    _check_samples(record["latency_ns"], protocol, where)
    _check_figures(record, where)
    return record


def _check_samples(latency_ns: Mapping[str, Sequence[int]], protocol: Protocol, where: str) -> None:
    others = sorted(latency_ns.keys() - {*SAMPLES, *OPTIONAL})
    if others:
        raise ArtifactError(f"{where}: latency_ns holds {', '.join(others)[:200]}")
    if sum(map(len, latency_ns.values())) > MAX_SAMPLES:
        raise ArtifactError(f"{where} sent more than {MAX_SAMPLES:,} samples")
    if max(map(max, latency_ns.values())) > MAX_SAMPLE_NS:
        raise ArtifactError(f"{where} sent a sample beyond a day")
    if (PACED in latency_ns) != bool(protocol.pause_ns):
        raise ArtifactError(
            f"{where} was asked for a pause of {protocol.pause_ns} ns, and its samples do not fit that"
        )
    if len(latency_ns["query"]) < protocol.queries:
        raise ArtifactError(f"{where} sent fewer samples than were asked for")


def _check_figures(record: Mapping[str, Any], where: str) -> None:
    """Shares between 0 and 1, memory in bytes or unknown: plots and gates read them."""
    for name, value in record["quality"].items():
        known = type(value) in (int, float) and 0 <= value <= 1
        if "@" in name and not known and not (value is None and name.startswith("recall@")):
            raise ArtifactError(f"{where}: quality.{name} is {value!r}, not a share")
    for kind, fields in record["memory_bytes"].items():
        for name, value in fields.items():
            if value is not None and not (type(value) is int and 0 <= value < 2**50):
                raise ArtifactError(f"{where}: memory_bytes.{kind}.{name} is {value!r}, not a size")


def _first(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    for name, value in wanted.items():
        if found.get(name) != value:
            return f"artifact.{name} is {str(found.get(name))[:80]!r}, this bundle's is {str(value)[:80]!r}"
    return f"artifact has unknown fields: {', '.join(sorted(found.keys() - wanted.keys()))[:200]}"


def _plain(value: Any, where: str, path: str = "") -> None:
    """Bounded texts without control characters, finite numbers, bounded lists but for samples."""
    match value:
        case str():
            if len(value) > MAX_TEXT or not value.isprintable():
                raise ArtifactError(f"{where} sent a text at {path} that is too long or not printable")
        case float():
            if not math.isfinite(value):
                raise ArtifactError(f"{where} sent {value} at {path}")
        case list():
            if len(value) > MAX_LIST and not path.startswith(("latency_ns.", "sustained.", "artifact.")):
                raise ArtifactError(f"{where} sent a list of {len(value)} at {path}")
            if not path.startswith("latency_ns."):  # checked already: integers
                for entry in value:
                    _plain(entry, where, path)
        case dict():
            for name, entry in value.items():
                _plain(name, where, path)
                _plain(entry, where, f"{path}.{name}" if path else name)
        case int() | None:
            pass
