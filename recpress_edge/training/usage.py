"""What a training run costs: its peak memory, and the seconds of an epoch."""

import contextlib
from pathlib import Path

from recpress_edge.core.procfs import PROC_SELF, kib_field
from recpress_edge.core.units import format_bytes


class PeakMemory:
    """By how much the process's resident memory rises above what it holds now."""

    def __init__(self, proc: Path = PROC_SELF) -> None:
        self._proc = proc
        # 5 sets the peak back to what is held (Linux 4.0): a teacher trained before does not count. Where
        # that is not allowed, the peak is that of the whole process.
        with contextlib.suppress(OSError):
            (proc / "clear_refs").write_text("5")
        self._before = kib_field(proc / "status", "VmRSS")

    def increase_bytes(self) -> int | None:
        """Peak resident memory since then, less what was held; None where the kernel does not tell."""
        peak = kib_field(self._proc / "status", "VmHWM")
        return None if peak is None or self._before is None else max(peak - self._before, 0)


def describe_cost(seconds: float, epochs: int, memory_bytes: int | None) -> str:
    """'1.52 s an epoch, memory +341.0 MiB', the parts that are known."""
    parts = [f"{seconds / epochs:.2f} s an epoch"] if epochs > 1 else []
    if memory_bytes is not None:
        parts.append(f"memory +{format_bytes(memory_bytes)}")
    return ", ".join(parts)
