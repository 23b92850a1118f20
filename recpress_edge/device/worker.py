"""The life of a fresh process: one request on stdin, one JSON answer on stdout, the end.

Imports the standard library alone, so that a worker that times its imports can begin with it.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

_OUT_OF_MEMORY = "out of memory"  # process.OUT_OF_MEMORY
_MEMORY_WORDS = ("bad_alloc", "bad allocation", "Cannot allocate memory", "Failed to allocate")
"""Of runtimes, for what Python calls a MemoryError."""


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
