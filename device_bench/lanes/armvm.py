"""``--on armvm``: the unmodified device_bench inside an emulated 64-bit Arm machine."""

import dataclasses
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from device_bench.emulation.engine import board_engine
from device_bench.emulation.guest import Setup, fetched_gcc, prepare
from device_bench.emulation.machine import Console, boot
from device_bench.emulation.payload import read_answer, write_payload
from device_bench.emulation.tools import EmulationError
from device_bench.estimates import estimates
from device_bench.lanes.emulated import (
    OTHER_IDS,
    WRONG_IDS,
    check_ids,
    check_protocol,
    host_section,
    must_be_equal,
)
from device_bench.lanes.lane import Record
from device_bench.lanes.targets import details_of
from device_bench.process import ListBundle, measurement_of, most_items, open_lists, run_worker
from device_bench.record import artifact_facts
from device_bench.settings import BenchRequest, Target
from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.core.cache import cache_root
from recpress_edge.core.cpu import dot_product_flags
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import scratch_folder
from recpress_edge.core.progress import Note, OnEvent
from recpress_edge.core.stats import percentile
from recpress_edge.core.units import format_bytes, parse_size
from recpress_edge.records.bench import INSTRUCTIONS, timestamp
from recpress_edge.records.survival import CRASHED, OUT_OF_MEMORY, TIMED_OUT, SurvivalResult, survival_record

MEMORY_BYTES: Final = 512 * 2**20
LEAST_MEMORY: Final = 256 * 2**20
MOST_MEMORY: Final = 2 * 2**30
# Of real time, for one boot: a minute where the machine is free, several where it is not.
BOOT_TIMEOUT_S: Final = 1800.0
# name of the core -> main ID register's part, int8 dot product
_CORES: Final[Mapping[str, tuple[str, str, bool]]] = {
    "cortex-a53": ("Cortex-A53", "0xd03", False),
    "cortex-a76": ("Cortex-A76", "0xd0b", True),
}
_LAST_ERROR: Final = re.compile(r"^(?:error|skipped): (.*)")


def check(request: BenchRequest) -> None:
    """Refuse what needs several cores or seconds: there is one core, and the clock counts instructions."""
    check_protocol(
        request.protocol,
        one_thread="the emulated machine has one core",
        no_time="but the emulated machine's clock counts instructions",
    )
    memory_of(request)


def memory_of(request: BenchRequest) -> int:
    """Bytes of the emulated machine."""
    text = request.options.get("memory")
    if text is None:
        return MEMORY_BYTES
    found = parse_size(text)
    if not LEAST_MEMORY <= found <= MOST_MEMORY or found % 2**20:
        raise ConfigError(f"--memory must be whole MiB from 256M to 2G, got {text!r}")
    return found


def plan(request: BenchRequest) -> str:
    """The work for each bundle."""
    memory = format_bytes(memory_of(request))
    return (
        f"one boot each of an emulated {' and '.join(details_of(request.target))} with {memory}; "
        f"about a minute each, cache in {cache_root(request.options.get('cache'))}"
    )


def run(request: BenchRequest, on_event: OnEvent) -> Iterator[Record]:
    """One record for each bundle and core; ArtifactError when the ids are wrong."""
    root = cache_root(request.options.get("cache"))
    for folder in request.bundles:
        bundle = open_lists(folder, request.protocol)
        setup = prepare(bundle.contract.format, root, on_event)
        host = run_worker(
            "rank", measurement_of(folder, bundle, request.protocol), request.protocol.timeout_s
        )
        for cpu in details_of(request.target):
            record = run_once(_Boot(setup, folder, bundle, request, cpu, host), on_event)
            yield record
            check_ids(record, str(Target(request.target.lane, cpu)))


@dataclass(frozen=True, slots=True)
class _Boot:
    """One boot: machine, bundle, core and request."""

    setup: Setup
    folder: Path
    bundle: ListBundle
    request: BenchRequest
    cpu: str
    host: Mapping[str, Any]
    """This machine's own answers."""

    @property
    def target(self) -> Target:
        return Target(self.request.target.lane, self.cpu)

    @property
    def command(self) -> str:
        """The command that repeats this record alone."""
        return dataclasses.replace(self.request, target=self.target).command(self.folder)

    @property
    def root(self) -> Path:
        """The cache."""
        return cache_root(self.request.options.get("cache"))

    @property
    def memory(self) -> int:
        return memory_of(self.request)


Booter = Callable[
    [Setup, str, int, Callable[[IO[bytes]], object], Callable[[str], None], float],
    Console,
]


