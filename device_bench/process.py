"""Fresh processes that measure: one job each."""

import dataclasses
from typing import Any, Final

from device_bench.measure import Job
from recpress_edge.device.process import NOWHERE, Enclosure, Program, ask

WORKER: Final = "device_bench.worker"


def run_worker(kind: str, job: Job, timeout_s: float, enclosure: Enclosure = NOWHERE) -> dict[str, Any]:
    """Run one job in a fresh process, within the job's limit of memory, and return its answer.

    Raises the worker's own error, or WorkerError.
    """
    request = {"kind": kind, "job": dataclasses.asdict(job)}
    return ask(Program(kind, request, timeout_s, job.memory_limit, WORKER, job.threads), enclosure)
