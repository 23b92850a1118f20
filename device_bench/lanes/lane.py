"""The table of lanes: the ways to measure, one row each."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from device_bench.settings import BenchRequest
from recpress_edge.core.progress import OnEvent

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Flag:
    """An option that some lanes take; it is refused for all others."""

    name: str
    kind: Callable[[str], Any]
    metavar: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One way to measure. ``module`` is imported only when it is asked for."""

    module: str
    """Has the functions of :class:`LaneModule`."""
    grammar: str
    """How its targets are written."""
    about: str
    details: tuple[str, ...] = ()
    """What may follow the colon. Empty: nothing, unless ``free``."""
    free: bool = False
    """The lane's ``check`` reads the detail."""
    optional: bool = False
    """The detail may be left out, and then stands for each of ``details``: a bundle has a record of each."""
    flags: tuple[Flag, ...] = ()
    """Options of its own."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the protocol that differ from those of this machine."""


class LaneModule(Protocol):
    """The functions of a lane's module."""

    def check(self, request: BenchRequest) -> None:
        """ConfigError for what does not go together. Quick; starts and writes nothing."""

    def plan(self, request: BenchRequest) -> str:
        """The work for each bundle in words, for --dry-run."""

    def run(self, request: BenchRequest, on_event: OnEvent) -> Iterator[Record]:
        """Measure each bundle and yield records as they are made; the caller writes and prints them.

        The bundles were opened and verified before. A record has ``schema``, ``created``, ``artifact``,
        ``device.id`` at least; its schema decides how it is printed (show.py) and which exit code follows
        (commands.py).
        """


_LIMIT: Final = Flag(
    "limit", str, "LIMIT", "survive within so much? cpus=0.5,memory=256M; robustness only, no latency"
)
_MEMORY: Final = Flag("memory", str, "SIZE", "of the emulated machine, 256M to 2G (default: 512M)")
_CACHE: Final = Flag(
    "cache",
    Path,
    "DIR",
    "where the emulated machine is kept (default: $RECPRESS_CACHE_DIR, or ~/.cache)",
)
_FLASH: Final = Flag("flash", str, "SIZE", "of the chip, where it has less than the board: 256K")
_RAM: Final = Flag("ram", str, "SIZE", "of the chip, where it has less than the board: 16K")
_PYTHON: Final = Flag("board-python", str, "PATH", "the board's Python, 3.11 or newer (default: python3)")
_SSH_CONFIG: Final = Flag("ssh-config", str, "FILE", "configuration for ssh in place of your own")

LANES: Final[Mapping[str, Lane]] = {
    "host": Lane(module="device_bench.lanes.host", grammar="host", about="this machine", flags=(_LIMIT,)),
    "armvm": Lane(
        module="device_bench.lanes.armvm",
        grammar="armvm[:cortex-a53|cortex-a76]",
        about="an emulated 64-bit Arm machine, instructions counted",
        details=("cortex-a53", "cortex-a76"),
        optional=True,
        flags=(_MEMORY, _CACHE),
        # the clock counts instructions: nothing varies from process to process, and no time passes
        defaults={"processes": 1, "seconds": 0.0, "queries": 500, "pause_ns": 0},
    ),
    "armuser": Lane(
        module="device_bench.lanes.armuser",
        grammar="armuser:BOARD",
        about="a board's instruction set: answers and counts",
        details=("zero2", "pi3", "pi4", "pi5"),
        flags=(_CACHE,),
        defaults={"processes": 1, "seconds": 0.0, "queries": 20, "pause_ns": 0},
    ),
    "mcu": Lane(
        module="device_bench.lanes.mcu",
        grammar="mcu:BOARD",
        about="a bundle of format c as firmware of an emulated microcontroller: flash, RAM, instructions",
        details=("mps2-an385", "mps2-an386", "mps2-an500", "mps3-an547", "microbit"),
        flags=(_FLASH, _RAM, _CACHE),
        defaults={"processes": 1, "seconds": 0.0, "queries": 200, "pause_ns": 0, "k": 10},
    ),
    "ssh": Lane(
        module="device_bench.lanes.ssh",
        grammar="ssh://user@host[:port]",
        about="a board over the network",
        free=True,
        flags=(_PYTHON, _SSH_CONFIG),
    ),
}


def lane_flags() -> dict[str, tuple[Flag, str]]:
    """Name -> each flag of any lane, and the lanes that take it: 'armvm, armuser'."""
    flags = {flag.name: flag for lane in LANES.values() for flag in lane.flags}
    return {
        name: (flag, ", ".join(lane for lane, row in LANES.items() if flag in row.flags))
        for name, flag in flags.items()
    }