def run_once(one: _Boot, on_event: OnEvent, booter: Booter = boot) -> dict[str, Any]:
    """Boot, measure, and make the record: of the measurement, or of an end without one."""
    created, start = timestamp(), time.monotonic()
    name = f"{one.bundle.name} on {one.target}"
    stages = [f"boot of {one.cpu} with {format_bytes(one.memory)}"]
    on_event(Note(f"{name}: {stages[0]}"))

    def tell(line: str) -> None:
        _, known, stage = line.partition(f"{one.bundle.name}: ")
        if known:
            stages.append(stage)
            on_event(Note(f"{name}: {stage}, after {time.monotonic() - start:.0f} s"))

    def write(file: IO[bytes]) -> None:
        with scratch_folder("recpress-engine-") as scratch:
            fetch = partial(fetched_gcc, one.root, on_event)
            tables = one.bundle if isinstance(one.bundle, Bundle) else None
            engine = board_engine(tables, one.cpu, scratch, fetch) if tables else None
            write_payload(file, one.setup, one.folder, one.request.protocol.flags(), engine)

    console = booter(one.setup, one.cpu, one.memory, write, tell, BOOT_TIMEOUT_S)
    code, guest = read_answer(console.lines)
    if guest is None:
        return _ended(one, console, code, stages[-1], created)
    return measured_record(one, guest, created)


def measured_record(one: _Boot, guest: Mapping[str, Any], created: str) -> dict[str, Any]:
    """The guest's record, corrected: its nanoseconds are instructions, its machine is emulated."""
    core = _CORES[one.cpu][0]
    reasons = list(guest["invalid_reasons"])
    host = host_section(one.host, guest["quality"])
    other = [] if host["ids_equal"] else [OTHER_IDS]
    if other and must_be_equal(one.bundle.contract, one.request.protocol.delegate):
        reasons.append(WRONG_IDS)
    protocol_warnings = one.request.protocol.warnings()
    samples = guest["latency_ns"]
    return {
        **{key: value for key, value in guest.items() if key not in ("latency_ns", "selftest")},
        "created": created,
        "basis": "emulated",
        "valid": not reasons,
        "invalid_reasons": reasons,
        "warnings": [
            *(text for text in guest["warnings"] if text not in protocol_warnings),
            *([] if reasons else other),
        ],
        "device": {**guest["device"], **_identity(one)},
        "protocol": {
            **guest["protocol"],
            "clock": INSTRUCTIONS,
            "on": str(one.target),
            "command": one.command,
        },
        INSTRUCTIONS: samples,
        "selftest": guest["selftest"],
        "host": host,
        "emulator": _emulator(one),
        "estimates": estimates(core, percentile(samples["query"], 50), guest["artifact"]),
    }


def _identity(one: _Boot) -> dict[str, Any]:
    """Name and core of the emulated machine."""
    core, part, dotprod = _CORES[one.cpu]
    size = "" if one.memory == MEMORY_BYTES else f"-{one.memory // 2**20}m"
    return {
        "id": f"armvm-{one.cpu}{size}",
        "model": f"Emulated {core} (QEMU {one.setup.tools.facts['qemu']})",
        "core": core,
        "cpu_part": part,
        "dotprod": dotprod,
    }


def _emulator(one: _Boot) -> dict[str, Any]:
    setup = one.setup
    return {
        "program": "qemu-system-aarch64",
        "version": setup.tools.facts["qemu"],
        "cpu": one.cpu,
        "memory_bytes": one.memory,
        "image_bytes": setup.image.facts["memory_bytes"],
        "image_sha256": setup.image.facts["sha256"],
        "packages": {**setup.tools.facts["packages"], **setup.system.facts["packages"]},
        "wheels": setup.site.facts["wheels"],
    }


def _ended(one: _Boot, console: Console, code: int | None, stage: str, created: str) -> dict[str, Any]:
    """The record of a boot that printed none; EmulationError when that is not an outcome of the limit."""
    said = [found[1] for line in console.lines if (found := _LAST_ERROR.match(line))]
    last = (said or [line for line in console.lines if line.strip()] or ["nothing"])[-1]
    if console.out_of_memory:
        outcome = OUT_OF_MEMORY
    elif console.timed_out:
        outcome, last = TIMED_OUT, f"no end after {BOOT_TIMEOUT_S / 60:.0f} min"
    elif console.panic:
        outcome, last = CRASHED, f"kernel panic: {console.panic}"
    else:
        raise EmulationError(
            f"{one.bundle.name} on {one.target}: device_bench ended inside with exit code {code}: {last}"
        )
    image = format_bytes(one.setup.image.facts["memory_bytes"])
    return survival_record(
        SurvivalResult(outcome, stage, last, oom_kills=console.oom_kills),
        created=created,
        on=str(one.target),
        limit={
            "memory_bytes": one.memory,
            "cpus": None,
            "how": f"an emulated machine of that size, whose file system takes {image} of it",
        },
        sections={
            "artifact": artifact_facts(one.bundle),
            "device": {**_unseen_device(one), **_identity(one)},
            "protocol": one.request.protocol.facts(most_items(one.bundle), one.command),
        },
    )


def _unseen_device(one: _Boot) -> dict[str, Any]:
    """The section ``device`` of a machine that ended before it reported."""
    flags = ["asimddp"] if _CORES[one.cpu][2] else []
    return {
        "cores": 1,
        "cpu_id": {"part": _CORES[one.cpu][1]},
        "int8_flags": flags,
        "dot_product_flags": dot_product_flags(flags),
        "arch": "aarch64",
        "bits": 64,
        "kernel": one.setup.system.facts["kernel"],
        "governor": None,
        "max_freq_khz": None,
        "mem_total_bytes": one.memory,
        "swap_total_bytes": 0,
        "allocator": None,
    }
