"""What the kernel states in /proc and /sys: memory of machine and process, and other small files."""

import contextlib
import re
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import DataError
from recpress_edge.core.units import format_bytes

PROC: Final = Path("/proc")
SYS: Final = Path("/sys")
PROC_SELF: Final = PROC / "self"


def text_of(path: Path) -> str | None:
    """The whole text with undecodable bytes replaced; None when the file cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def integer_of(path: Path) -> int | None:
    """A file that holds one integer, which may be negative; None when it holds anything else."""
    text = (text_of(path) or "").strip()
    return int(text) if text.removeprefix("-").isdigit() else None


def kib_field(path: Path, name: str) -> int | None:
    """Bytes of a line 'NAME:  N kB', as in /proc/self/status; None when there is no such line."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", text_of(path) or "", re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def process_memory(proc: Path = PROC_SELF) -> dict[str, int | None]:
    """Bytes: ``vm_hwm``, the highest resident size so far, and ``pss_anon``, private memory held now.

    VmHWM and not ``ru_maxrss``: a child inherits its parent's peak in the latter. Pss_Anon leaves out
    file pages, which are shared and can be dropped. None when the kernel does not state it
    (Pss_Anon needs Linux 5.0).
    """
    return {
        "vm_hwm": kib_field(proc / "status", "VmHWM"),
        "pss_anon": kib_field(proc / "smaps_rollup", "Pss_Anon"),
    }


class PeakMemory:
    """By how much the process's resident memory rises above what it holds now."""

    def __init__(self, proc: Path = PROC_SELF) -> None:
        self._proc = proc
        # 5 resets the peak to what is held now (Linux 4.0), so that earlier work does not count. Where
        # that is not allowed, the peak is that of the whole process.
        with contextlib.suppress(OSError):
            (proc / "clear_refs").write_text("5")
        self._before = kib_field(proc / "status", "VmRSS")

    def increase_bytes(self) -> int | None:
        """Peak resident memory since then, less what was held; None when the kernel does not state it."""
        peak = kib_field(self._proc / "status", "VmHWM")
        return None if peak is None or self._before is None else max(peak - self._before, 0)


def available_bytes() -> int:
    """MemAvailable: the kernel's own estimate of what can be allocated without swapping."""
    found = kib_field(PROC / "meminfo", "MemAvailable")
    if found is None:
        raise DataError("/proc/meminfo does not say what memory is available")
    return found


def require_memory(n_bytes: int, what: str, instead: str) -> None:
    """DataError when ``n_bytes`` exceed the available memory. ``instead``: what the user can do."""
    available = available_bytes()
    if n_bytes > available:
        raise DataError(
            f"{what} needs {format_bytes(n_bytes)} of memory and {format_bytes(available)} is available. "
            f"{instead}"
        )
