"""Several processes of this machine, each with its own threads."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from recpress_edge.core.errors import RecPressError
from recpress_edge.core.progress import Event, Note, OnEvent
from recpress_edge.core.units import counted
from recpress_edge.device.process import dies_with_parent
from recpress_edge.distill.plugin import load_plugins
from recpress_edge.jobs.executor import Executor, Finished, Lanes, Runnable, attempt, loaded_plugins

_START: Final = "import sys; from {} import serve; serve(int(sys.argv[1]))"
_PATIENCE_S: Final = 5.0
"""How long a process may take to end by itself."""


@dataclass(frozen=True, slots=True)
class Processes(Executor):
    """``jobs`` processes at a time, each with ``threads``."""

    jobs: int
    threads: int

    @property
    def slots(self) -> int:
        return self.jobs

    @property
    def here(self) -> Executor:
        return self

    @contextlib.contextmanager
    def open(self, on_event: OnEvent) -> Iterator[Lanes]:
        on_event(Note(f"jobs       {self._words()}"))
        lanes = _Children(self, on_event)
        try:
            yield lanes
        finally:
            lanes.close()

    def _words(self) -> str:
        cores, wanted = len(os.sched_getaffinity(0)), self.jobs * self.threads
        more = ": more than the cores, so they wait for each other" if wanted > cores else ""
        return (
            f"{self.jobs} processes at a time × {counted(self.threads, 'thread')} = {wanted}, on "
            f"{counted(cores, 'core')}{more}"
        )


@dataclass(slots=True)
class _Child:
    """A process that answers requests until its pipe is closed."""

    process: subprocess.Popen[bytes]
    pipe: "Connection[Any, Any]"
    ticket: int = -1
    request: Runnable[Any] | None = None
    """What it is at; None: nothing."""


class _Children:
    """Processes are started when they are needed, and used again."""

    def __init__(self, executor: Processes, on_event: OnEvent) -> None:
        self._executor, self._on_event = executor, on_event
        self._children: list[_Child] = []
        self._started = 0

    @property
    def free(self) -> int:
        return self._executor.jobs - sum(child.request is not None for child in self._children)

    def start(self, request: Runnable[Any]) -> int:
        child = next((child for child in self._children if child.request is None), None)
        if child is None:
            child = _spawn(self._executor.threads)
            self._children.append(child)
        child.ticket, child.request, self._started = self._started, request, self._started + 1
        child.pipe.send((child.ticket, request))
        return child.ticket

    def next(self) -> Finished:
        while True:
            busy = {child.pipe: child for child in self._children if child.request is not None}
            for pipe in wait(list(busy)):
                child = busy[pipe]  # type: ignore[index]
                try:
                    told = child.pipe.recv()
                except (EOFError, ConnectionResetError):
                    self._children.remove(child)
                    return Finished(child.ticket, error=_died(child))
                if isinstance(told, Finished):
                    child.request = None
                    return told
                self._on_event(told)

    def close(self) -> None:
        """End the idle by closing their pipes; those at work are interrupted, as by Ctrl-C."""
        for child in self._children:
            child.pipe.close()
            if child.request is not None:
                child.process.send_signal(signal.SIGINT)
        for child in self._children:
            try:
                child.process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()


def _spawn(threads: int) -> _Child:
    """A fresh process with the import path of this one; the terminal's Ctrl-C reaches this process alone."""
    ours, theirs = Pipe()
    count = str(threads)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "ORT_DISABLE_TELEMETRY": "1",
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), count),
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _START.format(__name__), str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment,
        pass_fds=[theirs.fileno()],
        process_group=0,
        preexec_fn=dies_with_parent(),
    )
    theirs.close()
    ours.send(loaded_plugins())
    return _Child(process, ours)


def _died(child: _Child) -> RecPressError:
    code = child.process.wait()
    how = f"ended with exit code {code}"
    if code < 0:
        how = f"was ended by signal {-code} ({signal.strsignal(-code)}), perhaps for memory"
    return RecPressError(
        f"the process of {child.request} {how}. What was finished is kept; with fewer --jobs each has more "
        "memory."
    )


def serve(handle: int) -> None:
    """Answer the requests of the process that started this one, until it closes the pipe or interrupts."""
    pipe: Connection[Any, Any] = Connection(handle)

    def tell(event: Event) -> None:
        pipe.send(event)

    with contextlib.suppress(KeyboardInterrupt, EOFError, BrokenPipeError, ConnectionResetError):
        load_plugins(pipe.recv())
        while True:
            ticket, request = pipe.recv()
            pipe.send(attempt(ticket, request, tell))
