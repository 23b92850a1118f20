"""The engine in a program without a library: its size, what it executes, what of it is in memory."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from engine_cases import Question
from engine_counts import CACHES, Counted
from engine_models import Kind
from engine_programs import HERE, QEMU_A53, SOURCES, TIMEOUT_S, processor_flags

ALONE: Final = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-ffp-contract=off", "-DRP_FREESTANDING")
NO_LIBRARY: Final = ("-ffreestanding", "-nostdlib", "-static", "-fno-stack-protector", "-s")
LEAN: Final = (
    "-fno-asynchronous-unwind-tables",
    "-Wl,--build-id=none",
    "-Wl,-z,noseparate-code",
    "-DRP_SMALL",
)


@dataclass(frozen=True, slots=True)
class Footprint:
    """Of one answer, from the first instruction on."""

    program_bytes: int
    """The whole file, for Cortex-A53."""
    instructions: int
    """In user space, on Cortex-A53: what the kernel does for it is counted by engine_watch.py."""
    resident_kib: int
    """On this machine, x86-64: program, stack, scratch and the touched pages of the model's file."""
    private_kib: int
    """What of it is not the model's file."""


def footprint(kind: Kind, counted: Counted, folder: Path, plugin: Path) -> Footprint:
    """Build the program for both machines and ask it the first question."""
    model = folder / "tiny.bin"
    model.write_bytes(counted.model)
    arm = arm_program(kind, folder / "tiny-arm")
    own = _compiled("gcc", ("-mavx2",) if "avx2" in processor_flags() else (), kind, folder / "tiny-own")
    marks, asked = folder / "marks", question_bytes(counted.questions[0])
    emulated = [*QEMU_A53, "-plugin", f"{plugin},out={marks},{CACHES}", str(arm), str(model)]
    said = subprocess.run(emulated, input=asked, capture_output=True, check=True, timeout=TIMEOUT_S).stdout
    resident, private = _memory([str(own), str(model)], asked, said)
    executed = int(np.loadtxt(marks, np.int64, usecols=1)[-1])
    return Footprint(arm.stat().st_size, executed, resident, private)


def arm_program(kind: Kind, target: Path) -> Path:
    """tiny.c for models of a kind on Cortex-A53."""
    return _compiled("aarch64-linux-gnu-gcc", ("-mcpu=cortex-a53",), kind, target)


def _compiled(compiler: str, flags: tuple[str, ...], kind: Kind, target: Path) -> Path:
    sources = [str(SOURCES / "recpress.c"), str(HERE / "tiny.c")]
    command = [compiler, *ALONE, *NO_LIBRARY, *LEAN, *flags, *kind.defines, f"-I{SOURCES}", *sources]
    subprocess.run([*command, "-o", str(target)], check=True, timeout=TIMEOUT_S)
    return target


def question_bytes(one: Question) -> bytes:
    """What tiny.c reads."""
    return np.array([one.user, one.k, len(one.seen)], "<u4").tobytes() + one.seen.astype("<u4").tobytes()


def _memory(command: list[str], asked: bytes, wanted: bytes) -> tuple[int, int]:
    """KiB, resident and anonymous, once the answer is there; it must be the emulated program's."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(asked)
        process.stdin.flush()
        said = process.stdout.read(len(wanted))
        lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        process.stdin.close()
    if said != wanted or process.returncode:
        raise RuntimeError(f"{command[0]} answers otherwise than the emulated program")
    facts = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return facts["Rss"], facts["Anonymous"]
