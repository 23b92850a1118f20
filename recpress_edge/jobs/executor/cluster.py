"""The machines of a Ray cluster: whole folders travel by digest, and a lost machine's jobs run again.

Imported only when a cluster is asked for. Ray brings the pickles of requests, events and results between the
machines of one cluster; whoever may submit to it may run any code there, so its own authentication guards it.
"""

import contextlib
import importlib.metadata
import logging
import os
import platform
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

import ray
from ray._private.services import canonicalize_bootstrap_address_or_die  # no public name finds it
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

import recpress_edge
from recpress_edge.core.errors import ConfigError, RecPressError
from recpress_edge.core.files import digest_of, sha256_file
from recpress_edge.core.progress import Event, Note, OnEvent, TrainingEvent, silent
from recpress_edge.core.units import counted
from recpress_edge.jobs.executor import (
    WORKER_FOLDER,
    Executor,
    Finished,
    Lanes,
    Local,
    Movable,
    Runnable,
    attempt,
    loaded_plugins,
)
from recpress_edge.jobs.executor.parcels import Journey, Parcel, pack, receive

RETRIES: Final = 3
"""How often a job runs again whose machine or process is lost."""
_ANSWERS_WITHIN_S: Final = 5.0
_LOOK_S: Final = 0.3
_SETTINGS: Final = b"\x04"
_HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0" + _SETTINGS + bytes(5)
"""How a client of HTTP/2, which Ray speaks, begins; a server answers with its settings (RFC 9113, 3.4)."""
_START: Final = (
    "Start one with: ray start --head --include-dashboard=false, on every other machine ray start "
    "--address=HOST:6379, and give --ray auto or --ray HOST:6379."
)


class _Mailbox:
    """Keeps what the jobs tell until it is taken; an actor on the machine that asked."""

    def __init__(self) -> None:
        self._told: list[tuple[int, Event | str]] = []

    def tell(self, ticket: int, told: Event | str) -> None:
        self._told.append((ticket, told))

    def take(self) -> list[tuple[int, Event | str]]:
        taken, self._told = self._told, []
        return taken


