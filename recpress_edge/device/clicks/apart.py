"""A click bundle tested and asked in a process of its own: a model that crashes takes nobody with it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.artifacts.clicks.bundle import ClickBundle, open_click_bundle
from recpress_edge.artifacts.clicks.selftest import Values
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.clicks.ranker import ClickRanker, RankedCandidates
from recpress_edge.device.clicks.runtimes import import_library
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.device.process import Program, ask
from recpress_edge.device.worker import answer


@dataclass(frozen=True, slots=True)
class ClickRequest:
    """What is asked; see ClickRanker.rank."""

    values: Values
    candidates: tuple[str, ...] | None = None
    k: int = 10
    seen: tuple[str, ...] = ()


def rank_apart(
    folder: Path, request: ClickRequest, guard: Guard = STANDARD, trust: Trust = ANYBODY
) -> tuple[ClickBundle, RankedCandidates]:
    """The verified bundle and its answer; raises what ClickRanker does, or WorkerError where its model
    crashes or exceeds the guard's limits. ``trust``: whose bundles are taken.
    """
    opened = open_click_bundle(folder, trust)
    bundle, found = _in_worker("recommend", opened, guard, asdict(request))
    logits = np.array(found["logits"], np.float32)
    return bundle, RankedCandidates(tuple(found["items"]), logits, tuple(found["unknown"]))


def self_test_clicks_apart(
    folder: Path, guard: Guard = STANDARD, trust: Trust = ANYBODY
) -> tuple[ClickBundle, int]:
    """The bundle, when everything in it is right, and how many answers were; raises as :func:`rank_apart`."""
    bundle, found = _in_worker("selftest", open_click_bundle(folder, trust), guard, {})
    return bundle, int(found["answers"])


def _in_worker(
    kind: str, bundle: ClickBundle, guard: Guard, asked: Mapping[str, Any]
) -> tuple[ClickBundle, dict[str, Any]]:
    import_library(bundle.contract.format)  # its absence is one line here, not a crashed worker
    program = Program(
        kind,
        {"kind": kind, "folder": str(bundle.folder), "digest": bundle.digest, "asked": asked},
        timeout_s=guard.time(bundle.total_bytes),
        memory_bytes=guard.memory(bundle.total_bytes),
        module=__name__,
    )
    return bundle, ask(program)


def main() -> int:
    """What the process runs."""
    return answer(_answer)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    ranker = ClickRanker.load(request["folder"])
    if ranker.bundle.digest != request["digest"]:
        raise ArtifactError(f"{request['folder']} changed while it was being tested")
    if request["kind"] == "selftest":
        ranker.bundle.evaluation()
        return {"answers": len(ranker.bundle.selftest())}
    found = ranker.rank(**request["asked"])
    return {"items": found.items, "logits": found.logits.tolist(), "unknown": found.unknown}
