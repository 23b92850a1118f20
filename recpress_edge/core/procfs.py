"""Fields of the kernel's accounts of a process, in bytes."""

import re
from pathlib import Path

PROC_SELF = Path("/proc/self")


def kib_field(path: Path, name: str) -> int | None:
    """Bytes of a line 'NAME:  N kB', as in /proc/self/status; None where the kernel does not tell."""
    try:
        text = path.read_text()
    except OSError:
        return None
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else None
