"""Where what is built once is kept for later runs."""

import os
from pathlib import Path
from typing import Final

CACHE_VARIABLE: Final = "RECPRESS_CACHE_DIR"


def cache_root(chosen: Path | None = None) -> Path:
    """The chosen folder, else $RECPRESS_CACHE_DIR, else recpress-edge in the user's cache folder (XDG)."""
    if chosen is not None:
        return chosen.resolve()
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).resolve()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).resolve() / "recpress-edge"
