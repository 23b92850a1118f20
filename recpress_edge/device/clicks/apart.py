"""A click bundle tested and asked in a process of its own: a model that crashes takes nobody with it."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.artifacts.clicks.bundle import ClickBundle, open_click_bundle
from recpress_edge.artifacts.clicks.selftest import Values
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.clicks.ranker import ClickRanker, RankedCandidates
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.device.onnx_runtime import import_onnxruntime
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
    folder: Path, request: ClickRequest, guard: Guard = STANDARD
) -> tuple[ClickBundle, RankedCandidates]:
    """The verified bundle and its answer; raises what ClickRanker does, or WorkerError where its model
    crashes or exceeds the guard's limits.
    """
    bundle = open_click_bundle(folder)
    import_onnxruntime()  # its absence is one line here, not a crashed worker
    program = Program(
        "recommend",
        {"folder": str(folder), "digest": bundle.digest, "asked": asdict(request)},
        timeout_s=guard.time(bundle.total_bytes),
        memory_bytes=guard.memory(bundle.total_bytes),
        module=__name__,
    )
    found = ask(program)
    logits = np.array(found["logits"], np.float32)
    return bundle, RankedCandidates(tuple(found["items"]), logits, tuple(found["unknown"]))


def main() -> int:
    """What the process runs."""
    return answer(_answer)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    ranker = ClickRanker.load(request["folder"])
    if ranker.bundle.digest != request["digest"]:
        raise ArtifactError(f"{request['folder']} changed while it was being tested")
    found = ranker.rank(**request["asked"])
    return {"items": found.items, "logits": found.logits.tolist(), "unknown": found.unknown}
