"""The fresh process: reads one job on stdin, writes one JSON answer on stdout, ends.

Only the standard library is imported before the clock starts, so that import time is real.
"""

import contextlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

_OUT_OF_MEMORY = "out of memory"  # process.OUT_OF_MEMORY
_MEMORY_WORDS = ("bad_alloc", "bad allocation", "Cannot allocate memory", "Failed to allocate")
"""Of runtimes, for what Python calls a MemoryError."""


def main() -> int:
    """Run one job; on an error that a user can meet, the answer says which and what."""
    return answer(run)


def answer(work: Callable[[dict[str, Any]], dict[str, Any]]) -> int:
    """A worker's whole life: the request from stdin, the answer or the error on stdout."""
    request = json.load(sys.stdin)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not end up in the answer
    try:
        result = work(request)
    except MemoryError:
        result = _failed(_OUT_OF_MEMORY, "")
    except Exception as error:
        if not hasattr(error, "exit_code"):  # not a RecPressError: a crash, with its traceback
            raise
        told = str(error)
        kind = _OUT_OF_MEMORY if any(word in told for word in _MEMORY_WORDS) else type(error).__name__
        result = _failed(kind, told)
    with out:
        json.dump(result, out)
    return 0


def _failed(kind: str, message: str) -> dict[str, Any]:
    return {"error": {"kind": kind, "message": message}}


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Import what a query needs (timed), then do what ``kind`` says."""
    start = time.perf_counter_ns()
    from device_bench.runtimes.opening import import_runtime

    import_runtime(request["job"]["contract"]["format"], request["job"]["runtime"])
    import_ns = time.perf_counter_ns() - start

    # The same for every kind: the idle process must hold what the others hold, except the model.
    from device_bench import measure
    from device_bench.memory import process_memory
    from recpress_edge.core.bundle import Contract

    job = measure.Job(**{**request["job"], "contract": Contract(**request["job"]["contract"])})
    match request["kind"]:
        case "idle":
            return {"idle": process_memory(), "bytecode": _has_bytecode()}
        case "selftest":
            return measure.self_test(job)
        case "cold":
            return {"import_ns": import_ns, **measure.cold_start(job)}
        case "memory":
            return measure.model_memory(job)
        case "measure":
            return measure.measure(job)
        case "rank":
            return measure.rank(job)
        case "marked":
            from device_bench.emulation.marking import marked_queries

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
