"""What a process holds in memory, as the kernel accounts for it."""

import re
from pathlib import Path

PROC_SELF = Path("/proc/self")


def process_memory(proc: Path = PROC_SELF) -> dict[str, int | None]:
    """Bytes: ``vm_hwm``, the highest resident size so far, and ``pss_anon``, what is private and held now.

    VmHWM and not ``ru_maxrss``: a child inherits its parent's peak in the latter. Pss_Anon leaves out
    file pages, which are shared and can be dropped. None where the kernel does not tell
    (Pss_Anon needs Linux 5.0).
    """
    return {
        "vm_hwm": _kib_field(proc / "status", "VmHWM"),
        "pss_anon": _kib_field(proc / "smaps_rollup", "Pss_Anon"),
    }


def _kib_field(path: Path, name: str) -> int | None:
    try:
        text = path.read_text()
    except OSError:
        return None
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
