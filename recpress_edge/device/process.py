"""Fresh worker processes: started, waited for without polling, never left behind."""

import ctypes
import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recpress_edge.core import errors
from recpress_edge.core.units import format_bytes
from recpress_edge.device.guard import limits_process

ROOT: Final = Path(__file__).resolve().parents[2]
# -P and an appended path: files in the current folder cannot shadow the standard library.
_START: Final = "import sys; sys.path += sys.argv[2:]; from {} import main; sys.exit(main())"
OUT_OF_MEMORY: Final = "out of memory"
"""In place of an error's kind: the worker met its limit."""
_PR_SET_PDEATHSIG: Final = 1


class WorkerError(errors.RecPressError):
    """A measuring process crashed, was killed or took too long; there is no measurement."""


class WorkerTimeoutError(WorkerError):
    """It took too long."""


class WorkerKilledError(WorkerError):
    """The kernel killed it, which it does when memory runs out."""


class WorkerMemoryError(WorkerKilledError):
    """It needed more memory than its limit."""


@dataclass(frozen=True, slots=True)
class Enclosure:
    """Where a worker is put before it starts."""

    prefix: tuple[str, ...] = ()
    """A program that runs the worker's command line in its own place."""
    doors: tuple[Path, ...] = ()
    """cgroup.procs files: whoever writes 0 into one is inside."""
    python: str = sys.executable
    """The interpreter: another machine's, where the prefix is an emulator."""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """On top of this process's own."""


NOWHERE: Final = Enclosure()
"""A worker beside the process that starts it."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a fresh process is told to do, and within which limits."""

    kind: str
    """In errors."""
    request: Mapping[str, Any]
    """Plain JSON."""
    timeout_s: float
    memory_bytes: int | None
    module: str
    """Whose ``main`` it runs: :func:`recpress_edge.device.worker.answer` of what it does."""
    threads: int = 1
    path: tuple[str, ...] = (str(ROOT),)


def ask(program: Program, enclosure: Enclosure = NOWHERE) -> dict[str, Any]:
    """The answer of a fresh process, which dies with this one, whatever ends it.

    Ctrl-C and time-outs kill its whole group. Raises the worker's own error, or WorkerError.
    """
    doors = [os.open(door, os.O_WRONLY | os.O_CLOEXEC) for door in enclosure.doors]
    limit = limits_process(program.memory_bytes, program.timeout_s * program.threads)
    try:
        return _run(program, enclosure, _before_exec(doors, limit))
    finally:
        for door in doors:
            os.close(door)


def _run(program: Program, enclosure: Enclosure, before_exec: Callable[[], None]) -> dict[str, Any]:
    kind = program.kind
    environment = os.environ | {
        "ORT_DISABLE_TELEMETRY": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    start = _START.format(program.module)
    process = subprocess.Popen(
        [*enclosure.prefix, enclosure.python, "-P", "-c", start, "worker", *program.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**environment, **enclosure.environment},
        start_new_session=True,
        preexec_fn=before_exec,
    )
    try:
        answer, talk = process.communicate(json.dumps(program.request), timeout=program.timeout_s)
    except subprocess.TimeoutExpired:
        raise WorkerTimeoutError(_too_long(program)) from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode == -signal.SIGXCPU:
        raise WorkerTimeoutError(_too_long(program))
    if process.returncode != 0:
        cause = WorkerKilledError if process.returncode == -signal.SIGKILL else WorkerError
        raise cause(_crash(kind, process.returncode, talk))
    return _unwrap(program, answer)


def _too_long(program: Program) -> str:
    return (
        f"the {program.kind} process did not finish within {program.timeout_s:g} s and was stopped. "
        "Nothing was recorded. Where the file is trusted: --time-limit gives it longer."
    )


def _too_large(program: Program) -> str:
    limit = "" if program.memory_bytes is None else f" of {format_bytes(program.memory_bytes)}"
    return (
        f"the {program.kind} process needs more memory than its limit{limit}. Nothing was recorded. "
        "Where the file is trusted: --memory-limit gives it more."
    )


def _unwrap(program: Program, answer: str) -> dict[str, Any]:
    try:
        result = json.loads(answer)
    except json.JSONDecodeError:
        raise WorkerError(
            f"the {program.kind} process ended without an answer. Nothing was recorded."
        ) from None
    if "error" in result:
        if result["error"]["kind"] == OUT_OF_MEMORY:
            raise WorkerMemoryError(_too_large(program))
        error = getattr(errors, result["error"]["kind"], errors.RecPressError)
        raise error(result["error"]["message"])
    return dict(result)


def _crash(kind: str, code: int, talk: str) -> str:
    last = " | ".join(talk.strip().splitlines()[-3:])
    if code == -signal.SIGKILL:
        reason = "was killed (SIGKILL), most likely because memory ran out"
    elif code < 0:
        reason = f"crashed with {signal.Signals(-code).name}"
    else:
        reason = f"failed with exit code {code}"
    return f"the {kind} process {reason}. Nothing was recorded.{' It said: ' + last if last else ''}"


def _before_exec(doors: Sequence[int], limit: Callable[[], None]) -> Callable[[], None]:
    """For the child, before it becomes the worker: step inside, and be killed when the bench is."""
    die_with_parent = dies_with_parent()

    def in_child() -> None:
        die_with_parent()
        limit()
        for door in doors:
            os.write(door, b"0")

    return in_child


def dies_with_parent() -> Callable[[], None]:
    """What a child calls before it becomes another program: it dies with this process, even by SIGKILL."""
    if sys.platform != "linux":
        return lambda: None
    prctl, bench = ctypes.CDLL(None).prctl, os.getpid()  # loaded here: after the fork only calls are safe

    def in_child() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != bench:  # it died before the line above
            os._exit(1)

    return in_child
