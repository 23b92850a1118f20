"""A bundle tested in a process of its own: a model that crashes takes nobody with it."""

from pathlib import Path
from typing import Any

from recpress_edge.core.bundle import Bundle, open_bundle
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.guard import STANDARD, Guard
from recpress_edge.device.process import Program, ask
from recpress_edge.device.runtime import check_format, import_runtime
from recpress_edge.device.verify import verify_bundle
from recpress_edge.device.worker import answer


def self_test_apart(folder: Path, guard: Guard = STANDARD) -> tuple[Bundle, int]:
    """The bundle, when everything in it is right, and how many answers were; its model runs in a worker only.

    Raises what the bundle deserves, or WorkerError where its model crashes or exceeds the guard's limits.
    """
    bundle = open_bundle(folder)
    check_format(bundle.contract.format, folder)
    import_runtime(bundle.contract.format)  # its absence is one line here, not a crashed worker
    found = ask(
        Program(
            "selftest",
            {"folder": str(folder), "digest": bundle.digest},
            timeout_s=guard.time(bundle.total_bytes),
            memory_bytes=guard.memory(bundle.total_bytes),
            module=__name__,
        )
    )
    return bundle, int(found["queries"])


def main() -> int:
    """What the process runs."""
    return answer(_verify)


def _verify(request: dict[str, Any]) -> dict[str, Any]:
    verified = verify_bundle(Path(request["folder"]))
    if verified.bundle.digest != request["digest"]:
        raise ArtifactError(f"{request['folder']} changed while it was being tested")
    return {"queries": len(verified.test.users)}
