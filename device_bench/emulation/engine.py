"""What a board without a compiler loads: compiled here for its core, where a bundle's format asks for it."""

from pathlib import Path

from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.core.registry import named
from recpress_edge.device.c.light import CHOICE


def board_engine(bundle: Bundle, core: str, folder: Path) -> Path | None:
    """The library in ``folder``; None for a format that brings no engine. SkippedError without a compiler."""
    entry = FORMATS[bundle.contract.format].board_engine
    if not entry:
        return None
    made: Path = named(entry)(bundle.model_path, core, folder)
    return made


def engine_variable(engine: Path | None) -> dict[str, str]:
    """The environment that makes a board load it."""
    return {} if engine is None else {CHOICE: str(engine)}
