"""A model file's contents, read in a process of its own: a parser that fails takes nobody with it."""

import dataclasses
from pathlib import Path
from typing import Any

from recpress_edge.core.errors import ArtifactError, missing_extra
from recpress_edge.device.guard import Guard
from recpress_edge.device.process import ROOT, Program, ask
from recpress_edge.device.worker import answer
from recpress_export.inspect import read_contents


def contents_apart(path: Path, guard: Guard) -> dict[str, Any]:
    """The fields of :class:`recpress_export.inspect.Contents` as plain JSON; errors as read_contents has."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror or error}") from None
    home = str(Path(__file__).resolve().parents[1])
    return ask(
        Program(
            "inspecting",
            {"path": str(path)},
            timeout_s=guard.time(size),
            memory_bytes=guard.memory(size),
            module=__name__,
            path=(str(ROOT), home),
        )
    )


def main() -> int:
    """What the process runs."""
    return answer(_read)


def _read(request: dict[str, Any]) -> dict[str, Any]:
    try:
        return dataclasses.asdict(read_contents(Path(request["path"])))
    except ImportError as error:
        missing_extra(error.name, "export")
