"""The fresh process: reads one job on stdin, writes one JSON answer on stdout, ends.

At the top only the standard library is imported, and modules that need no more than it: the import of the
runtime is timed.
"""

import contextlib
import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from device_bench.contention import MachineWatch, Watch, total
from recpress_edge.device.worker import answer

JOBS: Final = {
    "selftest": "device_bench.measure:self_test",
    "memory": "device_bench.measure:model_memory",
    "measure": "device_bench.measure:measure",
    "rank": "device_bench.measure:rank",
    "marked": "device_bench.emulation.marks:marked_queries",
    "questions": "device_bench.mcu.questions:questions",
    "sustained": "device_bench.sustained:sustain",
}
"""Kind -> what does it, beside idle and cold."""


def main() -> int:
    """Run one job; the answer to an error that a user can meet is its name and message."""
    return answer(run)


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Import what a query needs (timed), then do what ``kind`` says."""
    machine, importing = MachineWatch(), Watch()
    with importing:
        start = time.perf_counter_ns()
        runtime = importlib.import_module("recpress_edge.device.runtime")
        runtime.import_runtime(request["job"]["contract"]["format"], request["job"]["runtime"])
        import_ns = time.perf_counter_ns() - start

    # The same for every kind: the idle process must hold what the others hold, except the model.
    measure = importlib.import_module("device_bench.measure")
    kind, job = request["kind"], measure.measurement_from(request["job"])
    if kind == "idle":
        return {"idle": measure.process_memory(), "bytecode": has_bytecode()}
    if kind == "cold":
        return cold_answer(measure.cold_start(job), import_ns, importing, machine)
    module, _, function = JOBS[kind].partition(":")
    work: Callable[[Any], dict[str, Any]] = getattr(importlib.import_module(module), function)
    return work(job)


def cold_answer(
    started: dict[str, Any], import_ns: int, importing: Watch, machine: MachineWatch
) -> dict[str, Any]:
    """A cold start with the import before it, and what the process and the machine counted in each part."""
    others = machine.read()
    counts = {"import": importing.counts, **started["counts"]}
    return {
        **started,
        "import_ns": import_ns,
        "counts": {name: total([found, others]) for name, found in counts.items()},
    }


def has_bytecode(measure: str = "device_bench.measure") -> bool:
    """Whether imports found compiled .pyc files; without them starting takes several times as long."""
    with contextlib.suppress(ImportError, AttributeError):
        known = ("numpy", "onnxruntime", "ai_edge_litert", "tflite_runtime", measure)
        specs = [importlib.util.find_spec(name) for name in known if name in sys.modules]
        return all(spec and spec.cached and os.path.exists(spec.cached) for spec in specs)  # noqa: PTH110
    return False
