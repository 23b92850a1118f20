"""A bundle opened for a run, and the fresh processes that measure it: one job each."""

import dataclasses
from pathlib import Path
from typing import Any, Final

from device_bench.measure import Measurement
from device_bench.settings import Protocol
from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.device.guard import SAMPLES_PER_S
from recpress_edge.device.process import NOWHERE, Enclosure, Program, ask
from recpress_edge.device.runtime import check_format, import_runtime

WORKER: Final = "device_bench.worker"


def open_for_run(folder: Path, protocol: Protocol) -> Bundle:
    """The verified bundle, when this machine has what runs it."""
    bundle = open_bundle(folder)
    check_format(bundle.contract.format, folder, protocol.delegate)
    import_runtime(bundle.contract.format, protocol.runtime)  # its absence is one line, not a crashed worker
    return bundle


def measurement_of(folder: Path, bundle: Bundle, protocol: Protocol) -> Measurement:
    """The job that each worker gets: the bundle, and how to measure it."""
    # queries that one process times, at most
    samples = max(protocol.queries, protocol.seconds * SAMPLES_PER_S, SAMPLES_PER_S)
    return Measurement(
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
        memory_limit=protocol.guard.memory(bundle.total_bytes, samples),
        pause_ns=protocol.pause_ns,
    )


def run_worker(
    kind: str, job: Measurement, timeout_s: float, enclosure: Enclosure = NOWHERE
) -> dict[str, Any]:
    """Run one job in a fresh process, within the job's limit of memory, and return its answer.

    Raises the worker's own error, or WorkerError.
    """
    request = {"kind": kind, "job": dataclasses.asdict(job)}
    return ask(Program(kind, request, timeout_s, job.memory_limit, WORKER, job.threads), enclosure)
