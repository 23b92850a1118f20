"""Measurements of a two-stage bundle inside one fresh process: each stage alone, and both."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from device_bench.contention import Counts
from device_bench.drawn.job import DrawnJob, DrawnMeasurement, cold_start, in_turns
from device_bench.measure import BLOCK_QUERIES, BlockTimer
from device_bench.two_stages.quality import stage_quality
from device_bench.two_stages.requests import DrawnStaged, drawn_staged
from recpress_edge.artifacts.manifest import MANIFEST
from recpress_edge.artifacts.two_stages.bundle import TwoStageBundle, open_two_stage_bundle
from recpress_edge.artifacts.two_stages.contract import TwoStageContract, read_two_stage_contract
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import read_json
from recpress_edge.core.memory import process_memory
from recpress_edge.device.clicks.runtimes import NUMPY
from recpress_edge.device.two_stages.recommender import TwoStageRecommender, check_two_stages
from recpress_edge.device.two_stages.runtimes import (
    NamedStages,
    StagedRequest,
    StagesApart,
    open_apart,
    open_stages,
)
from recpress_edge.records.bench import RERANK, RETRIEVE

__all__ = ["JOBS", "StagedJob", "StagedMeasurement", "cold_start", "job_of", "process_memory"]

JOBS: Final = {
    "selftest": "device_bench.two_stages.measure:self_test",
    "memory": "device_bench.drawn.job:model_memory",
    "measure": "device_bench.two_stages.measure:measure",
    "rank": "device_bench.two_stages.measure:rank",
    "sustained": "device_bench.drawn.job:sustain",
}
"""Kind -> what does it, beside idle and cold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedMeasurement(DrawnMeasurement):
    """A worker's job."""

    measure: ClassVar[str] = "device_bench.two_stages.measure"
    load: ClassVar[str] = "recpress_edge.device.clicks.runtimes:import_library"


@dataclass(frozen=True, slots=True, eq=False)
class StagedJob(DrawnJob[StagedRequest]):
    """The job with what the bundle's contract says."""

    asked: StagedMeasurement
    contract: TwoStageContract

    @property
    def path(self) -> Path:
        """Of the model file."""
        return Path(self.asked.bundle) / self.contract.model_file

    def open(self) -> NamedStages:
        """The runtime, with the model loaded."""
        return open_stages(self.path, self.contract, self.asked.runtime and NUMPY, self.asked.threads)

    def apart(self) -> StagesApart:
        """Each stage by itself."""
        return open_apart(self.path, self.contract, self.asked.runtime and NUMPY, self.asked.threads)

    def verified(self) -> tuple[TwoStageBundle, NamedStages]:
        """Digests, contents and self-test; ArtifactError at the first doubt, or where the bundle changed."""
        bundle = open_two_stage_bundle(Path(self.asked.bundle))
        self.asked.check_same(bundle.digest)
        opened = self.open()
        check_two_stages(opened, bundle)
        return bundle, opened

    def requests(self, count: int) -> list[DrawnStaged]:
        """What is asked."""
        return drawn_staged(self.contract, count, self.asked.seed)

    def feeds(self, count: int) -> list[StagedRequest]:
        """The same as the model file takes it."""
        return [request.feed(self.contract, self.asked.k) for request in self.requests(count)]

    def opened_call(self) -> Callable[[StagedRequest], object]:
        return self.open().rank

    def verified_call(self) -> Callable[[StagedRequest], object]:
        return self.verified()[1].rank


def job_of(facts: Mapping[str, Any]) -> StagedJob:
    """The job that a worker reads. ``facts``: the fields of StagedMeasurement, as JSON."""
    asked = StagedMeasurement(**facts)
    where = Path(asked.bundle) / MANIFEST
    return StagedJob(asked, read_two_stage_contract(where, read_json(where)["contract"]))


def self_test(job: StagedJob) -> dict[str, Any]:
    """Verify everything in the bundle and the model's answers; ArtifactError at the first fault."""
    bundle, _ = job.verified()
    return _tested(bundle)


def measure(job: StagedJob) -> dict[str, Any]:
    """Verify, self-test, time, then judge the file on its test users: one process, one file."""
    bundle, opened = job.verified()
    latency, counts = warm_latency(job, bundle, opened)
    return {"latency_ns": latency, "counts": counts, **_judged(bundle, opened)}


def rank(job: StagedJob) -> dict[str, Any]:
    """Verify, then rank every evaluation user, with the lists: another machine must give the same."""
    bundle, opened = job.verified()
    items: list[list[int]] = []
    scores: list[list[float]] = []

    def keep(found: Any) -> None:
        items.append(found.items.tolist())
        scores.append(found.scores.tolist())

    return {**_judged(bundle, opened, keep), "items": items, "scores": scores}


def _judged(
    bundle: TwoStageBundle, opened: NamedStages, keep: Callable[[Any], None] = lambda _: None
) -> dict[str, Any]:
    return {
        "quality": stage_quality(bundle, opened, keep),
        "selftest": _tested(bundle),
        **{"runtime": opened.name, "runtime_version": opened.version, "built": ""},
    }


def _tested(bundle: TwoStageBundle) -> dict[str, Any]:
    return {"queries": len(bundle.selftest()), "exact": True}


def warm_latency(
    job: StagedJob, bundle: TwoStageBundle, opened: NamedStages
) -> tuple[dict[str, list[int]], dict[str, Counts]]:
    """Raw samples in alternating blocks: both stages, each by itself, and ids and values in, ids out; then of
    both after a pause each. And what other work took from each.
    """
    requests, asked = job.requests(job.asked.queries), job.asked
    feeds, apart = job.feeds(asked.queries), job.apart()
    found = [apart.retrieve(feed) for feed in feeds]
    check_apart(opened, apart, feeds)
    reranked = list(zip(feeds, found, strict=True))
    recommender = TwoStageRecommender(bundle, opened)
    items, users = bundle.item_ids(), bundle.user_ids()
    stated = [
        (
            None if one.user is None else users[one.user],
            [items[item] for item in one.seen],
            one.values,
            asked.k,
        )
        for one in requests
    ]
    timers: dict[str, BlockTimer[Any]] = {
        "query": BlockTimer(opened.rank, feeds),
        RETRIEVE: BlockTimer(apart.retrieve, feeds),
        RERANK: BlockTimer(lambda one: apart.rerank(one[0], *one[1]), reranked),
        "end_to_end": BlockTimer(lambda one: recommender.recommend(*one), stated),
    }
    return in_turns({name: (timer, BLOCK_QUERIES) for name, timer in timers.items()}, asked)


def check_apart(opened: NamedStages, apart: StagesApart, feeds: list[StagedRequest]) -> None:
    """ArtifactError where the stages one after the other answer otherwise than the file that holds both."""
    for feed in feeds:
        whole, parts = opened.rank(feed), apart.rerank(feed, *apart.retrieve(feed))
        if not (np.array_equal(whole[0], parts[0]) and np.array_equal(whole[1], parts[1])):
            raise ArtifactError(
                f"the stages apart rank {parts[0].tolist()[:5]} for user {feed.user}, both together "
                f"{whole[0].tolist()[:5]}: their times are not those of the file",
                fault="model",
            )
