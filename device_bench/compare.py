"""Two records side by side: ratios with intervals, or why they cannot be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.clicks.metrics import CLICK_METRICS, TITLES
from recpress_edge.core.errors import ConfigError, InvalidRunError
from recpress_edge.core.metrics import metric_title, shown_metrics, stated_cutoff
from recpress_edge.core.rng import stream
from recpress_edge.core.stats import bootstrap_percentile, percentile
from recpress_edge.core.units import format_bytes, format_ns
from recpress_edge.records.bench import (
    CATALOGUE,
    INSTRUCTIONS,
    PACED,
    RERANK,
    RETRIEVE,
    counts_instructions,
    differences,
    field_of,
    figure,
    model_memory_bytes,
    read_record,
    runtime_of,
    samples_of,
)

# In addition to SAME_CONDITIONS: bundles of different data answer different questions.
_SAME_DATA: Final = "artifact.provenance.dataset.digest"
_QUANTILES: Final = (
    # samples, percentile, title
    ("query", 50, "query p50"),
    ("query", 90, "query p90"),
    ("query", 99, "query p99"),
    ("end_to_end", 50, "ids in, ids out p50"),
    ("end_to_end", 99, "ids in, ids out p99"),
    (CATALOGUE, 50, "whole catalogue p50"),
    (RETRIEVE, 50, "first stage alone p50"),
    (RERANK, 50, "second stage alone p50"),
    (PACED, 50, "query after a pause p50"),
    (PACED, 95, "query after a pause p95"),
    ("first_query", 50, "first query p50"),
    ("load", 50, "load p50"),
    ("import", 50, "import p50"),
)
_FIRMWARE: Final = (
    ("flash_bytes", "flash"),
    ("code_bytes", "flash, code"),
    ("ram_bytes", "RAM"),
    ("stack_bytes", "RAM, stack"),
)
"""Of two records of a microcontroller."""
NOTE: Final = (
    "intervals: 95 %, from blocks of neighbouring samples of these two runs. Two runs of one file, minutes "
    "apart, can differ by 3 % more than that: measure both again before a small difference decides."
)


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure of both records, and the second over the first."""

    name: str
    unit: str
    """ns, bytes or instructions."""
    first: float
    second: float
    ratio: float
    low: float
    high: float
    """The ratio's 95 % interval; a point for what is exact."""


@dataclass(frozen=True, slots=True)
class RecordComparison:
    """What ``device_bench compare`` found."""

    names: tuple[str, str]
    ratios: tuple[Ratio, ...]
    quality: Mapping[str, tuple[float | None, float | None]]
    """Of the metrics that the first record's data shows, those of each; None when a bundle has no evaluation
    rows, or a different K judges each."""
    same_answers: bool
    """Whether every user or history got the same items."""
    notes: tuple[str, ...]
    """Differences that do not forbid the comparison but may explain it."""


def compare(first: Path, second: Path, seed: int = 0) -> RecordComparison:
    """The second record against the first. ConfigError when their conditions differ, InvalidRunError when one
    of them is INVALID."""
    records = read_record(first), read_record(second)
    _check_comparable((first, second), records)
    ratios = [
        _latency(*records, name, q, title, seed)
        for name, q, title in _present(records)
        if not _unknown(records, name, q)
    ]
    for field, title in (("vm_hwm", "peak memory"), ("pss_anon", "private memory")):
        values = [field_of(record, f"memory_bytes.model.{field}") for record in records]
        ratios += _exact(title, *values)
        ratios += _exact(f"{title}, model's share", *(model_memory_bytes(r, field) for r in records))
    for field, title in _FIRMWARE:
        ratios += _exact(title, *(field_of(record, f"firmware.{field}") for record in records))
    for field, title in (("file_bytes", "model file"), ("bundle_bytes", "whole bundle")):
        ratios += _exact(title, *(record["artifact"].get(field) for record in records))
    left, right = records
    cutoff = stated_cutoff(left["quality"])
    known = cutoff == stated_cutoff(right["quality"])
    qualities = [record["quality"] if known else {} for record in records]
    shown = CLICK_METRICS if "auc" in left["quality"] else shown_metrics(cutoff)
    return RecordComparison(
        (_name(left), _name(right)),
        tuple(ratios),
        {name: (qualities[0].get(name), qualities[1].get(name)) for name in shown},
        left["quality"].get("ids_sha256") == right["quality"].get("ids_sha256"),
        (*_left_out(records), *_notes(left, right)),
    )


