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

from device_bench.measure import Job
from recpress_edge.core import errors

ROOT: Final = Path(__file__).resolve().parents[1]
# -P and an appended path: files in the current folder cannot shadow the standard library.
_START: Final = (
    "import sys; sys.path.append(sys.argv[1]); from device_bench.worker import main; sys.exit(main())"
)
_PR_SET_PDEATHSIG: Final = 1


class WorkerError(errors.RecPressError):
    """A measuring process crashed, was killed or took too long; there is no measurement."""


class WorkerTimeoutError(WorkerError):
    """It took too long."""


class WorkerKilledError(WorkerError):
    """The kernel killed it, which it does when memory runs out."""


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


def run_worker(kind: str, job: Job, timeout_s: float, enclosure: Enclosure = Enclosure()) -> dict[str, Any]:
    """Run one job in a fresh process and return its answer.

    The worker dies with this process, whatever ends it; Ctrl-C and time-outs kill its whole group.
    Raises the worker's own error, or WorkerError.
    """
    doors = [os.open(door, os.O_WRONLY | os.O_CLOEXEC) for door in enclosure.doors]
    try:
        return _run(kind, job, timeout_s, enclosure, _before_exec(doors))
    finally:
        for door in doors:
            os.close(door)


def _run(
    kind: str, job: Job, timeout_s: float, enclosure: Enclosure, before_exec: Callable[[], None]
) -> dict[str, Any]:
    request = json.dumps({"kind": kind, "job": dataclasses.asdict(job)})
    environment = os.environ | {
        "ORT_DISABLE_TELEMETRY": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        [*enclosure.prefix, enclosure.python, "-P", "-c", _START, str(ROOT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, **enclosure.environment},
        start_new_session=True,
        preexec_fn=before_exec,
    )
    try:
        answer, talk = process.communicate(request, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise WorkerTimeoutError(
            f"the {kind} process did not finish within {timeout_s:g} s and was stopped. Nothing was recorded."
        ) from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode != 0:
        cause = WorkerKilledError if process.returncode == -signal.SIGKILL else WorkerError
        raise cause(_crash(kind, process.returncode, talk))
    return _unwrap(kind, answer)


def _unwrap(kind: str, answer: str) -> dict[str, Any]:
    try:
        result = json.loads(answer)
    except json.JSONDecodeError:
        raise WorkerError(f"the {kind} process ended without an answer. Nothing was recorded.") from None
    if "error" in result:
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


def _before_exec(doors: Sequence[int]) -> Callable[[], None]:
    """For the child, before it becomes the worker: step inside, and be killed when the bench is."""
    die_with_parent = dies_with_parent()

    def in_child() -> None:
        die_with_parent()
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
