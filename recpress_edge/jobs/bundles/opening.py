"""A bundle of any schema, verified."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from recpress_edge.artifacts.bundle import open_bundle
from recpress_edge.artifacts.clicks.bundle import open_click_bundle
from recpress_edge.artifacts.manifest import is_click_bundle, is_two_stage_bundle
from recpress_edge.artifacts.trust.policy import Trust
from recpress_edge.artifacts.two_stages.bundle import open_two_stage_bundle


class AnyBundle(Protocol):
    """What bundles of all schemas have."""

    @property
    def folder(self) -> Path: ...

    @property
    def name(self) -> str: ...

    @property
    def files(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def digest(self) -> str: ...

    @property
    def total_bytes(self) -> int: ...


def open_any(folder: Path, trust: Trust | None = None) -> AnyBundle:
    """The bundle in a folder, its digests checked; ArtifactError at the first doubt."""
    if is_click_bundle(folder):
        return open_click_bundle(folder, trust)
    if is_two_stage_bundle(folder):
        return open_two_stage_bundle(folder, trust)
    return open_bundle(folder, trust=trust)
