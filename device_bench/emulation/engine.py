"""What a board without a compiler loads: compiled here for its core, where a bundle's format asks for it."""

from collections.abc import Callable, Sequence
from pathlib import Path

from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.core.errors import SkippedError
from recpress_edge.core.registry import named
from recpress_edge.device.c.light import CHOICE


def board_engine(
    bundle: Bundle, core: str, folder: Path, fetch: Callable[[], Sequence[str]] | None = None
) -> Path | None:
    """The library in ``folder``; None for a format that brings no engine.

    ``fetch`` brings the command of a compiler where none is installed; without it a SkippedError.
    """
    entry = FORMATS[bundle.contract.format].board_engine
    if not entry:
        return None
    make: Callable[..., Path] = named(entry)
    try:
        return make(bundle.model_path, core, folder)
    except SkippedError:
        if fetch is None:
            raise
        return make(bundle.model_path, core, folder, fetch())


def engine_variable(engine: Path | None) -> dict[str, str]:
    """The environment that makes a board load it."""
    return {} if engine is None else {CHOICE: str(engine)}
