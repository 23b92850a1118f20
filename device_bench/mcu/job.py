"""One bundle on one board: built as often as there are levels, asked twice, counted two ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from device_bench.emulation.tools import EmulationError
from device_bench.mcu.boards import BOARDS, McuBoard
from device_bench.mcu.emulator import Boot, run_counting, run_with_plugin
from device_bench.mcu.figures import Questions, Try, asked_of, compared, cross_check, memory_facts
from device_bench.mcu.firmware import LEVELS, Room, build, build_plugin
from device_bench.mcu.record import Findings, mcu_record
from device_bench.mcu.tools import Tools
from device_bench.quality import LIST_LENGTH
from device_bench.settings import BenchRequest
from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.core.errors import GateError, SkippedError
from recpress_edge.core.progress import Note, OnEvent
from recpress_edge.core.stats import percentile
from recpress_edge.device.c.footprint import STATIC_BYTES, scratch_bytes, stack_bytes
from recpress_edge.device.c.model_bin import Header, read_header
from recpress_edge.records.bench import timestamp

WORTH: Final = 0.05
"""Share of instructions that larger code must save to be taken."""
_TRIED: Final = 20
"""Queries by which a level of optimisation is chosen."""


@dataclass(frozen=True, slots=True)
class McuJob:
    """What to measure, where, and with what."""

    tools: Tools
    request: BenchRequest
    folder: Path
    bundle: Bundle
    chip: McuBoard
    """The board, or one with less memory, which what is built must fit."""
    scratch: Path

    @property
    def machine(self) -> str:
        return self.request.target.detail

    @property
    def board(self) -> McuBoard:
        """What is emulated."""
        return BOARDS[self.machine]

    @property
    def where(self) -> str:
        return f"{self.bundle.name} on {self.request.target}"

    @property
    def k(self) -> int:
        return min(self.request.protocol.k, self.bundle.contract.n_items)


def measure_on(job: McuJob, wanted: Mapping[str, Any], on_event: OnEvent) -> dict[str, Any]:
    """The record. wanted: what the worker ``questions`` answered. GateError for what does not fit."""
    created, k, long = timestamp(), job.k, min(LIST_LENGTH, job.bundle.contract.n_items)
    data = job.bundle.model_path.read_bytes()
    header, model = read_header(data), job.scratch / "model.bin"
    model.write_bytes(data)
    counted, every = asked_of(wanted["counted"], k), asked_of(wanted["ranked"], long)
    counted, ranked = (asked.within(_seen_room(job, header, asked)) for asked in (counted, every))
    on_event(Note(f"{job.where}: building with {', '.join(LEVELS)}"))
    tries = _tries(job, header, counted)
    best = chosen(tries)
    on_event(Note(f"{job.where}: {len(counted.questions)} counted queries with {best.level}"))
    boot = run_counting(job.tools.qemu, job.machine, best.firmware, counted.questions)
    _check_ram(job, best, boot)
    checked, warnings = _cross_checked(job, best, boot, counted)
    on_event(Note(f"{job.where}: {len(ranked.questions)} rankings of {long}"))
    ranking = build(job.tools, job.board, header, model, _room("ranked", header, ranked), best.level)
    ranks = run_counting(job.tools.qemu, job.machine, ranking, ranked.questions)
    tolerance = None if job.bundle.contract.exact else job.bundle.contract.score_tolerance
    found = Findings(
        tries=tries,
        best=best,
        boot=boot,
        cross_check=checked,
        answers=compared(ranked, ranks.answers, tolerance),
        counted=compared(counted, boot.answers, tolerance),
        asked=len(ranked.questions),
        every=len(every.questions),
    )
    return mcu_record(job, wanted, found, warnings) | {"created": created}


def chosen(tries: Sequence[Try]) -> Try:
    """Of those that fit, the smallest whose queries take hardly more than those of the fastest."""
    fitting = [(one, one.instructions) for one in tries if one.instructions]
    fewest = min(instructions for _, instructions in fitting)
    near = [one for one, instructions in fitting if instructions <= (1 + WORTH) * fewest]
    return min(near, key=lambda one: one.firmware.sizes.code)


def _room(name: str, header: Header, asked: Questions) -> Room:
    k = asked.questions[0].k
    return Room(name, k, asked.longest, scratch_bytes(header, k))


def _seen_room(job: McuJob, header: Header, asked: Questions) -> int:
    """Seen items of a question for which the board has memory; GateError where it has none for any."""
    k = asked.questions[0].k
    parts = {"static": STATIC_BYTES, "scratch": scratch_bytes(header, k), "lists": 8 * k}
    parts["stack, about"] = stack_bytes(header)
    free = job.board.ram_bytes - sum(parts.values())
    if free < 0:
        raise GateError(_too_large(job, "RAM", job.board.ram_bytes, parts))
    least = min(len(one.seen) for one in asked.questions)
    if free // 4 < least:
        raise GateError(_too_large(job, "RAM", job.board.ram_bytes, {**parts, "seen items": 4 * least}))
    return free // 4


def _too_large(job: McuJob, what: str, most: int, parts: Mapping[str, int]) -> str:
    each = ", ".join(f"{name} {size:,}" for name, size in parts.items())
    return f"{job.where} needs {sum(parts.values()):,} bytes of {what}, and there are {most:,}: {each}"


def _tries(job: McuJob, header: Header, asked: Questions) -> list[Try]:
    """The firmware with each level of optimisation; GateError where none fits the chip's flash."""
    few, tries = asked.questions[:_TRIED], []
    for level in LEVELS:
        made = build(
            job.tools, job.board, header, job.scratch / "model.bin", _room("counted", header, asked), level
        )
        median = None
        if made.sizes.flash <= job.chip.flash_bytes:
            boot = run_counting(job.tools.qemu, job.machine, made, few)
            median = round(percentile(boot.queries, 50))
        tries.append(Try(level, made, median))
    if not any(one.instructions for one in tries):
        least = min(tries, key=lambda one: one.firmware.sizes.flash)
        sizes = {f"code with {least.level}": least.firmware.sizes.code, "model": least.firmware.sizes.model}
        raise GateError(_too_large(job, "flash", job.chip.flash_bytes, sizes))
    return tries


def _check_ram(job: McuJob, best: Try, boot: Boot) -> None:
    """GateError where more was used than the chip has; the questions' own memory is not counted."""
    found = memory_facts(best.firmware, boot, job.k)
    if found["ram_bytes"] > job.chip.ram_bytes:
        parts = {name.removesuffix("_bytes"): size for name, size in found.items() if name != "ram_bytes"}
        raise GateError(_too_large(job, "RAM", job.chip.ram_bytes, parts))


def _cross_checked(
    job: McuJob, best: Try, boot: Boot, asked: Questions
) -> tuple[Mapping[str, Any] | None, Sequence[str]]:
    """Both counts, or None and why there is one alone."""
    try:
        plugin = build_plugin(job.scratch)
        counts = run_with_plugin(job.tools.qemu, job.machine, best.firmware, asked.questions, plugin)
    except (SkippedError, EmulationError) as error:
        return None, [f"instructions were counted in one way alone, by the clock: {error}"]
    return cross_check(boot, counts), []
