"""What memory this machine has left, asked before something large is allocated."""

from pathlib import Path
from typing import Final

from recpress_edge.core.errors import DataError
from recpress_edge.core.units import format_bytes

_MEMINFO: Final = Path("/proc/meminfo")


def available_bytes() -> int:
    """MemAvailable: what can be had without swapping, by the kernel's own estimate."""
    for line in _MEMINFO.read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    raise DataError(f"{_MEMINFO} does not say what memory is available")


def require_memory(n_bytes: int, what: str, instead: str) -> None:
    """Refuse what does not fit, before it is begun. ``instead``: what the user can do."""
    available = available_bytes()
    if n_bytes > available:
        raise DataError(
            f"{what} needs {format_bytes(n_bytes)} of memory and {format_bytes(available)} is available. "
            f"{instead}"
        )
