"""The fresh process of a click bundle: one job on stdin, one JSON answer on stdout, the end.

At the top only the standard library is imported, and modules that need no more than it: the import of the
runtime is timed.
"""

import importlib
import time
from typing import Any, Final

from device_bench.contention import MachineWatch, Watch
from device_bench.worker import cold_answer, has_bytecode
from recpress_edge.device.worker import answer

JOBS: Final = {
    "selftest": "self_test",
    "memory": "model_memory",
    "measure": "measure",
    "sustained": "sustain",
}
"""Kind -> what does it in device_bench.clicks.measure, beside idle and cold."""


def main() -> int:
    """Run one job; the answer to an error that a user can meet is its name and message."""
    return answer(run)


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Import what a request needs (timed), then do what ``kind`` says."""
    machine, importing = MachineWatch(), Watch()
    with importing:
        start = time.perf_counter_ns()
        runtimes = importlib.import_module("recpress_edge.device.clicks.runtimes")
        runtimes.import_library(request["job"]["format"], request["job"]["runtime"])
        import_ns = time.perf_counter_ns() - start

    # The same for every kind: the idle process must hold what the others hold, except the model.
    measure = importlib.import_module("device_bench.clicks.measure")
    kind, job = request["kind"], measure.ClickJob.of(request["job"])
    if kind == "idle":
        return {"idle": measure.process_memory(), "bytecode": has_bytecode("device_bench.clicks.measure")}
    if kind == "cold":
        return cold_answer(measure.cold_start(job), import_ns, importing, machine)
    found: dict[str, Any] = getattr(measure, JOBS[kind])(job)
    return found
