"""What the benchmarks share: command line, record, and timing in turns. Without torch."""

import argparse
import dataclasses
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from device_bench.contention import total
from device_bench.hardware import device_facts, software_facts
from device_bench.measure import DISTINCT_QUERIES, BlockTimer, no_garbage_collection
from recpress_edge.artifacts.bundle import EVALUATION_FILE, Bundle
from recpress_edge.cli.common import table as table
from recpress_edge.core.errors import ConfigError, RecPressError
from recpress_edge.core.rng import stream
from recpress_edge.device.runtime import Feed, Runtime, open_runtime
from recpress_edge.device.verify import check_answers
from recpress_edge.records.bench import write_record

ROOT: Final = Path(__file__).resolve().parents[1]
BOOTSTRAP_DRAWS: Final = 2000
KEPT_SAMPLES: Final = 50
"""Raw samples of each side that a record keeps next to the median of every round."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rounds:
    """How models are timed in turn; a record's ``protocol``."""

    rounds: int = 40
    """A B B A blocks."""
    block: int = 250
    """Queries per block."""
    k: int = 50
    threads: int = 1
    seed: int = 0

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Rounds":
        """From the flags of :func:`add_rounds`; ConfigError below 1."""
        names = [field.name for field in dataclasses.fields(cls) if hasattr(args, field.name)]
        found = cls(**{name: getattr(args, name) for name in names})
        if min(found.rounds, found.block, found.k, found.threads) < 1:
            raise ConfigError("--rounds, --block, --k and --threads must be at least 1")
        return found


def options(doc: str | None, *, work: Path | None = None, out: bool = False) -> argparse.ArgumentParser:
    """A parser with --out, required where ``out`` says so, and --work where it has a default."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if work is not None:
        parser.add_argument("--work", type=Path, default=work, help="models, bundles; default: %(default)s")
    parser.add_argument("--out", type=Path, required=out, help="write the record here as JSON")
    return parser


def add_rounds(parser: argparse.ArgumentParser, *names: str, **defaults: int) -> None:
    """Flags for these fields of :class:`Rounds`, all by default."""
    for field in dataclasses.fields(Rounds):
        if not names or field.name in names:
            default = defaults.get(field.name, field.default)
            parser.add_argument(f"--{field.name}", type=int, default=default, help="default: %(default)s")


def run(
    parser: argparse.ArgumentParser,
    measure: Callable[[argparse.Namespace], dict[str, Any]],
    show: Callable[[dict[str, Any]], str],
    gate: Callable[[dict[str, Any]], None] = lambda record: None,
) -> int:
    """Measure, write the record with --out, print ``show`` of it, then apply the gate; the exit code."""
    args = parser.parse_args()

    def whole() -> None:
        with recorded({}) as record:
            record |= measure(args)
        if args.out:
            write_record(args.out, record)
        print(show(record))
        gate(record)

    return exit_code(whole)


def exit_code(work: Callable[[], None]) -> int:
    """0, or that of the error, which is printed in one line."""
    try:
        work()
    except RecPressError as error:
        print(f"{error.label}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


@contextmanager
def recorded(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Add the command, the commit, and the load average before and after whatever the block measures."""
    before = os.getloadavg()[0]
    yield record
    record |= {"command": command_line(), "commit": commit()}
    record |= {"load_average": {"before": before, "after": os.getloadavg()[0]}}


def command_line() -> str:
    """The command, as it is typed at the root of the repository."""
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])


def commit() -> str | None:
    """The commit of this checkout, with ``-dirty`` where tracked files differ; None outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def machine(runtime: str, version: str, **others: str) -> dict[str, Any]:
    """The device, and the versions of all between a model file and its answer."""
    return {"device": device_facts(), "software": software_facts(runtime, version) | others}


def opened(bundle: Bundle, threads: int = 1, delegate: str | None = None) -> Runtime:
    """The bundle's runtime, after its self-test."""
    runtime = open_runtime(bundle.model_path, bundle.contract, threads, delegate)
    check_answers(runtime, bundle.selftest(), bundle.contract)
    return runtime


def check_same_users(bundles: Sequence[Bundle]) -> None:
    """ConfigError unless all bundles carry the same evaluation rows."""
    if len({bundle.files[EVALUATION_FILE]["sha256"] for bundle in bundles}) != 1:
        names = " and ".join(str(bundle.folder) for bundle in bundles)
        raise ConfigError(f"{names} hold different evaluation users: no common queries")


def queries(runtime: Runtime, bundle: Bundle, rounds: Rounds) -> list[Feed]:
    """The evaluation users' requests in a seeded order, as the inputs of ``runtime``."""
    evaluation, contract = bundle.rows(), bundle.contract
    rows = stream(rounds.seed, "bench queries").permutation(evaluation.users.size)[:DISTINCT_QUERIES]
    return [
        runtime.prepare(int(evaluation.users[row]), evaluation.seen(row), rounds.k)
        for row in rows.tolist()
        if np.union1d(evaluation.seen(row), contract.retired).size < contract.n_items
    ]


def time_in_turn(
    timers: Sequence[BlockTimer[Feed]], rounds: Rounds, warm_up: int = 200
) -> tuple[NDArray[np.int64], float | None]:
    """Samples in ns (timers, rounds, 2 · block), and the share of time spent waiting for a core."""
    for timer in timers:
        timer.block(warm_up)
        timer.forget()
    with no_garbage_collection():
        for _ in range(rounds.rounds):
            for timer in (*timers, *reversed(timers)):
                timer.block(rounds.block)
    wait_share = total(timer.counts for timer in timers).wait_share
    shape = (len(timers), rounds.rounds, 2 * rounds.block)
    return np.array([timer.samples for timer in timers]).reshape(shape), wait_share


def ratio_interval(samples: NDArray[np.int64], seed: int = 0) -> dict[str, float]:
    """First over second, median over rounds of each round's median, with its 95 % interval.

    Rounds and not queries are resampled: queries of one round share whatever disturbed it.
    samples (2, rounds, N) -> ratio, low, high
    """
    by_round = np.median(samples, axis=2)  # (2, rounds)
    rounds = by_round.shape[1]
    draws = stream(seed, "bootstrap").integers(0, rounds, (BOOTSTRAP_DRAWS, rounds))
    ratios = np.median(by_round[0][draws], axis=1) / np.median(by_round[1][draws], axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975]).tolist()
    return {"ratio": float(np.median(by_round[0]) / np.median(by_round[1])), "low": low, "high": high}


def kept(samples: NDArray[np.int64], count: int = KEPT_SAMPLES) -> dict[str, list[Any]]:
    """What a record keeps of the samples (rounds, N) of one side."""
    return {
        "round_medians_ns": np.median(samples, axis=1).tolist(),
        "first_samples_ns": samples.ravel()[:count].tolist(),
    }


def in_brackets(found: Mapping[str, float], digits: int = 2) -> str:
    """A ratio and its interval for people."""
    return f"{found['ratio']:.{digits}f} [{found['low']:.{digits}f}, {found['high']:.{digits}f}]"
