"""Measurements of a click bundle inside one fresh process; device_bench/record.py decides which runs what."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from device_bench.clicks.requests import CANDIDATES, DrawnRequest, Feed, drawn_requests, whole_catalogue
from device_bench.contention import Counts, MachineWatch, Watch, total
from device_bench.measure import (
    BLOCK_QUERIES,
    WARMUP_QUERIES,
    BlockTimer,
    no_garbage_collection,
    paced_latency,
)
from device_bench.sustained import sustain_queries
from recpress_edge.artifacts.clicks.bundle import ClickBundle, open_click_bundle
from recpress_edge.artifacts.clicks.contract import ClickContract, read_click_contract
from recpress_edge.artifacts.clicks.metrics import DEFINITION, click_metrics
from recpress_edge.artifacts.manifest import MANIFEST
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import read_json
from recpress_edge.core.memory import process_memory
from recpress_edge.device.clicks.ranker import ClickRanker, check_clicks
from recpress_edge.device.clicks.runtimes import NUMPY, OpenedClicks, open_clicks
from recpress_edge.records.bench import CATALOGUE, PACED

CATALOGUE_BLOCK: Final = 20
"""A request over all items takes some twenty times as long as one over the candidates."""


@dataclass(frozen=True, slots=True)
class ClickMeasurement:
    """A worker's job; every field is plain JSON."""

    worker: ClassVar[str] = "device_bench.clicks.worker"

    bundle: str
    format: str
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


@dataclass(frozen=True, slots=True, eq=False)
class ClickJob:
    """The job with what the bundle's contract says; every kind of process holds that."""

    asked: ClickMeasurement
    contract: ClickContract

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "ClickJob":
        """``facts``: the fields of ClickMeasurement, as JSON."""
        asked = ClickMeasurement(**facts)
        where = Path(asked.bundle) / MANIFEST
        return cls(asked, read_click_contract(where, read_json(where)["contract"]))

    def open(self) -> OpenedClicks:
        """The runtime, with the model loaded."""
        path = Path(self.asked.bundle) / self.contract.model_file
        return open_clicks(path, self.contract, self.asked.runtime and NUMPY, self.asked.threads)

    def verified(self) -> tuple[ClickBundle, OpenedClicks]:
        """Digests, contents and self-test; ArtifactError at the first doubt, or where the bundle changed."""
        bundle = open_click_bundle(Path(self.asked.bundle))
        if bundle.digest != self.asked.digest:
            raise ArtifactError(f"{self.asked.bundle} changed while it was being measured")
        opened = self.open()
        check_clicks(opened.model, bundle)
        return bundle, opened

    def requests(self, count: int) -> list[DrawnRequest]:
        """What is asked."""
        return drawn_requests(self.contract, count, self.asked.seed)

    def feeds(self, requests: list[DrawnRequest]) -> list[Feed]:
        """The same as the model file takes it."""
        return [request.feed(self.contract, self.asked.k) for request in requests]


def cold_start(job: ClickJob) -> dict[str, Any]:
    """Nanoseconds of loading and of the first request, and what other work took from each."""
    (feed,) = job.feeds(job.requests(1))
    clock, load, first_query = time.perf_counter_ns, Watch(), Watch()
    with load:
        start = clock()
        opened = job.open()
        load_ns = clock() - start
    with first_query:
        start = clock()
        opened.model.rank(*feed)
        first_ns = clock() - start
    counts = {"load": load.counts, "first_query": first_query.counts}
    return {"load_ns": load_ns, "first_query_ns": first_ns, "counts": counts}


def model_memory(job: ClickJob) -> dict[str, Any]:
    """Memory of a process that holds the contract and the model, and no ids or test rows."""
    feeds, rank = job.feeds(job.requests(job.asked.queries)), job.open().model.rank
    memory = {"loaded": process_memory()}
    rank(*feeds[0])
    memory["first_query"] = process_memory()
    for feed in feeds[1:]:
        rank(*feed)
    return memory | {"model": process_memory()}


def self_test(job: ClickJob) -> dict[str, Any]:
    """Verify everything in the bundle and the model's answers; ArtifactError at the first fault."""
    bundle, _ = job.verified()
    return _tested(bundle)


def measure(job: ClickJob) -> dict[str, Any]:
    """Verify, self-test, time, then judge the file on its test rows: one process, one file."""
    bundle, opened = job.verified()
    latency, counts = warm_latency(job, bundle, opened)
    return {
        "latency_ns": latency,
        "counts": counts,
        "quality": click_quality(bundle, opened),
        "selftest": _tested(bundle),
        **{"runtime": opened.name, "runtime_version": opened.version, "built": ""},
    }


def sustain(job: ClickJob) -> dict[str, Any]:
    """Ask without a pause: see device_bench/sustained.py."""
    _, opened = job.verified()
    return sustain_queries(_call(opened), job.feeds(job.requests(WARMUP_QUERIES)), job.asked.sustained_s)


def _call(opened: OpenedClicks) -> Callable[[Feed], object]:
    rank = opened.model.rank
    return lambda feed: rank(*feed)


def _tested(bundle: ClickBundle) -> dict[str, Any]:
    return {"queries": len(bundle.selftest()), "exact": False}


def warm_latency(
    job: ClickJob, bundle: ClickBundle, opened: OpenedClicks
) -> tuple[dict[str, list[int]], dict[str, Counts]]:
    """Raw samples in alternating blocks: the model alone with candidates and with the whole catalogue, and
    values and ids in, ids out; then of requests after a pause each. And what other work took from each.
    """
    requests, asked = job.requests(job.asked.queries), job.asked
    feeds, call, ranker = job.feeds(requests), _call(opened), ClickRanker(bundle, opened.model)
    ids = bundle.item_ids()
    stated = [(one.values, [ids[item] for item in one.candidates.tolist()]) for one in requests]
    timers: dict[str, tuple[BlockTimer[Any], int]] = {
        "query": (BlockTimer(call, feeds), BLOCK_QUERIES),
        "end_to_end": (BlockTimer(lambda one: ranker.rank(one[0], one[1], asked.k), stated), BLOCK_QUERIES),
    }
    if job.contract.n_items > CANDIDATES:
        whole = whole_catalogue(feeds, job.contract, asked.k)
        timers[CATALOGUE] = BlockTimer(call, whole), CATALOGUE_BLOCK
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
            latency[PACED], counts[PACED] = paced_latency(call, feeds, asked.pause_ns)
    return latency, counts


def click_quality(bundle: ClickBundle, opened: OpenedClicks) -> dict[str, Any]:
    """Metrics of the bundle's test rows, none where it carries none; a digest of the self-test's items."""
    ids = hashlib.sha256()
    for question in bundle.selftest():
        row, candidates = np.array(question.row, np.int32), np.array(question.candidates, np.int64)
        items, _ = opened.model.rank(row, candidates, len(question.items))
        ids.update(items.astype("<i8").tobytes())
    found = {"definition": DEFINITION, "split": None, "users": 0, "ids_sha256": ids.hexdigest()}
    rows = bundle.evaluation()
    if rows is None:
        return found
    metrics = click_metrics(rows.users, rows.labels, rows.logits(opened.model.rank))
    counted = {"split": "test", "users": int(np.unique(rows.users).size), "rows": len(rows.labels)}
    return found | counted | metrics
