"""Bench records: one JSON file per run, raw samples inside; percentiles are computed by readers."""

import contextlib
import datetime
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.facts import MAX_WHOLE, RECORD, SUSTAINED, check_facts
from recpress_edge.core.files import read_json, write_atomic, write_new
from recpress_edge.core.stats import percentile
from recpress_edge.records.survival import SURVIVAL_SCHEMA, check_survival

# History: 1 first version.
BENCH_SCHEMA: Final = "recpress.bench/1"
PARITY_SCHEMA: Final = "recpress.parity/1"
"""Answers of an emulated board and this machine, without any time; see schemas/."""
BASES: Final = ("measured", "emulated", "estimated")
INSTRUCTIONS: Final = "instructions"
"""As ``protocol.clock``, and the section of the samples: an emulator counted them; nothing was timed."""
LATENCY: Final = "latency_ns"

# Records that disagree on any of these measured different things and are never pooled or compared.
SAME_CONDITIONS: Final = (
    "basis",
    "device.id",
    "device.governor",
    "protocol.clock",
    "protocol.threads",
    "protocol.batch",
    "protocol.k",
    "quality.split",
    "quality.definition",
    "quality.users",
)

# The runtime and its kernels: records that differ here are compared, each under its name.
RUNTIME_FIELDS: Final = ("software.runtime", "protocol.delegate")

_SECTIONS: Final = (
    "artifact",
    "device",
    "state",
    "software",
    "protocol",
    "memory_bytes",
    "quality",
    "selftest",
)
_PARITY_SECTIONS: Final = ("artifact", "device", "software", "protocol", "selftest", "quality", "host")
_NEEDED: Final = (
    *("created", "artifact.name", "device.id", "software.runtime", "protocol.k", "protocol.threads"),
    *("memory_bytes.idle", "memory_bytes.model"),
)
"""Fields that every reader of records needs."""
SAMPLES: Final = ("query", "end_to_end", "first_query", "load", "import")
PACED: Final = "paced"
"""An optional series: queries that each came after a pause."""
CATALOGUE: Final = "catalogue"
"""An optional series, of click bundles: the model alone with every item as a candidate."""
RETRIEVE: Final = "retrieve"
"""An optional series, of two-stage bundles: the first stage alone, which finds the candidates."""
RERANK: Final = "rerank"
"""And the second alone, which ranks what was found."""
OPTIONAL: Final = (PACED, CATALOGUE, RETRIEVE, RERANK)
PERCENTILES: Final[Mapping[str, tuple[int, ...]]] = {
    # what is reported of each series, the median first
    "query": (50, 90, 95, 99),
    "end_to_end": (50, 90, 95, 99),
    PACED: (50, 90, 95),
    CATALOGUE: (50, 90, 95),
    RETRIEVE: (50, 90, 95),
    RERANK: (50, 90, 95),
    "first_query": (50,),
    "load": (50,),
    "import": (50,),
}
MEDIAN: Final = 50
HEADLINE: Final = "query"
"""The series whose median a valid run must have; each other figure is withheld by itself."""


def model_memory_bytes(record: Mapping[str, Any], field: str) -> int | None:
    """What the model adds to a process with the idle runtime; field is vm_hwm or pss_anon."""
    idle, model = (record["memory_bytes"][kind][field] for kind in ("idle", "model"))
    return None if idle is None or model is None else int(model) - int(idle)


