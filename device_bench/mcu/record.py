"""What firmware did on an emulated board, as a bench record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import recpress_edge
from device_bench.lanes.emulated import OTHER_IDS, host_section
from device_bench.mcu.emulator import Boot
from device_bench.mcu.figures import Sameness, Try, memory_facts, memory_section, samples, validity
from device_bench.record import artifact_facts, gate_warnings
from recpress_edge.records.bench import BENCH_SCHEMA, INSTRUCTIONS

if TYPE_CHECKING:
    from device_bench.mcu.job import McuJob

RUNTIME: Final = "recpress-c"
"""As the engine is called in every lane."""
_UNKNOWN_STATE: Final = {"temp_c": None, "throttled": None, "load1": None, "governor": None, "freq_khz": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was built and what it did."""

    tries: Sequence[Try]
    best: Try
    boot: Boot
    """Of the counted queries."""
    cross_check: Mapping[str, Any] | None
    answers: Sameness
    """Of every user who was asked for."""
    counted: Sameness
    asked: int
    every: int
    """Users of the bundle; those whose seen items the board has no memory for are not asked for."""


def mcu_record(
    job: "McuJob", wanted: Mapping[str, Any], found: Findings, warnings: Sequence[str]
) -> dict[str, Any]:
    """A record of schema recpress.bench/1, all but when it was made. wanted: what the reference answered."""
    wrong = [reason for same in (found.answers, found.counted) if (reason := same.wrong)]
    every, quality = found.asked == found.every, wanted["quality"]
    shown = quality | ({"ids_sha256": found.answers.ids_sha256} if every else {})
    own = (
        [] if every else [f"asked of {found.asked} of {found.every} users: the board has no memory for more"]
    )
    other = [] if wrong or found.answers.ids_equal else [OTHER_IDS]
    host = host_section(wanted, shown) | {"ids_equal": found.answers.ids_equal}
    return {
        "schema": BENCH_SCHEMA,
        "created": "",
        "basis": "emulated",
        "valid": not wrong,
        "invalid_reasons": wrong,
        "warnings": [*gate_warnings(job.bundle), *warnings, *own, *other],
        "artifact": artifact_facts(job.bundle),
        "device": _device(job),
        "state": {"before": _UNKNOWN_STATE, "after": _UNKNOWN_STATE},
        "validity": validity(),
        "software": _software(job),
        "protocol": _protocol(job),
        INSTRUCTIONS: samples(found.boot),
        "memory_bytes": memory_section(found.best.firmware, found.boot, job.k),
        "quality": shown,
        "selftest": wanted["selftest"],
        "host": host,
        "firmware": _firmware(job, found),
    }


def _device(job: "McuJob") -> dict[str, Any]:
    board = job.board
    return {
        "id": f"mcu-{job.machine}",
        "model": f"Emulated {board.model} (QEMU {job.tools.qemu.version})",
        "cores": 1,
        "core": board.core,
        "cpu_part": board.part,
        "cpu_id": {"part": board.part},
        "int8_flags": [],
        "dotprod": False,
        "dot_product_flags": [],
        "arch": "thumb",
        "bits": 32,
        "kernel": "none",
        "governor": None,
        "max_freq_khz": None,
        "mem_total_bytes": board.ram_bytes,
        "swap_total_bytes": None,
        "allocator": None,
    }


def _software(job: "McuJob") -> dict[str, Any]:
    return {
        "recpress_edge": recpress_edge.__version__,
        "python": None,
        "numpy": None,
        "psutil": None,
        "runtime": RUNTIME,
        RUNTIME: recpress_edge.__version__,
        "qemu": job.tools.qemu.version,
        job.tools.compiler_name: job.tools.compiler.version,
    }


def _protocol(job: "McuJob") -> dict[str, Any]:
    protocol, request = job.request.protocol, job.request
    return {
        **protocol.facts(job.bundle.contract.n_items, request.command(job.folder)),
        "batch": 1,
        "warmup": 0,
        "processes": protocol.processes,
        "seconds": protocol.seconds,
        "clock": INSTRUCTIONS,
        "on": str(request.target),
    }


def _firmware(job: "McuJob", found: Findings) -> dict[str, Any]:
    best, sizes = found.best, found.best.firmware.sizes
    return {
        "compiler": f"{job.tools.compiler_name} {job.tools.compiler.version}",
        "flags": list(best.firmware.flags),
        "flash_bytes": sizes.flash,
        "code_bytes": sizes.code,
        "engine_bytes": sizes.engine,
        "model_bytes": sizes.model,
        **memory_facts(best.firmware, found.boot, job.k),
        "chip_flash_bytes": job.chip.flash_bytes,
        "chip_ram_bytes": job.chip.ram_bytes,
        "asked": found.asked,
        "scores_equal": found.answers.scores_equal and found.counted.scores_equal,
        "cross_check": found.cross_check,
        "tries": [one.facts() for one in found.tries],
    }
