"""What is measured, in what order, in which process; and the record that comes out."""

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from device_bench.contention import Counts, total
from device_bench.device import device_facts, software_facts
from device_bench.measure import WARMUP_QUERIES, Job
from device_bench.options import Protocol
from device_bench.process import run_worker
from device_bench.state import read_state, state_warnings, throttle_reasons
from device_bench.sustained import sustained_warnings
from device_bench.validity import headline_reasons, judge
from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.device.guard import SAMPLES_PER_S
from recpress_edge.device.runtime import check_format, import_runtime
from recpress_edge.records.bench import BENCH_SCHEMA

Report = Callable[[str], None]
COLD: Final = ("first_query", "load", "import")
"""What every fresh process gives one sample of."""


def run_bundle(folder: Path, protocol: Protocol, report: Report, command: str) -> dict[str, Any]:
    """Measure one bundle and return its record (schema ``recpress.bench/1``); writes nothing.

    ``command``: what repeats it, for the record.

    Order: verify; idle process; cold starts; memory process; the measuring process, which
    self-tests before it times and ranks the evaluation users afterwards. The self-test also runs
    first of all, so that wrong answers cost nothing. Raises what the bundle or a process deserves.
    """
    bundle = open_for_run(folder, protocol)
    job = job_of(folder, bundle, protocol)
    created, device, before = datetime.datetime.now(datetime.UTC), device_facts(), read_state()
    self_test = run_worker("selftest", job, protocol.timeout_s)
    report(f"{bundle.name}: self-test passed, {self_test['queries']} queries")
    idle = run_worker("idle", job, protocol.timeout_s)
    cold = _cold_starts(job, protocol, bundle.name, report)
    memory = run_worker("memory", job, protocol.timeout_s)
    pauses = f", {protocol.paced_s:g} s of queries with pauses" if protocol.pause_ns else ""
    report(f"{bundle.name}: timing {2 * protocol.seconds:g} s or more{pauses}, then ranking every user")
    measured = run_worker("measure", job, protocol.timeout_s)
    after = read_state()
    sustained = _sustained(job, protocol, bundle.name, report)

    latency = measured["latency_ns"] | {name: [sample[f"{name}_ns"] for sample in cold] for name in COLD}
    verdicts = judge(latency, _counts(measured, cold))
    reasons = [*throttle_reasons(before["throttled"], after["throttled"]), *headline_reasons(verdicts)]
    warnings = [
        *protocol.warnings(),
        *gate_warnings(bundle),
        *state_warnings(before, after, device),
        *(sustained_warnings(sustained) if sustained else []),
    ]
    if not idle["bytecode"]:
        warnings.append("some modules have no compiled .pyc file: import times are longer than they need be")
    return {
        "schema": BENCH_SCHEMA,
        "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "basis": "measured",
        "valid": not reasons,
        "invalid_reasons": reasons,
        "warnings": warnings,
        "artifact": artifact_facts(bundle),
        "device": device,
        "state": {"before": before, "after": after},
        "validity": {name: verdict.facts() for name, verdict in verdicts.items()},
        "software": software_facts(measured["runtime"], measured["runtime_version"]),
        "protocol": {
            "threads": protocol.threads,
            "batch": 1,
            "k": job.k,
            "warmup": WARMUP_QUERIES,
            "processes": protocol.processes,
            "queries": protocol.queries,
            "seconds": protocol.seconds,
            "seed": protocol.seed,
            "clock": "perf_counter_ns",
            **({"pause_ns": protocol.pause_ns} if protocol.pause_ns else {}),
            **({"runtime": protocol.runtime} if protocol.runtime else {}),
            **({"delegate": protocol.delegate} if protocol.delegate else {}),
            **({"sustained_s": protocol.sustained_s} if protocol.sustained_s else {}),
            "command": command,
        },
        "latency_ns": latency,
        "memory_bytes": {"idle": idle["idle"], **memory},
        "quality": measured["quality"],
        "selftest": measured["selftest"],
        **({"sustained": sustained} if sustained else {}),
    }


def _counts(measured: Mapping[str, Any], cold: Sequence[Mapping[str, Any]]) -> dict[str, Counts]:
    """What others took from each series, all processes together."""
    warm = {name: Counts(*counts) for name, counts in measured["counts"].items()}
    return warm | {name: total(sample["counts"][name] for sample in cold) for name in COLD}


def _sustained(job: Job, protocol: Protocol, name: str, report: Report) -> dict[str, Any] | None:
    if not job.sustained_s:
        return None
    report(f"{name}: {job.sustained_s:g} s of queries without a pause")
    return run_worker("sustained", job, protocol.timeout_s + job.sustained_s)


def open_for_run(folder: Path, protocol: Protocol) -> Bundle:
    """The verified bundle, when this machine has what runs it."""
    bundle = open_bundle(folder)
    check_format(bundle.contract.format, folder, protocol.delegate)
    import_runtime(
        bundle.contract.format, protocol.runtime
    )  # its absence is one line here, not a crashed worker
    return bundle


def job_of(folder: Path, bundle: Bundle, protocol: Protocol) -> Job:
    """What each worker is told about the bundle and how to measure it."""
    return Job(
        bundle=str(folder.resolve()),
        model_path=str(bundle.model_path.resolve()),
        contract=bundle.contract,
        digest=bundle.digest,
        threads=protocol.threads,
        k=min(protocol.k, bundle.contract.n_items),
        queries=protocol.queries,
        seconds=protocol.seconds,
        seed=protocol.seed,
        runtime=protocol.runtime,
        delegate=protocol.delegate,
        sustained_s=protocol.sustained_s,
        memory_limit=protocol.guard.memory(bundle.total_bytes, _samples(protocol)),
        pause_ns=protocol.pause_ns,
    )


def _samples(protocol: Protocol) -> float:
    """Queries that one process times, at most."""
    return max(protocol.queries, protocol.seconds * SAMPLES_PER_S, SAMPLES_PER_S)


def gate_warnings(bundle: Bundle) -> list[str]:
    """A bundle below its parity gate that was published with --force says so in every record of it."""
    gate = bundle.quality.get("parity", {}).get("gate", {})
    if not gate.get("overruled"):
        return []
    return [f"{bundle.name} is below its parity gate, overruled with --force: {gate.get('failure')}"]


def artifact_facts(bundle: Bundle) -> dict[str, Any]:
    """What was measured."""
    contract = bundle.contract
    return {
        "name": bundle.name,
        "bundle_sha256": bundle.digest,
        "model_sha256": bundle.files[contract.model_file]["sha256"],
        "file_bytes": bundle.model_bytes,
        "bundle_bytes": bundle.total_bytes,
        "format": contract.format,
        "recipe": contract.recipe,
        "profile": contract.profile,
        "dim": contract.dim,
        "n_users": contract.n_users,
        "n_items": contract.n_items,
        "provenance": dict(bundle.provenance),
        "quality": dict(bundle.quality),
    }


def _cold_starts(job: Job, protocol: Protocol, name: str, report: Report) -> Sequence[dict[str, Any]]:
    samples, processes = [], protocol.processes
    start = told = time.perf_counter()
    for done in range(1, processes + 1):
        samples.append(run_worker("cold", job, protocol.timeout_s))
        now = time.perf_counter()
        if now - told > 2 and done < processes:
            left_s = (now - start) / done * (processes - done)
            report(f"{name}: cold start {done}/{processes}, about {left_s:.0f} s left")
            told = now
    return samples
