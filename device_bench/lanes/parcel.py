"""What is sent to a board: bundle, sources, and the engine for one without a compiler."""

import contextlib
import io
import tarfile

from device_bench import DEVICE_PARTS
from device_bench.emulation.engine import board_engine
from device_bench.lanes import board as onboard
from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.core.errors import SkippedError
from recpress_edge.core.files import scratch_folder
from recpress_edge.device.opening import AnyBundle
from recpress_edge.device.process import ROOT


def pack(bundle: AnyBundle) -> bytes:
    """A tar of the bundle's listed files and of the program's sources: device_bench and what it imports."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ["bundle.json", *bundle.files]:
            archive.add(bundle.folder / name, f"bundle/{name}", recursive=False)
        parts = ["device_bench", *(f"recpress_edge/{part}" for part in DEVICE_PARTS)]
        kinds = ("*.py", "c/*.[ch]")
        sources = [path for part in parts for kind in kinds for path in (ROOT / part).rglob(kind)]
        for path in sorted([ROOT / "recpress_edge/__init__.py", *sources]):
            archive.add(path, str(path.relative_to(ROOT)), recursive=False)
        with contextlib.suppress(SkippedError), scratch_folder("recpress-engine-") as scratch:
            if isinstance(bundle, Bundle) and board_engine(bundle, onboard.ANY_CORE, scratch):
                archive.add(scratch, onboard.ENGINES)
    return buffer.getvalue()