def differences(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[str]:
    """Conditions in which two records differ, in words; empty when they may be compared."""
    return [
        f"{name}: {field_of(left, name)!r} and {field_of(right, name)!r}"
        for name in SAME_CONDITIONS
        if field_of(left, name) != field_of(right, name)
    ]


def field_of(record: Mapping[str, Any], dotted: str) -> Any:
    """The value at 'section.name'; None where there is none."""
    value: Any = record
    for part in dotted.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def runtime_of(record: Mapping[str, Any]) -> str:
    """Which runtime answered, and with whose kernels: 'onnxruntime', 'ai-edge-litert + xnnpack'."""
    return " + ".join(str(name) for field in RUNTIME_FIELDS if (name := field_of(record, field)))


def read_record(path: Path) -> dict[str, Any]:
    """One bench record; ArtifactError when the file is not one. The full schema is in schemas/."""
    record = read_json(path)
    check_record(record, str(path))
    return record


def read_any_record(path: Path) -> dict[str, Any]:
    """A bench, survival or parity record; ArtifactError when the file is none of them, or not whole."""
    record = read_json(path)
    schema = record.get("schema")
    if schema == SURVIVAL_SCHEMA:
        check_survival(record, str(path))
    elif schema == PARITY_SCHEMA:
        _check_sections(record, _PARITY_SECTIONS, str(path))
    else:
        check_record(record, str(path))
    return record


def _check_sections(record: Mapping[str, Any], names: Sequence[str], path: str) -> None:
    for name in names:
        if not isinstance(record.get(name), dict):
            raise ArtifactError(f"{path} is not a whole record: section {name!r} is missing")


def read_records(paths: Sequence[Path]) -> tuple[list[tuple[Path, dict[str, Any]]], list[str]]:
    """Every bench record among the named files and in the named folders, and a line '<path>: <reason>' for
    each other file in a folder, unless it is a whole survival or parity record.

    ArtifactError when a file that was named itself is not a bench record.
    """
    records, skipped = [], []
    for path in paths:
        if not path.is_dir():
            records.append((path, read_record(path)))
            continue
        for file in find_records(path):
            try:
                value = read_any_record(file)
                if value["schema"] == BENCH_SCHEMA:
                    records.append((file, value))
            except ArtifactError as error:
                where = str(file)
                skipped.append(f"{where}: {str(error).removeprefix(f'{where}: ').removeprefix(f'{where} ')}")
    return records, skipped


def check_record(record: Mapping[str, Any], path: str) -> None:
    """ArtifactError when this is not a whole bench record. ``path``: where it came from."""
    schema = record.get("schema")
    if schema != BENCH_SCHEMA:
        raise ArtifactError(f"{path} has schema {schema!r}; this version reads {BENCH_SCHEMA!r}")
    if record.get("basis") not in BASES or not isinstance(record.get("valid"), bool):
        raise ArtifactError(f"{path}: 'basis' must be one of {', '.join(BASES)} and 'valid' true or false")
    _check_sections(record, _SECTIONS, path)
    check_facts(path, record, RECORD)
    section = samples_section(record)
    if not isinstance(record.get(section), dict) or len({INSTRUCTIONS, LATENCY} & record.keys()) != 1:
        raise ArtifactError(
            f"{path} is not a whole record: with protocol.clock {record['protocol'].get('clock')!r} its "
            f"samples must be in section {section!r} and nowhere else"
        )
    for name in (*SAMPLES, *(name for name in OPTIONAL if name in record[section])):
        samples = record[section].get(name)
        if (
            not isinstance(samples, list)
            or not samples
            or not all(type(s) is int and 0 <= s <= MAX_WHOLE for s in samples)
        ):
            unit = INSTRUCTIONS if section == INSTRUCTIONS else "nanoseconds"
            raise ArtifactError(f"{path}: {section}.{name} must be a list of {unit}, at least one")
    _check_validity(record.get("validity", {}), path)
    for name in _NEEDED:
        if field_of(record, name) is None:
            raise ArtifactError(f"{path} is not a whole record: {name} is missing")
    _check_sustained(record.get("sustained"), path)


def _check_validity(validity: Any, path: str) -> None:
    """Known series, percentiles as integers, reasons as texts."""
    if not isinstance(validity, dict):
        raise ArtifactError(f"{path}: 'validity' must be an object of series")
    for name, judged in validity.items():
        lists = [judged.get(key) for key in ("trusted", "reasons")] if isinstance(judged, dict) else [None]
        kinds = zip(lists, (int, str), strict=False)
        whole = name in PERCENTILES and all(
            isinstance(values, list) and all(type(value) is kind for value in values)
            for values, kind in kinds
        )
        if not whole:
            raise ArtifactError(
                f"{path}: validity.{name} must be of a known series and have 'trusted', a list of "
                "percentiles, and 'reasons', a list of texts"
            )


@contextlib.contextmanager
def whole(where: str) -> Iterator[None]:
    """Turn a missing field, or null for a figure, into an ArtifactError of the record at ``where``."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{where} is not a whole record: {type(error).__name__} {error}") from None


def _check_sustained(found: Mapping[str, Any] | None, path: str) -> None:
    lengths = {len(found.get(name, ())) for name in SUSTAINED} if found is not None else {1}
    if len(lengths) != 1 or 0 in lengths:
        raise ArtifactError(f"{path}: the lists of 'sustained' are of different length or empty")


def samples_section(record: Mapping[str, Any]) -> str:
    """Where a record keeps its raw samples: 'latency_ns', or 'instructions' where those were counted."""
    return INSTRUCTIONS if counts_instructions(record) else LATENCY


def counts_instructions(record: Mapping[str, Any]) -> bool:
    """Whether the samples are instructions of an emulated core; none of their figures is then a time."""
    return bool(record["protocol"].get("clock") == INSTRUCTIONS)


def samples_of(record: Mapping[str, Any]) -> Mapping[str, Sequence[int]]:
    """Raw samples by name (see PERCENTILES): nanoseconds or instructions."""
    samples: Mapping[str, Sequence[int]] = record[samples_section(record)]
    return samples


def trusted(record: Mapping[str, Any], series: str) -> tuple[int, ...]:
    """Percentiles of a series that can be relied on, as the record states."""
    judged = field_of(record, f"validity.{series}.trusted")
    return PERCENTILES[series] if judged is None else tuple(judged)


def figure(record: Mapping[str, Any], series: str, q: int) -> float | None:
    """A percentile of a series; None when there is no such series, or the percentile cannot be relied on."""
    samples = samples_of(record).get(series)
    return percentile(samples, q) if samples and q in trusted(record, series) else None


def find_records(folder: Path) -> list[Path]:
    """Every record file under a runs folder, in order of path."""
    return sorted(path for path in folder.rglob("*.json") if not path.name.startswith("."))


def write_record(path: Path, record: Mapping[str, Any]) -> Path:
    """Write one record whole or not at all, samples on one line each list; returns the path."""
    write_atomic(path, record_text(record).encode())
    return path


def record_text(record: Mapping[str, Any]) -> str:
    """A record as its file holds it."""
    text = json.dumps(record, indent=2, ensure_ascii=False)
    compact = re.sub(
        r"\[\s+(-?\d+(?:,\s+-?\d+)*)\s+\]", lambda found: "[" + " ".join(found[1].split()) + "]", text
    )
    return compact + "\n"


def timestamp() -> str:
    """This moment as records state it: '2026-11-20T10:00:00Z'."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def add_record(runs: Path, record: Mapping[str, Any]) -> Path:
    """Write a record as ``<runs>/<device>/<utc>-<bundle-sha8>.json``, with -2, -3 where others have the name.

    Never replaces a file, even when several runs end in one second.
    """
    created = datetime.datetime.fromisoformat(record["created"]).astimezone(datetime.UTC)
    stem = f"{created:%Y%m%dT%H%M%SZ}-{record['artifact']['bundle_sha256'][:8]}"
    folder, data = runs / record["device"]["id"], record_text(record).encode()
    for again in itertools.count(1):
        path: Path = folder / f"{stem}{'' if again == 1 else f'-{again}'}.json"
        if write_new(path, data):
            return path
    raise AssertionError("unreachable")