def _check_comparable(paths: Sequence[Path], records: Sequence[Mapping[str, Any]]) -> None:
    left, right = records
    unlike = differences(left, right)
    data = [field_of(record, _SAME_DATA) for record in records]
    if data[0] != data[1]:
        unlike.append(f"data set: {data[0]!r} and {data[1]!r}")
    if unlike:
        raise ConfigError(
            f"{paths[0]} and {paths[1]} were made under unlike conditions and cannot be compared: "
            f"{'; '.join(unlike)}. Measure both the same way."
        )
    for path, record in zip(paths, records, strict=True):
        if not record["valid"]:
            reasons = "; ".join(map(str, record.get("invalid_reasons", ())))
            raise InvalidRunError(f"{path} is INVALID and compared with nothing: {reasons}")


def _present(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, int, str]]:
    """Of _QUANTILES, those of a series that at least one record has."""
    return [row for row in _QUANTILES if any(row[0] in samples_of(record) for record in records)]


def _unknown(records: Sequence[Mapping[str, Any]], series: str, q: int) -> str:
    """Why a figure of a series is not compared; empty when it is."""
    if series == PACED:
        pauses = [record["protocol"].get("pause_ns", 0) for record in records]
        if pauses[0] != pauses[1]:
            return f"pauses of {' and '.join(format_ns(pause) if pause else 'none' for pause in pauses)}"
    names = [name for name, record in zip("AB", records, strict=True) if figure(record, series, q) is None]
    return f"not to be relied on in {' and '.join(names)}" if names else ""


def _left_out(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """What is not compared, and why."""
    return [
        f"{title} is left out: {why}"
        for series, q, title in _present(records)
        if (why := _unknown(records, series, q))
    ]


def _latency(
    left: Mapping[str, Any], right: Mapping[str, Any], name: str, q: int, title: str, seed: int
) -> Ratio:
    before, after = samples_of(left)[name], samples_of(right)[name]
    draws = [
        bootstrap_percentile(samples, q, stream(seed, f"compare {name} {q}", side))
        for side, samples in enumerate((before, after))
    ]
    low, high = np.quantile(draws[1] / np.maximum(draws[0], 1), [0.025, 0.975])
    unit = INSTRUCTIONS if counts_instructions(left) else "ns"
    p_before, p_after = percentile(before, q), percentile(after, q)
    return Ratio(title, unit, p_before, p_after, p_after / max(p_before, 1), float(low), float(high))


def _exact(title: str, before: float | None, after: float | None) -> list[Ratio]:
    if not before or after is None or before < 0:
        return []
    ratio = after / before
    return [Ratio(title, "bytes", before, after, ratio, ratio, ratio)]


def _notes(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[str]:
    names = sorted({*left["software"], *right["software"]} - {"runtime"})
    fields = [("kernel", "device.kernel"), *((name, f"software.{name}") for name in names)]
    return [
        f"{name}: {field_of(left, field)} and {field_of(right, field)}"
        for name, field in fields
        if field_of(left, field) != field_of(right, field)
    ]


def _name(record: Mapping[str, Any]) -> str:
    return f"{record['artifact'].get('name')}, {runtime_of(record)} ({record['created']})"


def comparison_lines(found: RecordComparison) -> list[str]:
    """The comparison as aligned lines."""
    width = max(len(ratio.name) for ratio in found.ratios)
    lines = [f"A  {found.names[0]}", f"B  {found.names[1]}", ""]
    lines.append(f"{'':<{width}}  {'A':>12}  {'B':>12}  {'B / A':>7}")
    for r in found.ratios:
        interval = f"[{r.low:.3f}, {r.high:.3f}]" if r.high > r.low else ""
        values = f"{_figure(r.first, r.unit):>12}  {_figure(r.second, r.unit):>12}"
        lines.append(f"{r.name:<{width}}  {values}  {r.ratio:>6.3f}×  {interval}".rstrip())
    same = "the same items for every user" if found.same_answers else "not the same items for every user"
    lines += ["", *(_quality_line(name, *pair) for name, pair in found.quality.items()), f"answers    {same}"]
    lines += [f"note       {note}" for note in found.notes]
    return [*lines, NOTE]


def _quality_line(name: str, before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return f"{_title(name):<9}  not known of both"
    return f"{_title(name):<9}  {before:.4f} → {after:.4f}  ({after - before:+.4f})"


def _title(name: str) -> str:
    return TITLES[name] if name in TITLES else metric_title(name)


def _figure(value: float, unit: str) -> str:
    if unit == "instructions":
        return f"{value:,.0f}"
    return format_ns(value) if unit == "ns" else format_bytes(value)
