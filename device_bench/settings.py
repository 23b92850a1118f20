"""What is asked of the bench: where to measure, how, and which bundles. Imports nothing heavy."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from recpress_edge.artifacts.trust.policy import Trust
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.guard import Guard

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
# Queries with pauses are asked for about so long: few are enough for a p95, and a person waits meanwhile.
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
    trusted: Path | None = None
    """File of public keys: bundles that none of them signed are refused; None: nobody asks."""
    expect_digest: str | None = None
    """Of the one bundle that is measured; None: any."""

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
                "--pause must be 0 or between 1ms and "
                f"{MOST_PAUSE_NS / 1e9:g}s, got {pause_text(self.pause_ns)}"
            )
        if self.runtime and (self.delegate or self.threads != 1):
            raise ConfigError(
                f"--runtime {self.runtime}: it computes on one thread and has no --delegate. Leave them out."
            )
        if self.seed < 0:
            raise ConfigError(f"--seed must not be negative, got {self.seed}")
        self.trust  # noqa: B018 - says what is wrong with a digest

    @property
    def paced_queries(self) -> int:
        """Queries of the paced series: as many as PACED_S holds, within bounds."""
        return paced_queries(self.pause_ns) if self.pause_ns else 0

    @property
    def paced_s(self) -> float:
        """Seconds of pauses in the paced series."""
        return self.paced_queries * self.pause_ns / 1e9

    @property
    def timeout_s(self) -> float:
        """Seconds that a process may take."""
        return self.time_limit_s or TIMEOUT_S

    @property
    def trust(self) -> Trust:
        """Which bundles are measured."""
        return Trust(self.trusted, self.expect_digest)

    @property
    def guard(self) -> Guard:
        """Its limits of memory and time."""
        return Guard(self.memory_limit, self.time_limit_s)

    def flags(self) -> list[str]:
        """The flags that ask for this protocol again."""
        texts = {
            **{name: str(getattr(self, name)) for name in ("k", "threads", "processes")},
            "seconds": f"{self.seconds:g}",
            **{name: str(getattr(self, name)) for name in ("queries", "seed")},
            "pause": pause_text(self.pause_ns),
            "runtime": self.runtime,
            "delegate": self.delegate,
            "sustained": f"{self.sustained_s:g}s" if self.sustained_s else None,
            "memory-limit": None if self.memory_limit is None else str(self.memory_limit),
            "time-limit": None if self.time_limit_s is None else f"{self.time_limit_s:g}s",
            "trusted": None if self.trusted is None else str(self.trusted),
            "expect-digest": self.expect_digest,
        }
        return [part for name, text in texts.items() if text is not None for part in (f"--{name}", text)]

    def facts(self, n_items: int, command: str) -> dict[str, Any]:
        """The part of ``protocol`` that every kind of record states. n_items: of the bundle, the most k."""
        return {
            "threads": self.threads,
            "k": min(self.k, n_items),
            "queries": self.queries,
            "seed": self.seed,
            "command": command,
        }

    def warnings(self) -> list[str]:
        """Where this asks for less than the full protocol."""
        full = (("processes", FULL_PROCESSES), ("seconds", FULL_SECONDS), ("queries", FULL_QUERIES))
        return [
            f"{getattr(self, name):g} {name}: the full protocol asks for at least {least:g}"
            for name, least in full
            if getattr(self, name) < least
        ]


def paced_queries(pause_ns: int) -> int:
    """Queries with such a pause that are asked: as many as PACED_S holds, within bounds."""
    return min(max(round(PACED_S * 1e9 / pause_ns), LEAST_PACED), MOST_PACED)


def pause_text(pause_ns: int) -> str:
    """As --pause takes it: 100000000 -> '100ms'."""
    return f"{pause_ns}ns" if pause_ns % 10**6 else f"{pause_ns // 10**6}ms" if pause_ns else "0"


@dataclass(frozen=True, slots=True)
class Target:
    """What --on names."""

    lane: str
    detail: str = ""
    """The text after the colon: a core, a board, //user@host. Empty: nothing."""

    def __str__(self) -> str:
        return f"{self.lane}:{self.detail}" if self.detail else self.lane


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRequest:
    """Which bundles to measure, where, how, and with which of the lane's own options."""

    bundles: tuple[Path, ...]
    target: Target = Target("host")
    protocol: Protocol = Protocol()
    options: Mapping[str, Any] = field(default_factory=dict)
    """By the name of the lane's flag, those that were given."""

    def command(self, bundle: Path) -> str:
        """The command that measures this bundle again."""
        on = [] if self.target.lane == "host" else ["--on", str(self.target)]
        own = [part for name, value in self.options.items() for part in (f"--{name}", str(value))]
        return shlex.join(["device_bench", "run", str(bundle), *on, *own, *self.protocol.flags()])
