"""Limits of the processes in which a model runs: it can take no more than its size justifies.

Memory is what the kernel counts as data (RLIMIT_DATA: heap and private mappings that can be written; Linux
4.7 or later). Address space would be the wrong measure: runtimes and emulators reserve more than they use.
"""

import argparse
import math
import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from recpress_edge.core.errors import ConfigError
from recpress_edge.core.units import format_bytes, parse_duration, parse_size

FLOOR_BYTES: Final = 2 * 2**30
"""What any bundle may use."""
BYTES_PER_BYTE: Final = 32
"""And for each byte of the bundle: ids as Python texts take some 20, the reference's widened tables 12."""
SAMPLE_BYTES: Final = 256
"""Of two samples, as Python numbers and as JSON."""
SAMPLES_PER_S: Final = 250_000
"""More queries than any runtime answers."""
FLOOR_S: Final = 120.0
SECONDS_PER_MIB: Final = 1.0
LEAST_MEMORY: Final = 128 * 2**20
"""An interpreter with its runtime needs that much before it has opened anything."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What a person asks for in place of the limits that follow from a bundle's size; None: those."""

    memory_bytes: int | None = None
    time_s: float | None = None

    def memory(self, bundle_bytes: int, samples: float = 0) -> int:
        """Bytes that a process may hold; ``samples``: queries that it is to time."""
        return self.memory_bytes or FLOOR_BYTES + BYTES_PER_BYTE * bundle_bytes + int(SAMPLE_BYTES * samples)

    def time(self, bundle_bytes: int) -> float:
        """Seconds within which a file must be checked."""
        return self.time_s or FLOOR_S + SECONDS_PER_MIB * bundle_bytes / 2**20


STANDARD: Final = Guard()
"""Limits by the bundle's size."""


def add_guard_options(parser: argparse._ActionsContainer) -> None:
    """The flags that raise or lower the limits."""
    parser.add_argument(
        "--memory-limit",
        type=_memory,
        metavar="SIZE",
        help=f"most memory of a process that runs the model (default: {format_bytes(FLOOR_BYTES)} and "
        f"{BYTES_PER_BYTE} times the bundle's size)",
    )
    parser.add_argument(
        "--time-limit",
        dest="time_limit_s",
        type=_seconds,
        metavar="TIME",
        help="most time of such a process: 30s, 10min (default: by the bundle's size; 15min for measuring)",
    )


def guard_of(args: argparse.Namespace) -> Guard:
    """The limits that the flags ask for."""
    return Guard(args.memory_limit, args.time_limit_s)


def _memory(text: str) -> int:
    try:
        size = parse_size(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if size < LEAST_MEMORY:
        raise argparse.ArgumentTypeError(f"must be at least {format_bytes(LEAST_MEMORY)}, got {text}")
    return size


def _seconds(text: str) -> float:
    try:
        seconds = parse_duration(text) / 1e9
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"must be more than nothing and at most a day, got {text}")
    return seconds


def limits_process(memory_bytes: int | None, cpu_s: float) -> Callable[[], None]:
    """What a child calls before it becomes another program: so much memory and CPU, and no core file."""
    wanted = {resource.RLIMIT_CPU: math.ceil(cpu_s), resource.RLIMIT_CORE: 0}
    if memory_bytes is not None:
        wanted[resource.RLIMIT_DATA] = memory_bytes
    pairs = []
    for kind, most in wanted.items():
        hard = resource.getrlimit(kind)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        # Of CPU a second more before SIGKILL, which says nothing: SIGXCPU comes first, and says why.
        last = least + 1 if kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else least
        pairs.append((kind, (least, last)))

    def in_child() -> None:
        for kind, pair in pairs:
            resource.setrlimit(kind, pair)

    return in_child
