"""The fresh process: reads one job on stdin, writes one JSON answer on stdout, ends.

Only the standard library and what counts waiting are imported before the clock starts, so that import time is
real.
"""

import contextlib
import importlib.util
import os
import sys
import time
from typing import Any

from recpress_edge.device.worker import answer


def main() -> int:
    """Run one job; on an error that a user can meet, the answer says which and what."""
    return answer(run)


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Import what a query needs (timed), then do what ``kind`` says."""
    from device_bench.contention import MachineWatch, Watch, total

    machine, importing = MachineWatch(), Watch()
    with importing:
        start = time.perf_counter_ns()
        from recpress_edge.device.runtime import import_runtime

        import_runtime(request["job"]["contract"]["format"], request["job"]["runtime"])
        import_ns = time.perf_counter_ns() - start

    # The same for every kind: the idle process must hold what the others hold, except the model.
    from device_bench import measure
    from recpress_edge.artifacts.bundle import Contract
    from recpress_edge.core.memory import process_memory

    job = measure.Measurement(**{**request["job"], "contract": Contract(**request["job"]["contract"])})
    match request["kind"]:
        case "idle":
            return {"idle": process_memory(), "bytecode": _has_bytecode()}
        case "selftest":
            return measure.self_test(job)
        case "cold":
            started, others = measure.cold_start(job), machine.read()
            counts = {"import": importing.counts, **started["counts"]}
            return {
                **started,
                "import_ns": import_ns,
                "counts": {name: total([found, others]) for name, found in counts.items()},
            }
        case "memory":
            return measure.model_memory(job)
        case "measure":
            return measure.measure(job)
        case "rank":
            return measure.rank(job)
        case "marked":
            from device_bench.emulation.marks import marked_queries

            return marked_queries(job)
        case "sustained":
            from device_bench.sustained import sustain

            return sustain(job)
        case unknown:
            raise AssertionError(f"unknown kind {unknown!r}")


def _has_bytecode() -> bool:
    """Whether imports found compiled .pyc files; without them starting takes several times as long."""
    with contextlib.suppress(ImportError, AttributeError):
        known = ("numpy", "onnxruntime", "ai_edge_litert", "tflite_runtime", "device_bench.measure")
        specs = [importlib.util.find_spec(name) for name in known if name in sys.modules]
        return all(spec and spec.cached and os.path.exists(spec.cached) for spec in specs)  # noqa: PTH110
    return False
