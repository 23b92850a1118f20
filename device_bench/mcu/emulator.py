"""Firmware run in the emulator: questions in, answers and its own figures out."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from device_bench.emulation.tools import EmulationError
from device_bench.mcu.firmware import Firmware
from device_bench.mcu.layout import MARK_AT
from device_bench.mcu.tools import Tool
from recpress_edge.core.arrays import F32, I64

LOOP_INSTRUCTIONS: Final = 1_000_000
"""What the loop executes by which firmware.c measures a tick."""
TIMEOUT_S: Final = 1800.0
_FACTS: Final = struct.Struct("<8I")
_QUESTION: Final = struct.Struct("<3I")
_ANSWER: Final = struct.Struct("<iI")


@dataclass(frozen=True, slots=True)
class McuQuestion:
    """What is asked of the engine."""

    user: int
    seen: Sequence[int]
    k: int


@dataclass(frozen=True, slots=True, eq=False)
class BoardAnswer:
    """What it answered."""

    items: I64
    """(k,), fewer where fewer are left."""
    scores: F32
    """(k,)"""
    ticks: int


@dataclass(frozen=True, slots=True)
class Depths:
    """Bytes of stack that were in use at most until then."""

    boot: int
    load: int
    first_query: int
    all: int


@dataclass(frozen=True, slots=True)
class Boot:
    """One run of a firmware."""

    answers: Sequence[BoardAnswer]
    instructions_per_tick: float
    boot_ticks: int
    load_ticks: int
    scratch_bytes: int
    stack: Depths

    def instructions(self, ticks: int) -> int:
        """What was executed in so many ticks."""
        return round(ticks * self.instructions_per_tick)

    @property
    def queries(self) -> list[int]:
        """Instructions of each question, the call included, to a tick."""
        return [self.instructions(answer.ticks) for answer in self.answers]


def run_counting(qemu: Tool, machine: str, firmware: Firmware, questions: Sequence[McuQuestion]) -> Boot:
    """Ask all questions, on a clock that advances by a nanosecond an instruction."""
    _run(qemu, machine, firmware, questions, ["-icount", "shift=0"])
    try:
        facts = _FACTS.unpack((firmware.folder / "facts").read_bytes())
        answers = list(_answers((firmware.folder / "answers").read_bytes()))
    except (OSError, struct.error) as error:
        raise EmulationError(f"the firmware on {machine} ended without its answers: {error}") from None
    if len(answers) != len(questions):
        raise EmulationError(
            f"the firmware on {machine} answered {len(answers)} of {len(questions)} questions"
        )
    boot_ticks, load_ticks, loop_ticks, scratch_bytes, *stack = facts
    per_tick = LOOP_INSTRUCTIONS / loop_ticks
    return Boot(answers, per_tick, boot_ticks, load_ticks, scratch_bytes, Depths(*stack))


def run_with_plugin(
    qemu: Tool, machine: str, firmware: Firmware, questions: Sequence[McuQuestion], plugin: Path
) -> list[int]:
    """Instructions of each question as a plugin of the emulator counts them, without any clock."""
    options = f"{plugin},out={firmware.folder / 'marks'},mark={MARK_AT:x}"
    _run(qemu, machine, firmware, questions, ["-plugin", options])
    marks = [int(line) for line in (firmware.folder / "marks").read_text().split()]
    if len(marks) != 2 * len(questions):
        raise EmulationError("the counting plugin wrote no marks: this qemu runs no plugins")
    return [after - before for before, after in zip(marks[::2], marks[1::2], strict=True)]


def _run(
    qemu: Tool, machine: str, firmware: Firmware, questions: Sequence[McuQuestion], options: Sequence[str]
) -> None:
    folder = firmware.folder
    for name in ("facts", "answers"):
        (folder / name).unlink(missing_ok=True)
    (folder / "questions").write_bytes(b"".join(map(_words, questions)))
    quiet = ("-nographic", "-monitor", "none", "-serial", "none")
    files = ("-semihosting-config", "enable=on,target=native")
    qemu.run(
        ["-M", machine, *quiet, *files, "-kernel", firmware.program, *options],
        what=f"the firmware on {machine}",
        cwd=folder,
        timeout_s=TIMEOUT_S,
    )


def _words(question: McuQuestion) -> bytes:
    head = _QUESTION.pack(question.user, question.k, len(question.seen))
    return head + np.asarray(question.seen, "<u4").tobytes()


def _answers(data: bytes) -> list[BoardAnswer]:
    """Of a file of answers; struct.error where it ends too soon, EmulationError where one is an error."""
    found, at = list[BoardAnswer](), 0
    while at < len(data):
        n, ticks = _ANSWER.unpack_from(data, at)
        at += _ANSWER.size
        if n < 0:
            raise EmulationError(f"the engine refused question {len(found) + 1} with error {n}")
        if len(data) < at + 8 * n:
            raise struct.error("an answer is cut off")
        items = np.frombuffer(data, "<u4", n, at).astype(np.int64)
        found.append(BoardAnswer(items, np.frombuffer(data, "<f4", n, at + 4 * n), ticks))
        at += 8 * n
    return found
