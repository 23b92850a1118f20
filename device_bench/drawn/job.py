"""Measurements of a bundle that is asked with drawn requests, inside one fresh process."""

import abc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from device_bench.contention import Counts, MachineWatch, Watch, total
from device_bench.measure import (
    WARMUP_QUERIES,
    BlockTimer,
    WorkerJob,
    no_garbage_collection,
    paced_latency,
)
from device_bench.sustained import sustain_queries
from recpress_edge.core.memory import process_memory
from recpress_edge.records.bench import HEADLINE, PACED

Feed = TypeVar("Feed")
Timers = Mapping[str, tuple[BlockTimer[Any], int]]
"""By series: what times it, and how many requests follow each other before another's turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnMeasurement(WorkerJob):
    """The job of a bundle that is asked with drawn requests."""

    load: ClassVar[str]
    """'module:function' that imports the library which runs a format."""

    format: str

    @property
    def library(self) -> tuple[str, str, str | None]:
        """What a worker calls to import what runs the model, and with what."""
        return self.load, self.format, self.runtime


class DrawnJob(abc.ABC, Generic[Feed]):
    """A job with what the bundle's contract says; every kind of process holds that."""

    asked: DrawnMeasurement

    @abc.abstractmethod
    def opened_call(self) -> Callable[[Feed], object]:
        """The model, loaded: what answers a request."""

    @abc.abstractmethod
    def verified_call(self) -> Callable[[Feed], object]:
        """The same of a bundle that is verified and self-tested; ArtifactError at the first doubt."""

    @abc.abstractmethod
    def feeds(self, count: int) -> list[Feed]:
        """So many drawn requests, as the model takes them."""


def cold_start(job: DrawnJob[Any]) -> dict[str, Any]:
    """Nanoseconds of loading and of the first request, and what other work took from each."""
    (feed,) = job.feeds(1)
    clock, load, first_query = time.perf_counter_ns, Watch(), Watch()
    with load:
        start = clock()
        call = job.opened_call()
        load_ns = clock() - start
    with first_query:
        start = clock()
        call(feed)
        first_ns = clock() - start
    counts = {"load": load.counts, "first_query": first_query.counts}
    return {"load_ns": load_ns, "first_query_ns": first_ns, "counts": counts}


def model_memory(job: DrawnJob[Any]) -> dict[str, Any]:
    """Memory of a process that holds the contract and the model, and no ids or test rows."""
    feeds, call = job.feeds(job.asked.queries), job.opened_call()
    memory = {"loaded": process_memory()}
    call(feeds[0])
    memory["first_query"] = process_memory()
    for feed in feeds[1:]:
        call(feed)
    return memory | {"model": process_memory()}


def sustain(job: DrawnJob[Any]) -> dict[str, Any]:
    """Ask without a pause: see device_bench/sustained.py."""
    return sustain_queries(job.verified_call(), job.feeds(WARMUP_QUERIES), job.asked.sustained_s)


def in_turns(timers: Timers, asked: DrawnMeasurement) -> tuple[dict[str, list[int]], dict[str, Counts]]:
    """Raw samples of every series in alternating blocks, then of requests after a pause each, which the
    headline's timer answers; and what other work took from each.
    """
    for timer, block in timers.values():
        timer.block(min(WARMUP_QUERIES, block))
        timer.forget()
    with no_garbage_collection():
        machine = MachineWatch()
        while any(timer.needs(asked.queries, asked.seconds) for timer, _ in timers.values()):
            for timer, block in timers.values():
                if timer.needs(asked.queries, asked.seconds):
                    timer.block(block)
        others = machine.read()
        latency = {name: timer.samples for name, (timer, _) in timers.items()}
        counts = {name: total([timer.counts, others]) for name, (timer, _) in timers.items()}
        if asked.pause_ns:
            one = timers[HEADLINE][0]
            latency[PACED], counts[PACED] = paced_latency(one.answer, one.requests, asked.pause_ns)
    return latency, counts
