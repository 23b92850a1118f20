"""``--on TARGET``: a literal table of lanes, and the strict reading of a target."""

import difflib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from recpress_edge.core.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from device_bench.options import Request

Record = Mapping[str, Any]
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One way to measure. ``module`` is imported only when it is asked for."""

    module: str
    """Has the functions of :class:`LaneModule`."""
    grammar: str
    """How its targets are written."""
    about: str
    details: tuple[str, ...] = ()
    """What may stand behind the colon. Empty: nothing, unless ``free``."""
    free: bool = False
    """The detail is the lane's own to read, in its ``check``."""
    optional: bool = False
    """The detail may be left out."""
    flags: tuple[str, ...] = ()
    """Options (see options.LANE_FLAGS) that this lane takes and others do not."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the protocol that differ from those of this machine."""


class LaneModule(Protocol):
    """What a lane's module offers."""

    def check(self, request: "Request") -> None:
        """ConfigError for what does not go together. Quick; starts and writes nothing."""

    def plan(self, request: "Request") -> str:
        """What is done with each bundle, for --dry-run."""

    def run(self, request: "Request", bundles: Sequence[Path], report: Report) -> Iterator[Record]:
        """Measure each bundle and yield records as they are made; the caller writes and prints them.

        The bundles were opened and verified before; ``report`` takes a line of talk. A record has
        ``schema``, ``created``, ``artifact``, ``device.id`` at least; its schema decides how it is
        printed (show.py) and which exit code follows (commands.py).
        """


LANES: Final[Mapping[str, Lane]] = {
    "host": Lane(module="device_bench.lanes.host", grammar="host", about="this machine", flags=("limit",)),
    "armvm": Lane(
        module="device_bench.lanes.armvm",
        grammar="armvm[:cortex-a53|cortex-a76]",
        about="an emulated 64-bit Arm machine, instructions counted",
        details=("cortex-a53", "cortex-a76"),
        optional=True,
        flags=("memory", "cache"),
        # the clock counts instructions: nothing varies from process to process, and no time passes
        defaults={"processes": 1, "seconds": 0.0, "queries": 500, "pause_ns": 0},
    ),
    "armuser": Lane(
        module="device_bench.lanes.armuser",
        grammar="armuser:BOARD",
        about="a board's instruction set: answers and counts",
        details=("zero2", "pi3", "pi4", "pi5"),
        flags=("cache",),
        defaults={"processes": 1, "seconds": 0.0, "queries": 20, "pause_ns": 0},
    ),
    "ssh": Lane(
        module="device_bench.lanes.ssh",
        grammar="ssh://user@host[:port]",
        about="a board over the network",
        free=True,
        flags=("board-python", "ssh-config"),
    ),
}


@dataclass(frozen=True, slots=True)
class Target:
    """A target as it was read."""

    lane: str
    detail: str
    """What stands behind the colon: a core, a board, //user@host. Empty: nothing."""

    def __str__(self) -> str:
        return f"{self.lane}:{self.detail}" if self.detail else self.lane

    @property
    def several(self) -> bool:
        """Whether it stands for all that its lane knows: a bundle then has a record of each."""
        return LANES[self.lane].optional and not self.detail


def parse_target(text: str) -> Target:
    """'host', 'armvm:cortex-a53' -> Target; ConfigError names what would be right."""
    name, colon, detail = text.partition(":")
    if name not in LANES:
        raise _unknown(text)
    lane = LANES[name]
    wrong = f"--on {text!r} is not a target: write {lane.grammar}"
    if not detail:
        if colon or not (lane.optional or not (lane.details or lane.free)):
            raise ConfigError(f"{wrong} ({', '.join(lane.details)})." if lane.details else f"{wrong}.")
    elif lane.details and detail not in lane.details:
        raise unknown_name(f"{name} target", detail, lane.details)
    elif not (lane.details or lane.free):
        raise ConfigError(f"{wrong}.")
    return Target(name, detail)


def _unknown(text: str) -> ConfigError:
    written = [lane.grammar for lane in LANES.values()]
    if "@" in text and "ssh" in LANES:
        hint = f" Did you mean 'ssh://{text}'?"
    else:
        close = difflib.get_close_matches(text.partition(":")[0], list(LANES), n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
    return ConfigError(f"unknown target {text!r} for --on.{hint} Known: {', '.join(written)}.")


def lane_module(target: Target) -> LaneModule:
    """Import the target's lane."""
    return cast(LaneModule, importlib.import_module(LANES[target.lane].module))
