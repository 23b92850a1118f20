"""Bench records to rows: every file that was given is accounted for, readable or not."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.contract import HISTORY
from recpress_edge.artifacts.two_stages.contract import TWO_STAGES
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.metrics import reported_cutoffs, stated_cutoff, worth
from recpress_edge.core.printable import printable_facts
from recpress_edge.core.stats import Interval, percentile, percentile_interval
from recpress_edge.device.c.footprint import needs_of
from recpress_edge.records.bench import (
    BENCH_SCHEMA,
    PACED,
    SAME_CONDITIONS,
    check_record,
    counts_instructions,
    field_of,
    figure,
    runtime_of,
    samples_of,
)
from recpress_edge.records.budget import Cost
from recpress_edge.records.search import TUNE_KIND
from recpress_edge.report.clicks import is_click_record
from recpress_edge.report.files import HOW_TO_MAKE_RUNS, Files, JsonFile, Unreadable

OTHER_KINDS: Final = ("recpress.survival/", "recpress.parity/", TUNE_KIND)
"""Schemas of other records in a folder of runs; they are no rows."""
_NEEDS: Final = ("flash_bytes", "ram_bytes")
# Two runs of one file in processes minutes apart differ by this much, however many samples each has.
_TIME_RESOLUTION: Final = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRun:
    """One bench record, with what the report derives from it."""

    path: str
    record: Mapping[str, Any]
    """The record as it was read, raw samples included."""
    created: str
    basis: str
    valid: bool
    reasons: tuple[str, ...]
    """Why a run is not valid."""
    doubts: tuple[str, ...]
    """Of a valid run too: series or percentiles that cannot be relied on, and why."""
    name: str
    student: str
    method: str
    dim: int
    n_items: int
    """Of the catalogue."""
    seed: str
    teacher: str
    """Name of the teacher; empty for a model that had none."""
    recipe: str
    format: str
    profile: str
    runtime: str
    """What answered: 'onnxruntime', 'ai-edge-litert + xnnpack'."""
    model_id: str
    """SHA-256 of the trained model that the bundle was made from: its fp32 and int8 files share it."""
    bundle_sha256: str
    dataset: str
    conditions: tuple[tuple[str, str], ...]
    """What two runs must agree on to stand in one section, by name."""
    cutoff: int
    """The K by which its data is judged."""
    metrics: Mapping[str, float]
    """recall@K and ndcg@K; NaN where the bundle held nothing to measure it by, or where it is 1 by
    necessity."""
    p50_ns: Interval
    p95_ns: Interval | None
    """None where it cannot be relied on."""
    paced_p95_ns: Interval | None
    """p95 of queries that each came after a pause; None where none were measured, or none to rely on."""
    cost: Cost
    counted: bool
    """Whether what is called ``*_ns`` here are instructions that an emulator counted, which is no time."""
    model_bytes: float
    """Peak memory (VmHWM) less that of an idle process with the runtime imported."""

    @property
    def judged(self) -> bool:
        """Whether its Recall tells anything: it needs evaluation rows, and users with items left to rank."""
        return not math.isnan(self.metrics[f"recall@{self.cutoff}"])

    @property
    def measured(self) -> bool:
        """Whether anybody was ranked."""
        return not math.isnan(self.metrics[f"ndcg@{self.cutoff}"])

    def value(self, measure: str) -> float:
        """By a name of ``core.metrics.CHOICES``; NaN where its Recall tells nothing."""
        if not self.judged:
            return math.nan
        return worth(
            {name: None if math.isnan(found) else found for name, found in self.metrics.items()},
            self.cutoff,
            measure,
        )[0]

    @property
    def knows_more(self) -> bool:
        """Whether the file knows more of a test user than a teacher, or a file with user vectors, does."""
        return self.profile in (HISTORY, TWO_STAGES)

    @property
    def group(self) -> tuple[str, ...]:
        """Runs that differ in nothing but the seed share a group."""
        values = [value for _, value in self.conditions]
        return (*values, self.basis, self.runtime, self.student, self.teacher, self.recipe, self.format)


def read_runs(files: Files, *, required: bool = True) -> tuple[list[BenchRun], list[Unreadable]]:
    """The bench records among the files but those of click bundles; other kinds are passed over.

    No bench record at all is an :class:`ArtifactError`, where one is ``required``.
    """
    runs: list[BenchRun] = []
    unreadable: list[Unreadable] = []
    candidates = [
        file for file in files.found if not (file.schema.startswith(OTHER_KINDS) or is_click_record(file))
    ]
    for file in candidates:
        try:
            runs.append(_run_in(file))
        except ArtifactError as error:
            where = str(file.path)
            unreadable.append(
                Unreadable(where, str(error).removeprefix(f"{where}: ").removeprefix(f"{where} "))
            )
    if required and not runs:
        where = ", ".join(map(str, files.paths))
        found = (
            f"{len(candidates)} JSON files, none of them a {BENCH_SCHEMA} record"
            if candidates
            else "no JSON files"
        )
        first = f" (first: {unreadable[0].path}: {unreadable[0].reason})" if unreadable else ""
        raise ArtifactError(f"nothing to report in {where}: {found}{first}. {HOW_TO_MAKE_RUNS}")
    return runs, unreadable


def _run_in(file: JsonFile) -> BenchRun:
    if file.reason:
        raise ArtifactError(file.reason)
    check_record(file.value, str(file.path))
    return to_run(file.path, printable_facts(file.value))


def to_run(path: Path, record: Mapping[str, Any]) -> BenchRun:
    """What the report needs from a record; a missing or absurd field is an :class:`ArtifactError`."""
    try:
        return _to_run(str(path), record)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = (
            f"lacks {error}" if isinstance(error, KeyError) else f"has a field that cannot be used: {error}"
        )
        raise ArtifactError(f"{path} {what}") from None


def _to_run(path: str, record: Mapping[str, Any]) -> BenchRun:
    artifact, quality = record["artifact"], record["quality"] or {}
    provenance, memory = artifact["provenance"], record["memory_bytes"]
    dataset = provenance["dataset"]
    samples = samples_of(record)
    p50 = _timed(samples["query"], 50)
    p95 = None if figure(record, "query", 95) is None else _timed(samples["query"], 95)
    paced_p95 = None if figure(record, PACED, 95) is None else _timed(samples[PACED], 95)
    cutoff, profile = stated_cutoff(quality), str(artifact["profile"])
    _positive(max(samples["query"]), "the longest of the query samples")
    counted = counts_instructions(record)
    peak = _positive(memory["model"]["vm_hwm"], "memory_bytes.model.vm_hwm")
    # bases may share a section, as runtimes do: their points are labelled apart, and never pooled
    conditions = [(name, _text_at(record, name)) for name in SAME_CONDITIONS if name != "basis"]
    return BenchRun(
        path=path,
        record=record,
        created=str(record["created"]),
        basis=str(record["basis"]),
        valid=bool(record["valid"]),
        reasons=tuple(map(str, record.get("invalid_reasons", ()))),
        doubts=_doubts(record),
        name=str(artifact["name"]),
        student=str(provenance["student"]),
        method=named(provenance.get("method")) or str(provenance["student"]).partition("_")[0],
        dim=int(artifact["dim"]),
        n_items=int(artifact["n_items"]),
        seed=str(provenance.get("seed", "")),
        teacher=named(provenance.get("teacher")),
        recipe=str(artifact["recipe"]),
        format=str(artifact["format"]),
        profile=profile,
        runtime=runtime_of(record),
        model_id=str(provenance["model_sha256"]),
        bundle_sha256=str(artifact["bundle_sha256"]),
        dataset=str(dataset["name"]),
        conditions=(
            ("dataset", str(dataset["digest"])),
            *conditions,
            ("profile", profile),
            ("cutoff", str(cutoff)),
        ),
        cutoff=cutoff,
        metrics=_metrics(quality, cutoff),
        p50_ns=p50,
        p95_ns=p95,
        paced_p95_ns=paced_p95,
        cost=Cost(
            file_bytes=_positive(artifact["file_bytes"], "artifact.file_bytes"),
            bundle_bytes=_positive(artifact["bundle_bytes"], "artifact.bundle_bytes"),
            p95_ns=p95.mean if p95 and not counted else None,
            paced_p95_ns=paced_p95.mean if paced_p95 and not counted else None,
            instructions_p50=p50.mean if counted else None,
            peak_bytes=peak,
            **_on_a_microcontroller(record),
        ),
        counted=counted,
        model_bytes=peak - _positive(memory["idle"]["vm_hwm"], "memory_bytes.idle.vm_hwm"),
    )


def _on_a_microcontroller(record: Mapping[str, Any]) -> dict[str, Any]:
    """Flash and RAM of a cost, as firmware measured them, or computed for a file that it could hold."""
    if "firmware" in record:
        return {name: field_of(record, f"firmware.{name}") for name in _NEEDS}
    artifact = record["artifact"]
    found = needs_of(artifact, int(record["protocol"]["k"]))
    if found is None:
        return {}
    return {"flash_bytes": found.flash_bytes, "ram_bytes": found.ram_bytes, "estimated": frozenset(_NEEDS)}


def _timed(samples: Sequence[int], q: float) -> Interval:
    """The q-th percentile of one run's samples, with the interval that another run may show."""
    middle = percentile(samples, q)
    return Interval(middle, *percentile_interval(samples, q)).widened(_TIME_RESOLUTION * middle)


