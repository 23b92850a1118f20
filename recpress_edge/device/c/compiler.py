"""Compilers of this machine and their flags; nothing is run here (see building.py)."""

import os
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final, NamedTuple

COMMON: Final = ("-O3", "-std=c99", "-ffp-contract=off")
"""No operation is fused with another: each float32 result is rounded, so that all machines agree."""
SHARED: Final = ("-fPIC", "-shared", "-DRP_AUDIT")
"""Of a library that Python loads: it can say whether a file keeps what it promises."""
TOLD: Final = ".txt"
"""Of the file beside a library that says what made it."""
COMPILERS: Final = ("cc", "gcc", "clang")
_CPU_FACTS: Final = ("flags", "Features", "CPU part", "model name", "isa")


class Compiler(NamedTuple):
    """A C compiler that can be run."""

    command: tuple[str, ...]
    """What starts it."""
    program: str
    """The file behind the command."""

    @property
    def identity(self) -> str:
        """Another one after an update of the compiler."""
        found = os.stat(self.program)  # noqa: PTH116  # a path of the system's, never a person's
        return f"{' '.join(self.command)} {self.program} {found.st_size} {found.st_mtime_ns}"


def find_compiler() -> Compiler | None:
    """$CC, else cc, gcc or clang on the path, else the zig that PyPI brings; None where there is none."""
    chosen = tuple(os.environ.get("CC", "").split())
    for command in [chosen] if chosen else [(name,) for name in COMPILERS]:
        if found := program_named(command[0]):
            return Compiler(command, found)
    return None if chosen else find_zig()


def find_zig() -> Compiler | None:
    """``python -m ziglang cc``, which compiles for every machine."""
    spec = PathFinder.find_spec("ziglang")
    if spec is None or spec.origin is None:
        return None
    program = Path(spec.origin).parent / "zig"
    return Compiler((sys.executable, "-m", "ziglang", "cc"), str(program)) if program.is_file() else None


def program_named(name: str) -> str | None:
    """The real path of a program, as a shell would find it; shutil, which does the same, imports a lot."""
    folders: Sequence[str] = [""] if os.sep in name else os.get_exec_path()
    for folder in folders:
        path = os.path.join(folder, name)  # noqa: PTH118
        if os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113
            return os.path.realpath(path)
    return None


def machine_flags(machine: str) -> list[str]:
    """What makes a compiler use all that the core it runs on can."""
    return ["-mcpu=native" if machine.startswith(("arm", "aarch64")) else "-march=native"]


def machine_identity() -> str:
    """What decides which instructions this machine has: a home folder may be that of several machines."""
    try:
        first = Path("/proc/cpuinfo").read_text(errors="replace").partition("\n\n")[0]
    except OSError:
        first = ""
    facts = [line for line in first.splitlines() if line.startswith(_CPU_FACTS)]
    return "\n".join([*os.uname()[:1], os.uname().machine, *facts])