@dataclass(frozen=True, slots=True)
class RayCluster(Executor):
    """All machines of a cluster; each request takes ``threads`` of their CPUs."""

    address: str
    """HOST:PORT, or auto for the cluster that was started on this machine."""
    threads: int

    @property
    def slots(self) -> int:
        _connect(self.address)
        cpus = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
        return sum(int(count) // self.threads for count in cpus)

    @property
    def here(self) -> Executor:
        return Local()

    @contextlib.contextmanager
    def open(self, on_event: OnEvent) -> Iterator[Lanes]:
        if plugins := loaded_plugins():
            raise ConfigError(
                f"--plugin {plugins[0]} is a file of this machine, and --ray trains on others. Make it a "
                "package with the entry point recpress_edge.methods, install that on every machine and leave "
                "--plugin out; or train with --jobs."
            )
        _connect(self.address)
        nodes = sum(node["Alive"] for node in ray.nodes())
        if not self.slots:
            raise ConfigError(
                f"no machine of the cluster at --ray {self.address} gives --threads {self.threads} CPUs to "
                "one job. Give fewer, or start machines with ray start --num-cpus."
            )
        machines = counted(nodes, "machine")
        on_event(Note(f"jobs       Ray, {machines}: {self.slots} at a time × --threads {self.threads}"))
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        mailbox = ray.remote(_Mailbox).options(num_cpus=0, scheduling_strategy=here).remote()
        lanes = _Remote(self, mailbox, on_event)
        try:
            yield lanes
        finally:
            lanes.close()


def _connect(address: str) -> None:
    """Once in a process; an address that does not answer is an error after seconds, not minutes."""
    if ray.is_initialized():
        return
    try:
        _check_answers(canonicalize_bootstrap_address_or_die("auto") if address == "auto" else address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise RecPressError(f"no Ray cluster at --ray {address}: {_first_line(error)} {_START}") from None


def _check_answers(address: str) -> None:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"--ray takes auto or HOST:PORT, such as 192.168.1.10:6379; got {address!r}")
    try:
        with socket.create_connection((host, int(port)), _ANSWERS_WITHIN_S) as connection:
            if not os.environ.get("RAY_USE_TLS"):
                connection.sendall(_HELLO)
                if connection.recv(9)[3:4] != _SETTINGS:
                    raise RecPressError(f"what answers at --ray {address} is no Ray cluster. {_START}")
    except OSError as error:
        reason = error.strerror or str(error)
        raise RecPressError(f"no Ray cluster answers at --ray {address}: {reason}. {_START}") from None


def _first_line(error: Exception) -> str:
    return f"{next(iter(str(error).splitlines()), type(error).__name__).rstrip('.')}."


class _Remote:
    """Jobs that were handed to Ray, which finds a machine for each."""

    def __init__(self, cluster: RayCluster, mailbox: Any, on_event: OnEvent) -> None:
        self._cluster, self._mailbox, self._on_event = cluster, mailbox, on_event
        self._code = code_digest()
        self._run = ray.remote(_run_there).options(num_cpus=cluster.threads, max_retries=RETRIES)
        self._jobs: list[_Job] = []
        self._pending: dict[Any, int] = {}
        self._parcels: dict[tuple[Path, int], Parcel] = {}

    @property
    def free(self) -> int:
        """Where every machine is lost, one job still waits for a new one."""
        return max(max(self._cluster.slots, 1) - len(self._pending), 0)

    def start(self, request: Runnable[Any]) -> int:
        job: Movable[Any] = cast(Movable[Any], request)
        ticket = len(self._jobs)
        there = _There(Journey.of(job, self._sent))
        self._jobs.append(_Job(job))
        self._pending[self._run.remote(ticket, there, self._mailbox, self._code)] = ticket
        return ticket

    def _sent(self, folder: Path, work: Path) -> Parcel:
        """The folder in this machine's store, once; a machine that has it already does not fetch it."""
        state = folder, max(path.stat().st_mtime_ns for path in folder.iterdir())
        if state not in self._parcels:
            self._parcels[state] = pack(folder, work, ray.put)
        return self._parcels[state]

    def next(self) -> Finished:
        while True:
            try:
                ready, _ = ray.wait(list(self._pending), timeout=_LOOK_S)
                news = ray.get(self._mailbox.take.remote())
            except RayError as error:
                raise RecPressError(
                    f"the cluster at --ray {self._cluster.address} is lost: {_first_line(error)} What was "
                    "finished is kept; the same command goes on from there."
                ) from None
            for ticket, told in news:
                self._hear(self._jobs[ticket], told)
            if ready:
                return self._finish(ready[0], self._pending.pop(ready[0]))
            if not self._cluster.slots:
                self._on_event(Note("waiting    no machine of the cluster is left that takes a job"))

    def _hear(self, job: "_Job", told: Event | str) -> None:
        if isinstance(told, str):
            if job.machine:
                self._on_event(Note(f"again      {job.request}, lost on {job.machine}, on {told}"))
                job.held.clear()
            job.machine = told
        elif isinstance(told, TrainingEvent):
            event = replace(told, folder=job.request.work / "models" / told.folder.name)
            # The model is not here yet.
            job.held.append(event) if told.kind in ("done", "cached") else self._on_event(event)
        else:
            self._on_event(told)

    def _finish(self, reference: Any, ticket: int) -> Finished:
        job = self._jobs[ticket]
        try:
            done: Finished = ray.get(reference)
            if done.error is not None:
                return done
            result, parcel = done.result
            target = job.request.made(result)
            if target is not None:
                receive(parcel, target, bytes)
        except RayError as error:
            return Finished(
                ticket, error=RecPressError(f"{_first_line(error)} (from: {job.request} on the cluster)")
            )
        except RecPressError as error:
            return Finished(ticket, error=error)
        for event in job.held:
            self._on_event(event)
        return Finished(ticket, result)

    def close(self) -> None:
        """Stop what still runs."""
        with contextlib.suppress(RayError):
            for reference in self._pending:
                ray.cancel(reference, force=True)
            ray.kill(self._mailbox)


@dataclass(slots=True)
class _Job:
    request: Movable[Any]
    machine: str = ""
    """Where it runs; empty before it does."""
    held: list[Event] = field(default_factory=list)
    """What is told once its model is here."""


@dataclass(frozen=True, slots=True)
class _There:
    """A request on another machine."""

    journey: Journey

    def __str__(self) -> str:
        return f"{self.journey.request} on {platform.node()}"

    def run(self, on_event: OnEvent = silent) -> tuple[Any, Parcel | None]:
        return self.journey.run(worker_folder(), ray.get, on_event)


def _run_there(ticket: int, there: _There, mailbox: Any, code: str) -> Finished:
    """What a machine of the cluster does; what it tells has arrived before it ends."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    told = [mailbox.tell.remote(ticket, platform.node())]
    if code != code_digest():
        wrong = RecPressError(
            f"{platform.node()} runs other code than this machine: RecPress Edge, torch or numpy of another "
            "version. Install the same on every machine of the cluster."
        )
        return Finished(ticket, error=wrong)

    def tell(event: Event) -> None:
        told[:] = [mailbox.tell.remote(ticket, event)]

    done = attempt(ticket, there, tell)
    ray.get(told)
    return done


def worker_folder() -> Path:
    """Where this machine keeps what it was sent and what it trained; it may be deleted between runs."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get(WORKER_FOLDER) or cache / "recpress-edge")


def code_digest() -> str:
    """Of what decides a model's numbers beside its settings: our code, the versions of what computes."""
    root = Path(recpress_edge.__file__).parent
    code = {str(path.relative_to(root)): sha256_file(path) for path in sorted(root.rglob("*.py"))}
    versions = {name: importlib.metadata.version(name) for name in ("torch", "numpy", "scipy")}
    return digest_of([code, versions])
