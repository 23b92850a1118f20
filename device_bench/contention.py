"""Whether the measured process had a core for itself, by the scheduler's own counts."""

import re
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Contention:
    """What other work took from this thread; None where the kernel does not count it."""

    wait_share: float | None
    """Share of the time that the thread stood ready but had no core."""
    interruptions: int | None
    """How often it was taken off its core: at most so many samples hold a wait."""


class ContentionWatch:
    """Counts from when it is made. Reads files, so keep it out of timed regions."""

    def __init__(self, thread: Path = Path("/proc/thread-self")) -> None:
        self._thread = thread
        self._delay, self._switches = self._run_delay_ns(), self._involuntary_switches()
        self._start = time.perf_counter_ns()

    def read(self) -> Contention:
        """What happened since."""
        wall = time.perf_counter_ns() - self._start
        delay, switches = self._run_delay_ns(), self._involuntary_switches()
        return Contention(
            None if delay is None or self._delay is None else max(delay - self._delay, 0) / wall,
            None if switches is None or self._switches is None else switches - self._switches,
        )

    def _run_delay_ns(self) -> int | None:
        try:
            return int((self._thread / "schedstat").read_text().split()[1])
        except (OSError, IndexError, ValueError):
            return None

    def _involuntary_switches(self) -> int | None:
        try:
            found = re.search(
                r"^nonvoluntary_ctxt_switches:\s+(\d+)$", (self._thread / "status").read_text(), re.M
            )
        except OSError:
            return None
        return int(found[1]) if found else None
