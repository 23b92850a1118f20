"""The fresh process: reads one job on stdin, writes one JSON answer on stdout, ends.

At the top only the standard library is imported, and modules that need no more than it: the import of the
runtime is timed. What a job is and how it is done says the module that the request names under ``measure``:
device_bench.measure, device_bench.clicks.measure or device_bench.two_stages.measure.
"""

import contextlib
import importlib
import importlib.util
import os
import sys
import time
from typing import Any

from device_bench.contention import MachineWatch, Watch, total
from recpress_edge.core.registry import named
from recpress_edge.device.worker import answer


def main() -> int:
    """Run one job; the answer to an error that a user can meet is its name and message."""
    return answer(run)


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Import what a query needs (timed), then do what ``kind`` says.

    ``request``: kind; job, the fields of a measurement; library, what imports the runtime, and its
    arguments; measure, a module with ``JOBS`` (kind -> 'module:function'), ``job_of``, ``cold_start`` and
    ``process_memory``.
    """
    machine, importing = MachineWatch(), Watch()
    load, *arguments = request["library"]
    with importing:
        start = time.perf_counter_ns()
        named(load)(*arguments)
        import_ns = time.perf_counter_ns() - start

    # The same for every kind: the idle process must hold what the others hold, except the model.
    measure = importlib.import_module(request["measure"])
    kind, job = request["kind"], measure.job_of(request["job"])
    if kind == "idle":
        return {"idle": measure.process_memory(), "bytecode": has_bytecode(request["measure"])}
    if kind == "cold":
        return cold_answer(measure.cold_start(job), import_ns, importing, machine)
    found: dict[str, Any] = named(measure.JOBS[kind])(job)
    return found


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


def has_bytecode(measure: str) -> bool:
    """Whether imports found compiled .pyc files; without them starting takes several times as long."""
    with contextlib.suppress(ImportError, AttributeError):
        known = ("numpy", "onnxruntime", "ai_edge_litert", "tflite_runtime", measure)
        specs = [importlib.util.find_spec(name) for name in known if name in sys.modules]
        return all(spec and spec.cached and os.path.exists(spec.cached) for spec in specs)  # noqa: PTH110
    return False
