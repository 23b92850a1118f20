"""Programs from exec to their first answer in an emulated machine, with what its kernel does for them."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from engine_cases import Question
from engine_models import Kind
from engine_programs import HERE, TIMEOUT_S
from engine_tiny import arm_program, question_bytes

from device_bench.emulation.cpio import ArchiveEntry, entries_of, folder, write_cpio
from device_bench.emulation.guest import Setup, compile_bytecode
from device_bench.emulation.machine import boot
from device_bench.emulation.payload import copy_sources
from recpress_edge.core.files import scratch_folder

RUNS: Final = 5
"""Of each program; the kernel has none of its pages in the first."""
MEMORY_BYTES: Final = 512 * 2**20
BOOT_TIMEOUT_S: Final = 1800.0
_MARK: Final = "@@"


@dataclass(frozen=True, slots=True)
class Start:
    """A program's first answer, in every run."""

    instructions: tuple[int, ...]
    """From exec until another process has read the answer, kernel and program."""
    resident_kib: int
    """After the last of them."""
    private_kib: int
    """What of it is no file's."""


def compiled_watch(target: Path, compiler: str = "aarch64-linux-gnu-gcc") -> Path:
    """first.c, without libraries to load."""
    command = [compiler, "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O2", "-static", "-s"]
    subprocess.run([*command, str(HERE / "first.c"), "-o", str(target)], check=True, timeout=TIMEOUT_S)
    return target


def put_program(files: Path, kind: Kind, question: Question) -> list[str]:
    """first.c, its question and tiny.c for a kind of model into a folder; how that is started."""
    compiled_watch(files / "first")
    arm_program(kind, files / "tiny")
    (files / "question").write_bytes(question_bytes(question))
    return ["/app/tiny"]


def starts(
    setup: Setup, cpu: str, files: Path, commands: Mapping[str, Sequence[str]], environment: Mapping[str, str]
) -> dict[str, Start]:
    """Boot once and start each command RUNS times; RuntimeError where one of them does not answer.

    ``files``: a folder with ``first``, ``question`` and what the commands name, which they find in /app.
    """
    console = boot(
        setup,
        cpu,
        MEMORY_BYTES,
        lambda file: _write_payload(file, setup, files, commands, environment),
        lambda line: None,
        BOOT_TIMEOUT_S,
    )
    found: dict[str, list[list[int]]] = {name: [] for name in commands}
    for line in console.lines:
        name, known, figures = line.removeprefix(_MARK).partition(" ")
        if line.startswith(_MARK) and known and name in found:
            found[name].append(list(map(int, figures.split())))
    lacking = [name for name, runs in found.items() if len(runs) != RUNS]
    if lacking:
        raise RuntimeError(f"no answer of {', '.join(lacking)}: {' | '.join(console.lines[-12:])}")
    return {
        name: Start(tuple(run[0] for run in runs), runs[-1][1], runs[-1][2]) for name, runs in found.items()
    }


def _write_payload(
    file: IO[bytes],
    setup: Setup,
    files: Path,
    commands: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
) -> None:
    exports = [f"export {name}={value}\n" for name, value in environment.items()]
    calls = [
        f"/app/first {RUNS} /app/question {' '.join(command)} | /bin/busybox sed 's/^/{_MARK}{name} /'\n"
        for name, command in commands.items()
    ]
    with scratch_folder("recpress-start-") as scratch:
        app = scratch / "app"
        copy_sources(app)
        compile_bytecode(scratch, app, setup)
        entries = [*entries_of(app, "app/"), *entries_of(files, "app/")]
        script = ArchiveEntry("app/run.sh", 0o100755, "".join([*exports, *calls]).encode())
        write_cpio(file, [folder("app"), script, *entries])
