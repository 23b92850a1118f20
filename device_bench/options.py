"""How a bundle is measured, and the flags that say so. Imports nothing heavy: --help must be quick."""

import argparse
import dataclasses
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from device_bench.lanes.targets import LANES, Target, parse_target
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.units import parse_duration
from recpress_edge.device.guard import Guard, add_guard_options

# What the published protocol asks for; less is allowed and said in the record.
FULL_PROCESSES: Final = 10
FULL_SECONDS: Final = 2.0
FULL_QUERIES: Final = 1000
# For one process; a small board needs minutes where a workstation needs seconds.
TIMEOUT_S: Final = 900.0
MOST_SUSTAINED_S: Final = 7200.0
# An application asks once a screen. Longer pauses than this change little more and cost much time.
PAUSE_NS: Final = 100_000_000
MOST_PAUSE_NS: Final = 2_000_000_000
LEAST_PAUSE_NS: Final = 1_000_000
# About so long are queries with pauses asked: few are enough for a p95, and a person waits meanwhile.
PACED_S: Final = 5.0
LEAST_PACED: Final = 40
MOST_PACED: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How one bundle is measured."""

    k: int = 50
    """Items asked for in every timed query."""
    threads: int = 1
    """Threads inside the runtime."""
    processes: int = FULL_PROCESSES
    """Fresh processes that each give one cold-start sample."""
    seconds: float = FULL_SECONDS
    """Least time in the samples of the warm phase; 0: the number of samples alone decides."""
    queries: int = FULL_QUERIES
    """Least number of samples in the warm phase."""
    seed: int = 0
    """Which users are asked for, and in what order."""
    runtime: str | None = None
    """What answers in place of the format's own runtime: reference, numpy on the file's tables."""
    delegate: str | None = None
    """What computes in place of the runtime's own kernels: xnnpack, for tflite bundles."""
    sustained_s: float = 0.0
    """Seconds of queries without a pause after the measurement, with the state over time; 0: none."""
    memory_limit: int | None = None
    """Bytes that a process may hold; None: by the bundle's size (guard.py)."""
    time_limit_s: float | None = None
    """Seconds that a process may take; None: TIMEOUT_S."""
    pause_ns: int = PAUSE_NS
    """Nanoseconds before each query of the paced series; 0: no such series."""

    @property
    def paced_queries(self) -> int:
        """How many queries of the paced series are asked: what PACED_S holds, within bounds."""
        return paced_queries(self.pause_ns) if self.pause_ns else 0

    @property
    def paced_s(self) -> float:
        """Seconds that the paced series takes, the queries themselves not counted."""
        return self.paced_queries * self.pause_ns / 1e9

    def __post_init__(self) -> None:
        for name in ("k", "threads", "processes", "queries"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.seconds <= TIMEOUT_S / 4:
            raise ConfigError(
                f"--seconds must be at least 0 and at most {TIMEOUT_S / 4:g}, got {self.seconds:g}"
            )
        if self.sustained_s and not 1 <= self.sustained_s <= MOST_SUSTAINED_S:
            raise ConfigError(
                f"--sustained must be between 1s and {MOST_SUSTAINED_S / 60:g}min, got {self.sustained_s:g}s"
            )
        if self.pause_ns and not LEAST_PAUSE_NS <= self.pause_ns <= MOST_PAUSE_NS:
            raise ConfigError(
                f"--pause must be 0 or between 1ms and {MOST_PAUSE_NS / 1e9:g}s, got {_pause(self.pause_ns)}"
            )
        if self.runtime and (self.delegate or self.threads != 1):
            raise ConfigError(
                f"--runtime {self.runtime}: it computes on one thread and has no --delegate. Leave them out."
            )
        if self.seed < 0:
            raise ConfigError(f"--seed must not be negative, got {self.seed}")

    def flags(self) -> list[str]:
        """The flags that ask for this protocol again."""
        names = ("k", "threads", "processes", "seconds", "queries", "seed")
        numbers = [part for name in names for part in (f"--{name}", _number(getattr(self, name)))]
        numbers += ["--pause", _pause(self.pause_ns)]
        sustained = ["--sustained", f"{_number(self.sustained_s)}s"] if self.sustained_s else []
        runtime = ["--runtime", self.runtime] if self.runtime else []
        delegate = ["--delegate", self.delegate] if self.delegate else []
        return [*numbers, *runtime, *delegate, *sustained, *self._limits()]

    def _limits(self) -> list[str]:
        memory = [] if self.memory_limit is None else ["--memory-limit", str(self.memory_limit)]
        return memory if self.time_limit_s is None else [*memory, "--time-limit", f"{self.time_limit_s:g}s"]

    @property
    def timeout_s(self) -> float:
        """Seconds that a process may take."""
        return self.time_limit_s or TIMEOUT_S

    @property
    def guard(self) -> Guard:
        """Its limits of memory and time."""
        return Guard(self.memory_limit, self.time_limit_s)

    def warnings(self) -> list[str]:
        """Where this asks for less than the full protocol."""
        return [
            f"{getattr(self, name):g} {name}: the full protocol asks for at least {least:g}"
            for name, least in (
                ("processes", FULL_PROCESSES),
                ("seconds", FULL_SECONDS),
                ("queries", FULL_QUERIES),
            )
            if getattr(self, name) < least
        ]


def paced_queries(pause_ns: int) -> int:
    """How many queries with such a pause are asked: what PACED_S holds, within bounds."""
    return min(max(round(PACED_S * 1e9 / pause_ns), LEAST_PACED), MOST_PACED)


def _pause(pause_ns: int) -> str:
    """As --pause takes it."""
    return f"{pause_ns}ns" if pause_ns % 10**6 else f"{pause_ns // 10**6}ms" if pause_ns else "0"


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure on, how, and with which of the lane's own options."""

    target: Target
    protocol: Protocol
    options: Mapping[str, Any]
    """Of LANE_FLAGS, those that were given."""

    def command(self, bundle: Path) -> str:
        """The command that repeats this run."""
        on = [] if self.target.lane == "host" else ["--on", str(self.target)]
        own = [part for name, value in self.options.items() for part in (f"--{name}", str(value))]
        return shlex.join(["device_bench", "run", str(bundle), *on, *own, *self.protocol.flags()])


# name -> type, metavar, help: flags that some lanes take (Lane.flags), refused for all others.
LANE_FLAGS: Final[Mapping[str, tuple[Callable[[str], Any], str, str]]] = {
    "limit": (str, "LIMIT", "survive within so much? cpus=0.5,memory=256M; robustness only, no latency"),
    "memory": (str, "SIZE", "of the emulated machine, 256M to 2G (default: 512M)"),
    "cache": (Path, "DIR", "where the emulated machine is kept (default: $RECPRESS_CACHE_DIR, or ~/.cache)"),
    "board-python": (str, "PATH", "the board's Python, 3.11 or newer (default: python3)"),
    "ssh-config": (str, "FILE", "configuration for ssh in place of your own"),
}


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options of a measurement, shared with ``recpress-edge bench``."""
    defaults = Protocol()
    parser.add_argument(
        "bundles", nargs="+", type=Path, metavar="BUNDLE", help="folder made by recpress-edge export"
    )
    parser.add_argument(
        "--on",
        default="host",
        metavar="TARGET",
        help=f"{'; '.join(f'{lane.grammar}: {lane.about}' for lane in LANES.values())} (default: host)",
    )
    for name, (kind, metavar, text) in LANE_FLAGS.items():
        parser.add_argument(f"--{name}", type=kind, metavar=metavar, help=f"{text} ({_takers(name)})")
    group = parser.add_argument_group("measurement")
    for name, kind, text in (
        ("k", int, "items per query"),
        ("threads", int, "threads inside the runtime"),
        ("processes", int, "fresh processes for cold start"),
        ("seconds", float, "least time in the warm samples"),
        ("queries", int, "least number of warm samples"),
        ("seed", int, "order of the queries"),
    ):
        default = getattr(defaults, name)
        metavar = "S" if kind is float else "N"
        group.add_argument(
            f"--{name}", type=kind, metavar=metavar, help=f"{text} (default: {default:g}, or the target's)"
        )
    group.add_argument(
        "--runtime",
        choices=("reference",),
        help="reference: numpy on the file's tables, slow and obvious; all others must equal it "
        "(default: the format's own)",
    )
    group.add_argument(
        "--delegate",
        choices=("xnnpack",),
        help="tflite only: faster kernels that quantise anew, so int8 is no longer exact (default: none)",
    )
    group.add_argument(
        "--sustained",
        dest="sustained_s",
        type=_seconds,
        metavar="TIME",
        help="then ask without a pause for so long, and record latency and temperature over time: 10min",
    )
    add_guard_options(group)
    group.add_argument(
        "--pause",
        dest="pause_ns",
        type=_pause_ns,
        metavar="TIME",
        help="also time queries that come alone, each after such a pause; 0: leave them out "
        f"(default: {_pause(PAUSE_NS)}, or the target's)",
    )
    group.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write the record of a single bundle"
    )
    group.add_argument("--force", action="store_true", help="let --out replace an older record")


def _seconds(text: str) -> float:
    """argparse type: '10min' -> 600.0."""
    try:
        return parse_duration(text) / 1e9
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _pause_ns(text: str) -> int:
    """argparse type: '100ms' -> 100000000, '0' -> 0."""
    try:
        return 0 if text.strip() == "0" else parse_duration(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_check_options(parser: argparse.ArgumentParser) -> None:
    """Options of the budget gate, shared with ``recpress-edge check``."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="record files, or folders of them")
    parser.add_argument(
        "--budget", type=Path, default=Path("budgets.toml"), metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="hold this budget only; may be repeated"
    )


def request_of(args: argparse.Namespace) -> Request:
    """What the flags ask for; ConfigError for a flag that the target's lane does not take."""
    target = parse_target(args.on)
    lane = LANES[target.lane]
    options = {name: value for name in LANE_FLAGS if (value := getattr(args, _attribute(name))) is not None}
    for name in options:
        if name not in lane.flags:
            raise ConfigError(f"--{name} goes with --on {_takers(name)}, not with {target}. Leave it out.")
    given = {field.name: getattr(args, field.name) for field in dataclasses.fields(Protocol)}
    named = {name: value for name, value in given.items() if value is not None}
    timeless = {"pause_ns": 0} if "limit" in options else {}
    return Request(target, Protocol(**{**lane.defaults, **timeless, **named}), options)


def _number(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _takers(flag: str) -> str:
    return ", ".join(name for name, lane in LANES.items() if flag in lane.flags)


def _attribute(flag: str) -> str:
    return flag.replace("-", "_")
