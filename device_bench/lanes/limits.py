"""--limit: whether a bundle survives within so much memory and CPU. Robustness only, no latency."""

import re
from pathlib import Path
from typing import Any, Final

from device_bench.hardware import device_facts
from device_bench.lanes.cgroups import LEAST_CPUS, Box, Limit, open_box
from device_bench.process import measurement_of, most_items, open_for_run, run_worker
from device_bench.record import artifact_facts
from device_bench.settings import Protocol
from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.core.progress import Note, OnEvent
from recpress_edge.core.stats import percentile
from recpress_edge.core.units import format_ns, parse_size
from recpress_edge.device.process import WorkerError, WorkerKilledError, WorkerMemoryError, WorkerTimeoutError
from recpress_edge.records.bench import timestamp
from recpress_edge.records.survival import (
    CRASHED,
    OUT_OF_MEMORY,
    SURVIVED,
    TIMED_OUT,
    SurvivalResult,
    limit_text,
    survival_record,
)

STAGES: Final = ("selftest", "cold", "memory", "measure")
"""Every kind of process that a measurement has, once each."""
_NOTHING: Final = re.compile(r" Nothing was recorded\.( Where the file is trusted: .*)?")
"""The end of a worker's message, which does not hold here: the outcome is recorded."""
_KEYS: Final = ("cpus", "memory")


def parse_limit(text: str) -> Limit:
    """'cpus=0.5,memory=256M' -> Limit. K, M and G are binary here, as for systemd and containers."""
    given: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = part.strip().partition("=")
        if key not in _KEYS:
            raise unknown_name("key in --limit", key, _KEYS)
        if not equals or not value or key in given:
            raise ConfigError(f"--limit {text!r}: write for example cpus=0.5,memory=256M")
        given[key] = value
    return Limit(
        _cpus(given["cpus"]) if "cpus" in given else None,
        _memory(given["memory"]) if "memory" in given else None,
    )


def _cpus(text: str) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d+)?", text) or float(text) < LEAST_CPUS:
        raise ConfigError(f"--limit cpus must be a number of at least {LEAST_CPUS:g}, got {text!r}")
    return float(text)


def _memory(text: str) -> int:
    found = parse_size(text)
    if found < 2**20:
        raise ConfigError(f"--limit memory must be at least 1M, got {text!r}")
    return found


def run_limited(
    folder: Path, protocol: Protocol, limit: Limit, on_event: OnEvent, command: str
) -> dict[str, Any]:
    """Put each kind of measuring process into the box once, and record how it ended.

    Returns a record of schema ``recpress.survival/1``. The bench itself stays outside the box, so that it can
    report. Raises the error of a faulty bundle.
    """
    bundle = open_for_run(folder, protocol)
    job, created = measurement_of(folder, bundle, protocol), timestamp()
    most, outcome, at, detail = limit_text(limit.memory_bytes, limit.cpus), SURVIVED, None, ""
    with open_box(limit) as box:
        for stage in STAGES:
            on_event(Note(f"{bundle.name}: {stage} within {most} ({box.how})"))
            try:
                answer = run_worker(stage, job, protocol.timeout_s, box.enclosure)
            except WorkerError as error:
                outcome, at, detail = _why(error, box), stage, _NOTHING.sub("", str(error))
                break
        else:
            detail = _served(answer["latency_ns"]["query"])
        usage = box.usage()
    return survival_record(
        SurvivalResult(outcome, at, detail, usage.peak_bytes, usage.oom_kills),
        created=created,
        on="limit",
        limit={"memory_bytes": limit.memory_bytes, "cpus": limit.cpus, "how": box.how},
        sections={
            "artifact": artifact_facts(bundle),
            "device": device_facts(),
            "protocol": protocol.facts(most_items(bundle), command),
        },
    )


def _served(samples: list[int]) -> str:
    p50, p99 = (format_ns(percentile(samples, q)) for q in (50, 99))
    return f"{len(samples):,} queries, p50 {p50}, p99 {p99} (emulated: a quota is not a slow CPU)"


def _why(error: WorkerError, box: Box) -> str:
    if isinstance(error, WorkerTimeoutError):
        return TIMED_OUT
    if isinstance(error, WorkerMemoryError):
        return OUT_OF_MEMORY
    kills = box.usage().oom_kills
    if kills or (kills is None and isinstance(error, WorkerKilledError)):
        return OUT_OF_MEMORY
    return CRASHED
