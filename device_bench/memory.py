"""What a process holds in memory, as the kernel accounts for it."""

from pathlib import Path

from recpress_edge.core.procfs import PROC_SELF, kib_field


def process_memory(proc: Path = PROC_SELF) -> dict[str, int | None]:
    """Bytes: ``vm_hwm``, the highest resident size so far, and ``pss_anon``, what is private and held now.

    VmHWM and not ``ru_maxrss``: a child inherits its parent's peak in the latter. Pss_Anon leaves out
    file pages, which are shared and can be dropped. None where the kernel does not tell
    (Pss_Anon needs Linux 5.0).
    """
    return {
        "vm_hwm": kib_field(proc / "status", "VmHWM"),
        "pss_anon": kib_field(proc / "smaps_rollup", "Pss_Anon"),
    }
