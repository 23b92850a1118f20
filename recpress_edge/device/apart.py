"""A bundle tested and asked in a process of its own: a model that crashes takes nobody with it."""

import dataclasses
import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recpress_edge.artifacts.bundle import Bundle, open_bundle
from recpress_edge.artifacts.trust.policy import ANYBODY, Trust
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.device.process import Program, ask
from recpress_edge.device.recommender import Recommendations, Recommender
from recpress_edge.device.runtime import check_format, has_light_runtime, import_runtime
from recpress_edge.device.verify import verify_opened
from recpress_edge.device.worker import answer


def self_test_apart(folder: Path, guard: Guard = STANDARD, trust: Trust = ANYBODY) -> tuple[Bundle, int]:
    """The bundle, when everything in it is right, and how many answers were; its model runs in a worker only.

    Raises what the bundle deserves, or WorkerError where its model crashes or exceeds the guard's limits.
    ``trust``: whose bundles are taken.
    """
    bundle, found = _in_worker("selftest", open_bundle(folder, trust=trust), guard, {})
    return bundle, int(found["queries"])


@dataclass(frozen=True, slots=True)
class Question:
    """Whom to recommend to, by external ids; see Recommender.recommend."""

    user: str | None
    seen: tuple[str, ...]
    k: int
    strict: bool = False
    or_popular: bool = False


def recommend_apart(
    folder: Path, question: Question, guard: Guard = STANDARD, trust: Trust = ANYBODY
) -> tuple[Bundle, Recommendations]:
    """The verified bundle and its answer to one question; raises as self_test_apart, and ConfigError."""
    opened = open_bundle(folder, trust=trust)
    bundle, found = _in_worker("recommend", opened, guard, dataclasses.asdict(question))
    scores = array("f", [math.nan if score is None else score for score in found["scores"]])
    shown = found["titles"], found["features"], found["source"]
    return bundle, Recommendations(found["items"], scores, tuple(found["unknown"]), *shown)


def _in_worker(
    kind: str, bundle: Bundle, guard: Guard, asked: Mapping[str, Any]
) -> tuple[Bundle, dict[str, Any]]:
    folder = bundle.folder
    check_format(bundle.contract.format, folder)
    import_runtime(bundle.contract.format)  # its absence is one line here, not a crashed worker
    program = Program(
        kind,
        {"kind": kind, "folder": str(folder), "digest": bundle.digest, "asked": asked},
        timeout_s=guard.time(bundle.total_bytes),
        memory_bytes=guard.memory(bundle.total_bytes),
        module=__name__,
    )
    return bundle, ask(program)


def main() -> int:
    """What the process runs."""
    return answer(_answer)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    bundle = open_bundle(Path(request["folder"]))
    if bundle.digest != request["digest"]:
        raise ArtifactError(f"{request['folder']} changed while it was being tested")
    if request["kind"] == "selftest":
        return {"queries": len(verify_opened(bundle).test.users)}
    light = has_light_runtime(bundle.contract.format)
    recommender = Recommender.light(bundle) if light else Recommender.of(verify_opened(bundle))
    found = recommender.recommend(**request["asked"])
    return {
        "items": found.items,
        "scores": [None if math.isnan(score) else score for score in found.scores.tolist()],
        "source": found.source,
        "unknown": found.unknown,
        "titles": found.titles,
        "features": found.features,
    }
