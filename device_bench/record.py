"""Measure one bundle on this machine: what is run in which order and process, and the record of it."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from device_bench.contention import Counts, total
from device_bench.drawn.values import CANDIDATES
from device_bench.examples import example_answers
from device_bench.hardware import device_facts, software_facts
from device_bench.measure import WARMUP_QUERIES
from device_bench.process import (
    AnyMeasurement,
    measurement_of,
    most_items,
    open_for_run,
    run_worker,
)
from device_bench.settings import Protocol
from device_bench.state import read_state, state_warnings, throttle_reasons
from device_bench.sustained import sustained_warnings
from device_bench.validity import headline_reasons, judge
from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.clicks.bundle import ClickBundle
from recpress_edge.artifacts.clicks.contract import CLICKS, ClickContract
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.artifacts.manifest import EVALUATION_FILE
from recpress_edge.artifacts.two_stages.bundle import TwoStageBundle
from recpress_edge.core.progress import Note, OnEvent
from recpress_edge.core.registry import named
from recpress_edge.core.units import about_seconds
from recpress_edge.device.opening import AnyBundle
from recpress_edge.records.bench import BENCH_SCHEMA, timestamp

COLD: Final = ("first_query", "load", "import")
"""What every fresh process gives one sample of."""
CLOCK: Final = "perf_counter_ns"


def measure_bundle(folder: Path, protocol: Protocol, on_event: OnEvent, command: str) -> dict[str, Any]:
    """Measure one bundle and return its record (schema ``recpress.bench/1``); writes nothing.

    ``command``: what repeats it, for the record.

    Order: self-test, so that wrong answers cost nothing; idle process; cold starts; memory process; the
    measuring process, which self-tests before it times and ranks the evaluation users afterwards; the
    sustained phase. Raises the bundle's error, or WorkerError.
    """
    bundle = open_for_run(folder, protocol)
    job, name = measurement_of(folder, bundle, protocol), bundle.name
    created, device, before = timestamp(), device_facts(), read_state()
    self_test = run_worker("selftest", job, protocol.timeout_s)
    on_event(Note(f"{name}: self-test passed, {self_test['queries']} queries"))
    idle = run_worker("idle", job, protocol.timeout_s)
    cold = _cold_starts(job, protocol, name, on_event)
    memory = run_worker("memory", job, protocol.timeout_s)
    pauses = f", {protocol.paced_s:g} s of queries with pauses" if protocol.pause_ns else ""
    judged = ", then its test rows" if EVALUATION_FILE in bundle.files else ""
    on_event(Note(f"{name}: timing {2 * protocol.seconds:g} s or more{pauses}{judged}"))
    measured = run_worker("measure", job, protocol.timeout_s)
    after = read_state()
    sustained = _sustained(job, protocol, name, on_event)

    latency = measured["latency_ns"] | {name: [sample[f"{name}_ns"] for sample in cold] for name in COLD}
    verdicts = judge(latency, _counts(measured, cold))
    reasons = [*throttle_reasons(before["throttled"], after["throttled"]), *headline_reasons(verdicts)]
    warnings = [*protocol.warnings(), *gate_warnings(bundle), *file_warnings(bundle)]
    warnings += state_warnings(before, after, device)
    warnings += sustained_warnings(sustained) + ([] if idle["bytecode"] else [_NO_BYTECODE])
    return {
        "schema": BENCH_SCHEMA,
        "created": created,
        "basis": "measured",
        "valid": not reasons,
        "invalid_reasons": reasons,
        "warnings": warnings,
        "artifact": artifact_facts(bundle),
        "device": device,
        "state": {"before": before, "after": after},
        "validity": {name: verdict.facts() for name, verdict in verdicts.items()},
        "software": software_facts(measured["runtime"], measured["runtime_version"], measured["built"]),
        "protocol": protocol_facts(protocol, bundle, command),
        "latency_ns": latency,
        "memory_bytes": {"idle": idle["idle"], **memory},
        "quality": measured["quality"],
        "selftest": measured["selftest"],
        **({"sustained": sustained} if sustained else {}),
    }


_GATED: Final = {Bundle: "parity", ClickBundle: "clicks", TwoStageBundle: "stages"}
"""Where the quality of each kind of bundle has its gate."""
_NO_BYTECODE: Final = "some modules have no compiled .pyc file: import times are longer than they need be"


def _counts(measured: Mapping[str, Any], cold: Sequence[Mapping[str, Any]]) -> dict[str, Counts]:
    """What others took from each series, all processes together."""
    warm = {name: Counts(*counts) for name, counts in measured["counts"].items()}
    return warm | {name: total(sample["counts"][name] for sample in cold) for name in COLD}


def _sustained(
    job: AnyMeasurement, protocol: Protocol, name: str, on_event: OnEvent
) -> dict[str, Any] | None:
    if not job.sustained_s:
        return None
    on_event(Note(f"{name}: {job.sustained_s:g} s of queries without a pause"))
    return run_worker("sustained", job, protocol.timeout_s + job.sustained_s)


def _cold_starts(
    job: AnyMeasurement, protocol: Protocol, name: str, on_event: OnEvent
) -> Sequence[dict[str, Any]]:
    samples, processes = [], protocol.processes
    start = told = time.perf_counter()
    for done in range(1, processes + 1):
        samples.append(run_worker("cold", job, protocol.timeout_s))
        now = time.perf_counter()
        if now - told > 2 and done < processes:
            left = about_seconds((now - start) / done * (processes - done))
            on_event(Note(f"{name}: cold start {done}/{processes}, {left} left"))
            told = now
    return samples


def gate_warnings(bundle: AnyBundle) -> list[str]:
    """The warning of a bundle that is below its gate and was published with --force."""
    part = next(name for kind, name in _GATED.items() if isinstance(bundle, kind))
    gate = bundle.quality.get(part, {}).get("gate", {})
    if not gate.get("overruled"):
        return []
    kind = "parity gate" if part == "parity" else "gate"
    return [f"{bundle.name} is below its {kind}, overruled with --force: {gate.get('failure')}"]


def file_warnings(bundle: AnyBundle) -> list[str]:
    """What makes the model file slow on some cores."""
    hook = FORMATS[bundle.contract.format].warnings if isinstance(bundle, Bundle) else ""
    if not hook:
        return []
    mapped: Any = np.memmap(bundle.model_path, np.uint8, "r")  # what is skipped is never read
    found: list[str] = named(hook)(memoryview(mapped))
    return found


def artifact_facts(bundle: AnyBundle) -> dict[str, Any]:
    """The section ``artifact``: what was measured. A click bundle knows users as a field, and counts none."""
    contract = bundle.contract
    examples = example_answers(bundle) if isinstance(bundle, Bundle) else []
    return {
        "name": bundle.name,
        "bundle_sha256": bundle.digest,
        "model_sha256": bundle.files[contract.model_file]["sha256"],
        "file_bytes": bundle.model_bytes,
        "bundle_bytes": bundle.total_bytes,
        "format": contract.format,
        "recipe": contract.recipe,
        "profile": CLICKS if isinstance(contract, ClickContract) else contract.profile,
        "dim": contract.dim,
        "n_users": 0 if isinstance(contract, ClickContract) else contract.n_users,
        "n_items": contract.n_items,
        "provenance": dict(bundle.provenance),
        "quality": dict(bundle.quality),
        **({"examples": examples} if examples else {}),
    }


def protocol_facts(protocol: Protocol, bundle: AnyBundle, command: str) -> dict[str, Any]:
    """The section ``protocol`` of a bench record; what was not asked for is left out."""
    optional = ("pause_ns", "runtime", "delegate", "sustained_s")
    return {
        **protocol.facts(most_items(bundle), command),
        "batch": 1,
        "warmup": WARMUP_QUERIES,
        "processes": protocol.processes,
        "seconds": protocol.seconds,
        "clock": CLOCK,
        **{name: value for name in optional if (value := getattr(protocol, name))},
        **_candidates(bundle),
    }


def _candidates(bundle: AnyBundle) -> dict[str, int]:
    """Items of a request: what is ranked by a click model, or what a first stage finds."""
    if isinstance(bundle, ClickBundle):
        return {"candidates": min(CANDIDATES, bundle.contract.n_items)}
    return {"candidates": bundle.contract.candidates} if isinstance(bundle, TwoStageBundle) else {}
