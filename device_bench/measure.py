"""Measurements inside one fresh process; record.py decides which process runs what."""

import contextlib
import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, TypeVar

import numpy as np

from device_bench.contention import Counts, MachineWatch, Watch, total
from device_bench.quality import ranking_quality
from device_bench.settings import paced_queries
from recpress_edge.artifacts.bundle import Contract
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.memory import process_memory
from recpress_edge.core.rng import stream
from recpress_edge.device.query import Answer
from recpress_edge.device.recommender import Recommender
from recpress_edge.device.runtime import Feed, Runtime, open_runtime
from recpress_edge.device.verify import Verified, verify_bundle
from recpress_edge.records.bench import PACED

WARMUP_QUERIES: Final = 200
BLOCK_QUERIES: Final = 500
# So many different queries are prepared at most; the order then repeats.
DISTINCT_QUERIES: Final = 10_000
JOBS: Final = {
    "selftest": "device_bench.measure:self_test",
    "memory": "device_bench.measure:model_memory",
    "measure": "device_bench.measure:measure",
    "rank": "device_bench.measure:rank",
    "marked": "device_bench.emulation.marks:marked_queries",
    "questions": "device_bench.mcu.questions:questions",
    "sustained": "device_bench.sustained:sustain",
}
"""Kind -> what does it, beside idle and cold."""

Asked = TypeVar("Asked")
IdQuery = tuple[str | None, list[str], int]
"""As an application asks: user id, ids of seen items, k."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerJob:
    """What a worker is asked of a bundle of any kind; every field is plain JSON."""

    measure: ClassVar[str]
    """The module that does it: see device_bench/worker.py."""

    bundle: str
    digest: str
    threads: int
    k: int
    queries: int
    seconds: float
    seed: int
    runtime: str | None = None
    sustained_s: float = 0.0
    memory_limit: int | None = None
    """Bytes that the process may hold."""
    pause_ns: int = 0

    def check_same(self, digest: str) -> None:
        """ArtifactError where another bundle lies there than when the run began."""
        if digest != self.digest:
            raise ArtifactError(f"{self.bundle} changed while it was being measured")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(WorkerJob):
    """The job of a bundle of tables."""

    measure: ClassVar[str] = "device_bench.measure"

    model_path: str
    contract: Contract
    delegate: str | None = None

    @property
    def library(self) -> tuple[str, str, str | None]:
        """What a worker calls to import what runs the model, and with what."""
        return "recpress_edge.device.runtime:import_runtime", self.contract.format, self.runtime

    def open(self) -> Runtime:
        """The runtime, with the model loaded."""
        return open_runtime(Path(self.model_path), self.contract, self.threads, self.delegate, self.runtime)


def job_of(facts: Mapping[str, Any]) -> Measurement:
    """The job that a worker reads. facts: its fields, as JSON."""
    return Measurement(**{**facts, "contract": Contract(**facts["contract"])})


def cold_start(job: Measurement) -> dict[str, Any]:
    """Nanoseconds of session creation and of the first query, and what other work took from each."""
    clock, load, first_query = time.perf_counter_ns, Watch(), Watch()
    with load:
        start = clock()
        runtime = job.open()
        load_ns = clock() - start
    feed = runtime.prepare(0 if job.contract.n_users else None, [], job.k)
    with first_query:
        start = clock()
        runtime.run(feed)
        first_ns = clock() - start
    counts = {"load": load.counts, "first_query": first_query.counts}
    return {"load_ns": load_ns, "first_query_ns": first_ns, "counts": counts}


def model_memory(job: Measurement) -> dict[str, Any]:
    """Memory of a process that holds the model and nothing else of the bundle.

    Queries are drawn one by one (any user, up to 32 seen items), so that neither id maps nor
    evaluation users count as the model's. The idle process has imported the same modules.
    """
    runtime = job.open()
    memory = {"loaded": process_memory()}
    rng = stream(job.seed, "bench memory")
    n_users, n_items = job.contract.n_users, job.contract.n_items
    for index in range(job.queries):
        seen = rng.integers(0, n_items, min(int(rng.integers(0, 33)), n_items - 1))
        user = int(rng.integers(n_users)) if n_users else None
        runtime.run(runtime.prepare(user, seen, job.k))
        if index == 0:
            memory["first_query"] = process_memory()
    return memory | {"model": process_memory()}


def self_test(job: Measurement) -> dict[str, Any]:
    """Verify everything in the bundle and the model's answers; ArtifactError at the first fault."""
    return _tested(open_verified(job))


def open_verified(job: Measurement) -> Verified:
    """The bundle, verified and self-tested; ArtifactError at the first fault, or where it changed."""
    verified = verify_bundle(Path(job.bundle), job.threads, job.delegate, job.runtime)
    job.check_same(verified.bundle.digest)
    return verified


def _tested(verified: Verified) -> dict[str, Any]:
    facts = {"queries": len(verified.test.users), "exact": verified.runtime.exact}
    return facts if verified.overlap is None else facts | {"overlap": verified.overlap}


def _runtime_facts(runtime: Runtime) -> dict[str, Any]:
    """``built``: compiler and flags of a runtime that was compiled for this machine, else empty."""
    return {
        "runtime": runtime.name,
        "runtime_version": runtime.version,
        "built": getattr(runtime, "built", ""),
    }


def measure(job: Measurement) -> dict[str, Any]:
    """Verify, self-test, time, then rank every evaluation user: one process, one file."""
    verified = open_verified(job)
    latency, counts = warm_latency(verified, job)
    return {
        "latency_ns": latency,
        "counts": counts,
        "quality": ranking_quality(verified),
        "selftest": _tested(verified),
        **_runtime_facts(verified.runtime),
    }


