"""What other work took from the measured process, by the kernel's own counts.

Imports next to nothing, because a cold start's clock runs while it is in use.
"""

import os
import resource
import time
from collections.abc import Iterable
from typing import Final, NamedTuple, Self

_TICK_NS: Final = 10**9 // os.sysconf("SC_CLK_TCK")
# user, nice, system, irq, softirq, steal of the line "cpu" in /proc/stat
_BUSY: Final = (0, 1, 2, 5, 6, 7)


class Counts(NamedTuple):
    """Sums over a series. All zero where the kernel does not count."""

    ran_ns: int = 0
    """Time on a core, all threads together."""
    waited_ns: int = 0
    """Time ready to run and without a core."""
    interruptions: int = 0
    """How often a thread was taken off its core: the most samples that can hold a wait."""
    others_ns: int = 0
    """Core time of other work, or of the host of a virtual machine."""
    spare_ns: int = 0
    """Core time of all cores but one."""

    @property
    def wait_share(self) -> float | None:
        """Share of the time wanted on a core that was spent waiting for one."""
        wanted = self.ran_ns + self.waited_ns
        return self.waited_ns / wanted if wanted else None

    @property
    def other_work(self) -> float | None:
        """How busy other work kept the other cores, 0 to 1 (above 1 when it took the process's own core)."""
        return self.others_ns / self.spare_ns if self.spare_ns else None


def total(counts: Iterable[Iterable[int]]) -> Counts:
    """The sum of several."""
    return Counts(*map(sum, zip(*counts, strict=True)))


class Watch:
    """Adds up what happens to this process inside ``with`` blocks. It reads files: keep it out of timings."""

    def __init__(self, process: str = "/proc/self") -> None:
        self._process = process
        self._before = (0, 0, 0)
        self.counts = Counts()

    def __enter__(self) -> Self:
        self._before = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        since = (max(now - then, 0) for now, then in zip(self._read(), self._before, strict=True))
        self.counts = total([self.counts, (*since, 0, 0)])

    def _read(self) -> tuple[int, int, int]:
        waited = 0
        try:
            for task in os.listdir(f"{self._process}/task"):  # noqa: PTH208 - pathlib is not imported yet
                with open(f"{self._process}/task/{task}/schedstat") as file:  # noqa: PTH123
                    waited += int(file.read().split()[1])
        except (OSError, ValueError, IndexError):
            return 0, 0, 0
        # by the clock: schedstat's own figure lags behind by up to a tick
        return time.process_time_ns(), waited, resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw  # noqa: TID251 - not for memory


class MachineWatch:
    """Counts the work of others on all cores from when it is made."""

    def __init__(self, stat: str = "/proc/stat") -> None:
        self._stat = stat
        self._start = self._read()

    def read(self) -> Counts:
        """What happened since."""
        (busy, cores, own, wall), now = self._start, self._read()
        others = (now[0] - busy) - (now[2] - own)
        return Counts(others_ns=max(others, 0), spare_ns=max(now[3] - wall, 0) * max(cores - 1, 0))

    def _read(self) -> tuple[int, int, int, int]:
        """Busy time of all cores, how many they are, this process's own time, and the clock."""
        try:
            with open(self._stat) as file:  # noqa: PTH123
                lines = file.read().splitlines()
            ticks = [int(field) for field in lines[0].split()[1:]]
            busy = sum(ticks[column] for column in _BUSY) * _TICK_NS
            cores = sum(line.startswith("cpu") for line in lines) - 1
        except (OSError, ValueError, IndexError):
            busy, cores = 0, 1
        return busy, cores, time.process_time_ns(), time.perf_counter_ns()
