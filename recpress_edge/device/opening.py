"""A bundle of any schema: opened, and tested in a worker."""

from pathlib import Path

from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.artifacts.clicks.bundle import ClickBundle, open_click_bundle
from recpress_edge.artifacts.manifest import is_click_bundle, is_two_stage_bundle
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.artifacts.two_stages.bundle import TwoStageBundle, open_two_stage_bundle
from recpress_edge.core.registry import named
from recpress_edge.device.apart import self_test_apart
from recpress_edge.device.guard import STANDARD, Guard

AnyBundle = Bundle | ClickBundle | TwoStageBundle


def open_any(folder: Path, trust: Trust = ANYBODY) -> AnyBundle:
    """The bundle in a folder, its digests checked; ArtifactError at the first doubt."""
    if is_click_bundle(folder):
        return open_click_bundle(folder, trust)
    if is_two_stage_bundle(folder):
        return open_two_stage_bundle(folder, trust)
    return open_bundle(folder, trust=trust)


def self_test_any(folder: Path, guard: Guard = STANDARD, trust: Trust = ANYBODY) -> tuple[AnyBundle, int]:
    """The same, when its model answers as it should, in a worker; and how many answers that were.

    Raises what the bundle deserves, WorkerError where its model exceeds the guard's limits, and
    MissingExtraError where what runs it is not installed.
    """
    test = self_test_apart
    if is_click_bundle(folder):
        test = named("recpress_edge.device.clicks.apart:self_test_clicks_apart")
    elif is_two_stage_bundle(folder):
        test = named("recpress_edge.device.two_stages.apart:self_test_two_stages_apart")
    tested: tuple[AnyBundle, int] = test(folder, guard, trust)
    return tested