def rank(job: Measurement) -> dict[str, Any]:
    """Verify, then rank every evaluation user, with the lists: another machine must give the same."""
    verified, answers = open_verified(job), list[Answer]()
    return {
        "quality": ranking_quality(verified, answers.append),
        "items": [items.tolist() for items, _ in answers],
        "scores": [scores.tolist() for _, scores in answers],
        "selftest": _tested(verified),
        **_runtime_facts(verified.runtime),
    }


def warm_latency(verified: Verified, job: Measurement) -> tuple[dict[str, list[int]], dict[str, Counts]]:
    """Raw samples of the model alone and of the whole request, in alternating blocks; then of the model alone
    after a pause each, where the job asks for it.

    Also returns what other work took from each series meanwhile.
    """
    feeds, requests = _queries(verified, job)
    recommend = Recommender.of(verified).recommend
    timers: dict[str, BlockTimer[Any]] = {
        "query": BlockTimer(verified.runtime.run, feeds),
        "end_to_end": BlockTimer(lambda request: recommend(*request), requests),
    }
    for timer in timers.values():
        timer.block(WARMUP_QUERIES)
        timer.forget()
    with no_garbage_collection():
        machine = MachineWatch()
        while any(timer.needs(job.queries, job.seconds) for timer in timers.values()):
            for timer in timers.values():
                timer.block(BLOCK_QUERIES)
        others = machine.read()
        latency = {name: timer.samples for name, timer in timers.items()}
        counts = {name: total([timer.counts, others]) for name, timer in timers.items()}
        if job.pause_ns:
            latency[PACED], counts[PACED] = paced_latency(verified.runtime.run, feeds, job.pause_ns)
    return latency, counts


def paced_latency(
    answer: Callable[[Feed], object], feeds: Sequence[Feed], pause_ns: int
) -> tuple[list[int], Counts]:
    """Samples of queries that come alone, as an application asks: once a screen.

    They take several times as long as back to back: caches have been refilled and clocks lowered meanwhile.
    """
    clock, machine, watch = time.perf_counter_ns, MachineWatch(), Watch()
    samples = []
    for index in range(paced_queries(pause_ns)):
        feed = feeds[index % len(feeds)]
        with watch:
            time.sleep(pause_ns / 1e9)
            start = clock()
            answer(feed)
            sample = clock() - start
        samples.append(sample)
    return samples, total([watch.counts, machine.read()])


def model_queries(job: Measurement) -> tuple[Callable[[Feed], object], list[Feed]]:
    """The verified runtime's call, and its inputs."""
    verified = open_verified(job)
    return verified.runtime.run, _queries(verified, job)[0]


def _queries(verified: Verified, job: Measurement) -> tuple[list[Feed], list[IdQuery]]:
    """The same queries twice: as the runtime's inputs, and as an application's ids.

    Different users with their own seen items in a seeded order: the same input every time would
    measure the cache.
    """
    asked, n_items = verified.asked, verified.bundle.contract.n_items
    rows = stream(job.seed, "bench queries").permutation(asked.users.size)[: _distinct(job)]
    feeds, requests = [], []
    for row in rows.tolist():
        user, seen = asked.user(row), asked.seen(row)
        if np.unique(seen).size < n_items:  # else there is nothing left to ask for
            feeds.append(verified.runtime.prepare(user, seen, job.k))
            seen_ids = [verified.item_ids[item] for item in seen.tolist()]
            requests.append((None if user is None else verified.user_ids[user], seen_ids, job.k))
    if not feeds:
        raise ArtifactError(f"{job.bundle} asks of nobody with an unseen item: nothing can be timed")
    return feeds, requests


def _distinct(job: Measurement) -> int:
    """How many different queries to prepare: no more than will be asked, when that is known."""
    if job.seconds or job.sustained_s:
        return DISTINCT_QUERIES
    return min(DISTINCT_QUERIES, WARMUP_QUERIES + -(-job.queries // BLOCK_QUERIES) * BLOCK_QUERIES)


class BlockTimer(Generic[Asked]):
    """Times one call over a repeating list of requests, a block at a time."""

    def __init__(self, answer: Callable[[Asked], object], requests: Sequence[Asked]) -> None:
        self.answer, self.requests, self._next = answer, requests, 0
        self.samples: list[int] = []
        self._total_ns, self._watch = 0, Watch()

    @property
    def counts(self) -> Counts:
        """What other work took from the blocks."""
        return self._watch.counts

    def forget(self) -> None:
        """Drop the samples so far: they were the warm-up."""
        self.samples, self._total_ns, self._watch = [], 0, Watch()

    def needs(self, queries: int, seconds: float) -> bool:
        """Whether there are still too few samples or too little time in them."""
        return len(self.samples) < queries or self._total_ns < seconds * 1e9

    def block(self, size: int) -> None:
        """Time ``size`` calls; nothing else runs between the two clock reads."""
        count = len(self.requests)
        requests = [self.requests[(self._next + i) % count] for i in range(size)]
        self._next = (self._next + size) % count
        samples = [0] * size  # allocated before timing starts
        clock, answer = time.perf_counter_ns, self.answer
        with self._watch:
            for i, request in enumerate(requests):
                start = clock()
                answer(request)
                samples[i] = clock() - start
        self.samples += samples
        self._total_ns += sum(samples)


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect once, then keep the collector out of the timed region."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