def named(value: Any) -> str:
    """A name that records give as text, as an object with ``name``, or as null."""
    return str(value.get("name", "")) if isinstance(value, Mapping) else str(value or "")


def _text_at(record: Mapping[str, Any], dotted: str) -> str:
    value = field_of(record, dotted)
    return "" if value is None else str(value)


def _doubts(record: Mapping[str, Any]) -> tuple[str, ...]:
    judged = record.get("validity") or {}
    return tuple(f"{series}: {reason}" for series, found in judged.items() for reason in found["reasons"])


def _positive(value: Any, name: str) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not (math.isfinite(value) and value > 0)
    ):
        raise ValueError(f"{name} is {value!r}, not a positive number")
    return float(value)


def _metrics(quality: Mapping[str, Any], cutoff: int) -> dict[str, float]:
    """Every metric of a table; a KeyError for one that a record with ranked users lacks."""
    names = [f"{kind}@{k}" for k in reported_cutoffs(cutoff) for kind in ("recall", "ndcg")]
    found = quality if quality.get("users") else dict.fromkeys(names)
    return {name: _share(found, name) for name in names}


def _share(quality: Mapping[str, Any], name: str) -> float:
    """NaN for null: it was not measured, or is 1 by necessity."""
    value = quality[name]
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"quality.{name} is {value!r}, not between 0 and 1")
    return float(value)
