"""A bundle of two stages tested and asked in a process of its own, so that a crash takes nobody with it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.artifacts.clicks.selftest import Values
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.artifacts.two_stages.bundle import TwoStageBundle, open_two_stage_bundle
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.clicks.runtimes import import_library
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.device.process import Program, ask
from recpress_edge.device.two_stages.recommender import StagedAnswer, TwoStageRecommender
from recpress_edge.device.worker import answer


@dataclass(frozen=True, slots=True)
class StagedQuestion:
    """What is asked; see TwoStageRecommender.recommend."""

    user: str | None
    seen: tuple[str, ...]
    values: Values
    k: int = 10


def recommend_two_stages_apart(
    folder: Path, question: StagedQuestion, guard: Guard = STANDARD, trust: Trust = ANYBODY
) -> tuple[TwoStageBundle, StagedAnswer]:
    """The verified bundle and its answer; raises what TwoStageRecommender does, or WorkerError where its
    model crashes or exceeds the guard's limits. ``trust``: whose bundles are taken.
    """
    opened = open_two_stage_bundle(folder, trust)
    bundle, found = _in_worker("recommend", opened, guard, asdict(question))
    scores = np.array(found["scores"], np.float32)
    return bundle, StagedAnswer(tuple(found["items"]), scores, tuple(found["first"]), tuple(found["unknown"]))


def self_test_two_stages_apart(
    folder: Path, guard: Guard = STANDARD, trust: Trust = ANYBODY
) -> tuple[TwoStageBundle, int]:
    """The bundle, when everything in it is right, and how many answers were; raises as
    :func:`recommend_two_stages_apart`.
    """
    bundle, found = _in_worker("selftest", open_two_stage_bundle(folder, trust), guard, {})
    return bundle, int(found["answers"])


def _in_worker(
    kind: str, bundle: TwoStageBundle, guard: Guard, asked: Mapping[str, Any]
) -> tuple[TwoStageBundle, dict[str, Any]]:
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
    asked = TwoStageRecommender.load(request["folder"])
    if asked.bundle.digest != request["digest"]:
        raise ArtifactError(f"{request['folder']} changed while it was being tested")
    if request["kind"] == "selftest":
        asked.bundle.evaluation()
        return {"answers": len(asked.bundle.selftest())}
    found = asked.recommend(**request["asked"])
    return {
        "items": found.items,
        "scores": found.scores.tolist(),
        "first": found.first,
        "unknown": found.unknown,
    }
