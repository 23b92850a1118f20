"""How a bundle is measured, and the flags that say so. Imports nothing heavy: --help must be quick."""

import argparse
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import ConfigError

# What the published protocol asks for; less is allowed and said in the record.
FULL_PROCESSES: Final = 10
FULL_SECONDS: Final = 2.0
FULL_QUERIES: Final = 1000
# For one process; a small board needs minutes where a workstation needs seconds.
TIMEOUT_S: Final = 900.0


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
    """Least time in the samples of the warm phase."""
    queries: int = FULL_QUERIES
    """Least number of samples in the warm phase."""
    seed: int = 0
    """Which users are asked for, and in what order."""
    delegate: str | None = None
    """What computes in place of the runtime's own kernels: xnnpack, for tflite bundles."""

    def __post_init__(self) -> None:
        for name in ("k", "threads", "processes", "queries"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.seconds <= TIMEOUT_S / 4:
            raise ConfigError(
                f"--seconds must be above 0 and at most {TIMEOUT_S / 4:g}, got {self.seconds:g}"
            )
        if self.seed < 0:
            raise ConfigError(f"--seed must not be negative, got {self.seed}")

    def command(self, bundle: Path) -> str:
        """The command that repeats this run."""
        flags = ("k", "threads", "processes", "seconds", "queries", "seed")
        numbers = [f"--{flag} {getattr(self, flag):g}" for flag in flags]
        delegate = [f"--delegate {self.delegate}"] if self.delegate else []
        return " ".join(["device_bench run", str(bundle), *numbers, *delegate])

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


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options of a measurement, shared with ``recpress-edge bench``."""
    defaults = Protocol()
    parser.add_argument(
        "bundles", nargs="+", type=Path, metavar="BUNDLE", help="folder made by recpress-edge export"
    )
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
            f"--{name}", type=kind, default=default, metavar=metavar, help=f"{text} (default: {default:g})"
        )
    group.add_argument(
        "--delegate",
        choices=("xnnpack",),
        help="tflite only: faster kernels that quantise anew, so int8 is no longer exact (default: none)",
    )
    group.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write the record of a single bundle"
    )
    group.add_argument("--force", action="store_true", help="let --out replace an older record")


def add_check_options(parser: argparse.ArgumentParser) -> None:
    """Options of the budget gate, shared with ``recpress-edge check``."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="record files, or folders of them")
    parser.add_argument(
        "--budget", type=Path, default=Path("budgets.toml"), metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="hold this budget only; may be repeated"
    )


def protocol_of(args: argparse.Namespace) -> Protocol:
    """The protocol that the flags ask for."""
    return Protocol(**{field.name: getattr(args, field.name) for field in dataclasses.fields(Protocol)})
