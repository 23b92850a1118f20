"""The bench from Python: ``device_bench.run(request)``. Nothing below prints; events report progress."""

from collections.abc import Iterator
from typing import Final

from device_bench.lanes.lane import Record
from device_bench.lanes.targets import bench_request, lane_module
from device_bench.process import open_checked, refused
from device_bench.settings import BenchRequest, Protocol, Target
from recpress_edge.artifacts.clicks.bundle import ClickBundle
from recpress_edge.artifacts.trust.options import check_one_expected
from recpress_edge.artifacts.two_stages.bundle import TwoStageBundle
from recpress_edge.core.progress import OnEvent, silent

CLICK_LANES: Final = ("host", "ssh")
"""Where click bundles are measured."""
STAGE_LANES: Final = (*CLICK_LANES, "armvm")
"""Where bundles of two stages are measured."""
__all__ = ["BenchRequest", "Protocol", "Target", "bench_request", "plan", "run"]


def run(request: BenchRequest, on_event: OnEvent = silent) -> Iterator[Record]:
    """Check the request and its bundles now, then measure: a record for each, as soon as it is made.

    Raises ConfigError or ArtifactError before any time is spent on the first bundle.
    """
    plan(request)
    return lane_module(request.target).run(request, on_event)


def plan(request: BenchRequest) -> str:
    """The work for each bundle in words; the request and its bundles are checked, nothing is measured."""
    lane = lane_module(request.target)
    lane.check(request)
    check_one_expected(request.protocol.expect_digest, request.bundles)
    for folder in request.bundles:
        bundle = open_checked(folder, request.protocol)
        if isinstance(bundle, ClickBundle) and request.target.lane not in CLICK_LANES:
            raise refused(folder, "the bundle of a click model")
        if isinstance(bundle, TwoStageBundle) and request.target.lane not in STAGE_LANES:
            raise refused(folder, "a bundle of two stages")
    return lane.plan(request)
