"""Where jobs run: here in order, in several processes, or on the machines of a Ray cluster.

Requests, events and results can be pickled. That is between processes of one user who run the same code: no
file and no artefact is a pickle.
"""

import abc
import contextlib
import os
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self, TypeVar

from recpress_edge.core.errors import OUT_OF_MEMORY, ConfigError, RecPressError, told_by_system
from recpress_edge.core.progress import OnEvent, Trouble, silent
from recpress_edge.core.registry import named
from recpress_edge.distill.methods import METHODS

Result = TypeVar("Result", covariant=True)
WORKER_FOLDER: Final = "RECPRESS_WORKER_DIR"
"""Names the folder of a machine of a cluster that keeps what was sent there and what is trained there."""
RAY_SETTINGS: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # It prints every loss of a machine to stdout, which is for answers: we tell of the job.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
}
"""Of the environment, read when Ray is imported."""


class Runnable(Protocol[Result]):
    """A request of ``recpress_edge.jobs``. Its ``str`` names it in errors."""

    def run(self, on_event: OnEvent = silent) -> Result: ...


class Movable(Runnable[Result], Protocol[Result]):
    """A request that a machine can run which has only the folders that it is sent."""

    @property
    def work(self) -> Path: ...

    @property
    def data_folder(self) -> Path | None:
        """Of its data set; None for one that is built."""

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """Of the models that it reads."""

    def moved(self, work: Path, where: Mapping[Path, Path]) -> Self:
        """The same request in another work folder, which has the data set; ``where``: the models' places."""

    def made(self, result: Any) -> Path | None:
        """The folder of the model that it made, if any, in its work folder."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a request: its result, or its error."""

    ticket: int
    """The request's place in the order in which they were started, from 0."""
    result: Any = None
    error: Exception | None = None


class Lanes(Protocol):
    """Places where requests run side by side."""

    @property
    def free(self) -> int:
        """How many more can be started now."""

    def start(self, request: Runnable[Any]) -> int:
        """Start a request; returns its ticket."""

    def next(self) -> Finished:
        """Wait for the next request that ends, however it ends."""


class Executor(abc.ABC):
    """Runs requests side by side."""

    @property
    @abc.abstractmethod
    def slots(self) -> int:
        """Requests at a time."""

    @property
    @abc.abstractmethod
    def here(self) -> "Executor":
        """What runs requests that write on this machine: itself, where it is of this machine."""

    @abc.abstractmethod
    def open(self, on_event: OnEvent) -> AbstractContextManager[Lanes]:
        """Lanes that end with the block, and with them what still runs; finished work stays."""

    def run(self, requests: Iterable[Runnable[Result]], on_event: OnEvent = silent) -> Iterator[Result]:
        """Results in the order of the requests, each when it is there; an error ends the list."""
        waiting = deque(requests)
        results: dict[int, Any] = {}
        given = started = 0
        with self.open(on_event) as lanes:
            while True:
                while lanes.free and waiting:
                    started = lanes.start(waiting.popleft()) + 1
                while given in results:
                    yield results.pop(given)
                    given += 1
                if given == started:
                    return
                done = lanes.next()
                if done.error is not None:
                    raise done.error
                results[done.ticket] = done.result


class Local(Executor):
    """In this process, one after the other."""

    @property
    def slots(self) -> int:
        return 1

    @property
    def here(self) -> Executor:
        return self

    @contextlib.contextmanager
    def open(self, on_event: OnEvent) -> Iterator[Lanes]:
        yield _OneLane(on_event)


class _OneLane:
    """An error is raised where it is, with its traceback."""

    def __init__(self, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._waiting: Runnable[Any] | None = None
        self._started = 0

    @property
    def free(self) -> int:
        return int(self._waiting is None)

    def start(self, request: Runnable[Any]) -> int:
        self._waiting, self._started = request, self._started + 1
        return self._started - 1

    def next(self) -> Finished:
        assert self._waiting is not None
        request, self._waiting = self._waiting, None
        return Finished(self._started - 1, request.run(self._on_event))


def attempt(ticket: int, request: Runnable[Any], on_event: OnEvent) -> Finished:
    """Run a request in a process that was started for it: an error is named after it and sent back.

    The traceback of a mistake of ours stays here when the error leaves, so it is told as :class:`Trouble`.
    """
    try:
        return Finished(ticket, request.run(on_event))
    except ImportError as error:  # the command line names the extra
        return Finished(ticket, error=error)
    except RecPressError as error:
        error.args = (f"{error} (from: {request})",)
        return Finished(ticket, error=error)
    except MemoryError:
        return Finished(ticket, error=RecPressError(f"{OUT_OF_MEMORY} (from: {request})"))
    except OSError as error:
        return Finished(ticket, error=RecPressError(f"{told_by_system(error)} (from: {request})"))
    except Exception as error:
        on_event(Trouble(traceback.format_exc()))
        return Finished(ticket, error=RecPressError(f"{type(error).__name__}: {error} (from: {request})"))


def loaded_plugins() -> tuple[str, ...]:
    """Files that brought methods: what is sent to another process may be of their classes."""
    brought = {row.plugin for row in METHODS.values() if row.plugin}
    return tuple(sorted(path for path in brought if Path(path).exists()))


def executor_for(jobs: int | None, ray: str | None, threads: int) -> Executor:
    """The executor that ``--jobs`` or ``--ray`` asks for, each request with ``threads``."""
    if ray is not None:
        if jobs is not None:
            raise ConfigError(
                f"--jobs {jobs} is for processes of this machine, --ray {ray} for a cluster, whose machines "
                "say how many CPUs they give (ray start --num-cpus). Give one of the two."
            )
        os.environ.update(RAY_SETTINGS)
        return _made("cluster:RayCluster", ray, threads)
    return Local() if jobs in (None, 1) else _made("processes:Processes", jobs, threads)


def _made(where: str, *settings: Any) -> Executor:
    """Neither is imported before it is asked for."""
    executor: Executor = named(f"{__name__}.{where}")(*settings)
    return executor
