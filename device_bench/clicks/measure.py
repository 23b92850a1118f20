"""Measurements of a click bundle inside one fresh process; device_bench/record.py decides which runs what."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from device_bench.clicks.requests import DrawnRequest, Feed, drawn_requests, whole_catalogue
from device_bench.contention import Counts
from device_bench.drawn.job import DrawnJob, DrawnMeasurement, cold_start, in_turns
from device_bench.drawn.values import CANDIDATES
from device_bench.measure import BLOCK_QUERIES, BlockTimer
from recpress_edge.artifacts.clicks.bundle import ClickBundle, open_click_bundle
from recpress_edge.artifacts.clicks.contract import ClickContract, read_click_contract
from recpress_edge.artifacts.clicks.metrics import DEFINITION, click_metrics
from recpress_edge.artifacts.manifest import MANIFEST
from recpress_edge.core.files import read_json
from recpress_edge.core.memory import process_memory
from recpress_edge.device.clicks.ranker import ClickRanker, check_clicks
from recpress_edge.device.clicks.runtimes import NUMPY, OpenedClicks, open_clicks
from recpress_edge.records.bench import CATALOGUE

__all__ = ["JOBS", "ClickJob", "ClickMeasurement", "cold_start", "job_of", "process_memory"]

CATALOGUE_BLOCK: Final = 20
"""A request over all items takes some twenty times as long as one over the candidates."""
JOBS: Final = {
    "selftest": "device_bench.clicks.measure:self_test",
    "memory": "device_bench.drawn.job:model_memory",
    "measure": "device_bench.clicks.measure:measure",
    "sustained": "device_bench.drawn.job:sustain",
}
"""Kind -> what does it, beside idle and cold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickMeasurement(DrawnMeasurement):
    """A worker's job."""

    measure: ClassVar[str] = "device_bench.clicks.measure"
    load: ClassVar[str] = "recpress_edge.device.clicks.runtimes:import_library"


@dataclass(frozen=True, slots=True, eq=False)
class ClickJob(DrawnJob[Feed]):
    """The job with what the bundle's contract says."""

    asked: ClickMeasurement
    contract: ClickContract

    def open(self) -> OpenedClicks:
        """The runtime, with the model loaded."""
        path = Path(self.asked.bundle) / self.contract.model_file
        return open_clicks(path, self.contract, self.asked.runtime and NUMPY, self.asked.threads)

    def verified(self) -> tuple[ClickBundle, OpenedClicks]:
        """Digests, contents and self-test; ArtifactError at the first doubt, or where the bundle changed."""
        bundle = open_click_bundle(Path(self.asked.bundle))
        self.asked.check_same(bundle.digest)
        opened = self.open()
        check_clicks(opened.model, bundle)
        return bundle, opened

    def requests(self, count: int) -> list[DrawnRequest]:
        """What is asked."""
        return drawn_requests(self.contract, count, self.asked.seed)

    def feeds(self, count: int) -> list[Feed]:
        """The same as the model file takes it."""
        return [request.feed(self.contract, self.asked.k) for request in self.requests(count)]

    def opened_call(self) -> Callable[[Feed], object]:
        return _call(self.open())

    def verified_call(self) -> Callable[[Feed], object]:
        return _call(self.verified()[1])


def job_of(facts: Mapping[str, Any]) -> ClickJob:
    """The job that a worker reads. ``facts``: the fields of ClickMeasurement, as JSON."""
    asked = ClickMeasurement(**facts)
    where = Path(asked.bundle) / MANIFEST
    return ClickJob(asked, read_click_contract(where, read_json(where)["contract"]))


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
    feeds, call, ranker = job.feeds(asked.queries), _call(opened), ClickRanker(bundle, opened.model)
    ids = bundle.item_ids()
    stated = [(one.values, [ids[item] for item in one.candidates.tolist()]) for one in requests]
    timers: dict[str, tuple[BlockTimer[Any], int]] = {
        "query": (BlockTimer(call, feeds), BLOCK_QUERIES),
        "end_to_end": (BlockTimer(lambda one: ranker.rank(one[0], one[1], asked.k), stated), BLOCK_QUERIES),
    }
    if job.contract.n_items > CANDIDATES:
        whole = whole_catalogue(feeds, job.contract, asked.k)
        timers[CATALOGUE] = BlockTimer(call, whole), CATALOGUE_BLOCK
    return in_turns(timers, asked)


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
