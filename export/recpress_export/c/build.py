"""Programs of a bundle of format c for machines that have no compiler: a self-test and a library each.

zig compiles for every target (``python -m ziglang cc``, extra ``c``); another compiler for its own machine.
Both are static and need nothing of the target: the self-test brings its libc, the library has none.
"""

import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import GateError, MissingExtraError
from recpress_edge.core.install import install_command
from recpress_edge.device.c.building import version_of
from recpress_edge.device.c.compiler import COMMON, Compiler, find_compiler, find_zig

PROGRAMS_FILE: Final = "programs.json"
_TIMEOUT_S: Final = 600.0
_SAID: Final = 400
"""Characters of what a compiler says that an error repeats."""
_FUNCTIONS: Final = ("rp_open", "rp_scratch_bytes", "rp_recommend")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildTarget:
    """A machine for which programs are built."""

    triple: str
    """As zig calls it, with the libc of the self-test."""
    zig: tuple[str, ...] = ()
    """zig's flags for its processors."""
    other: tuple[str, ...] = ()
    """The same of gcc and clang, on that machine itself."""
    machines: tuple[str, ...]
    """What ``uname -m`` says there."""
    suffixes: tuple[str, str] = ("", ".so")
    """Of the self-test and of the library."""


TARGETS: Final[Mapping[str, BuildTarget]] = {
    "aarch64": BuildTarget(triple="aarch64-linux-musl", machines=("aarch64", "arm64")),
    "armv7": BuildTarget(
        triple="arm-linux-musleabihf",
        zig=("-mcpu=cortex_a7",),
        other=("-mcpu=cortex-a7", "-mfpu=neon-vfpv4"),
        machines=("armv7l",),
    ),
    "armv6": BuildTarget(
        triple="arm-linux-musleabihf",
        zig=("-mcpu=arm1176jzf_s",),
        other=("-mcpu=arm1176jzf-s",),
        machines=("armv6l",),
    ),
    "x86_64": BuildTarget(
        triple="x86_64-linux-musl",
        zig=("-mcpu=x86_64_v3",),
        other=("-march=x86-64-v3",),
        machines=("x86_64",),
    ),
    "riscv64": BuildTarget(triple="riscv64-linux-musl", machines=("riscv64",)),
    "wasm32": BuildTarget(
        triple="wasm32-wasi",
        zig=("-mcpu=generic+simd128",),
        machines=(),
        suffixes=(".wasm", ".wasm"),
    ),
}
"""By the name that --build takes. x86_64 needs AVX2; armv6 is the Raspberry Pi Zero and 1."""


def check_toolchain(targets: Sequence[str]) -> None:
    """MissingExtraError where no compiler here compiles for a target."""
    for name in targets:
        _compiler_for(name)


def _compiler_for(name: str) -> Compiler:
    own = platform.machine() in TARGETS[name].machines
    compiler = find_zig() or (find_compiler() if own else None)
    if compiler is None:
        raise MissingExtraError(
            f"--build {name} needs a compiler for it: the extra c brings one, zig, for all machines. "
            f"Run in the checkout: {install_command('c')}"
        )
    return compiler


def programs(targets: Sequence[str], files: Mapping[str, bytes], flags: Sequence[str]) -> dict[str, bytes]:
    """Self-tests, libraries and what compiled them, by name.

    files: the bundle's sources and its model. GateError where the self-test of this very machine fails.
    """
    found: dict[str, bytes] = {}
    facts = {}
    with tempfile.TemporaryDirectory(prefix="recpress-") as scratch:
        folder = Path(scratch)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        for name in targets:
            target, compiler = TARGETS[name], _compiler_for(name)
            program, library = f"selftest-{name}{target.suffixes[0]}", library_for(name, folder, flags)
            whole = [*_processor(compiler, target), *COMMON, *flags]
            _compile(compiler, [*whole, *_strip(target), "-static", "selftest.c"], folder, program)
            if platform.system() == "Linux" and platform.machine() in target.machines:
                _check(folder / program)
            found |= {one: (folder / one).read_bytes() for one in (program, library)}
            facts[name] = {
                "compiler": f"{'zig, ' if _is_zig(compiler) else ''}{version_of(compiler)}",
                "flags": whole,
                "selftest": program,
                "library": library,
            }
    return found | {PROGRAMS_FILE: (json.dumps(facts, indent=2, sort_keys=True) + "\n").encode()}


def library_for(name: str, folder: Path, flags: Sequence[str]) -> str:
    """Compile the library for a target from the sources in the folder; its file there."""
    target, compiler = TARGETS[name], _compiler_for(name)
    library = f"recpress-{name}{target.suffixes[1]}"
    alone = [*_processor(compiler, target, libc=False), *COMMON, *flags, *_library_flags(target)]
    _compile(compiler, alone, folder, library)
    return library


def _is_zig(compiler: Compiler) -> bool:
    return "ziglang" in compiler.command


def _processor(compiler: Compiler, target: BuildTarget, *, libc: bool = True) -> list[str]:
    if not _is_zig(compiler):
        return list(target.other)
    triple = target.triple if libc or target.machines else "wasm32-freestanding"
    return ["-target", triple, *target.zig]


def _strip(target: BuildTarget) -> list[str]:
    """Nothing that depends on when and where; the linker of WebAssembly knows no build ids."""
    return ["-s", *(["-Wl,--build-id=none"] if target.machines else [])]


def _library_flags(target: BuildTarget) -> list[str]:
    alone = ["-ffreestanding", "-nostdlib", "-DRP_FREESTANDING"]
    if target.machines:
        return [*_strip(target), *alone, "-shared", "-fPIC"]
    return [*_strip(target), *alone, "-Wl,--no-entry", *(f"-Wl,--export={name}" for name in _FUNCTIONS)]


def _compile(compiler: Compiler, flags: Sequence[str], folder: Path, target: str) -> None:
    command = [*compiler.command, *flags, "recpress.c", "-o", target]
    # zig keeps what it compiled beside the sources, unless it is told where
    environment = {**os.environ, "ZIG_LOCAL_CACHE_DIR": str(folder / ".zig-cache")}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        failed, said = done.returncode != 0, done.stderr.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        failed, said = True, str(error)
    if failed:
        raise MissingExtraError(f"{target} could not be compiled. {' '.join(command)} said: {said[:_SAID]}")


def _check(program: Path) -> None:
    """GateError where a program that runs on this machine does not pass."""
    done = subprocess.run(
        [program, "model.bin"],
        cwd=program.parent,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise GateError(f"{program.name} fails on this machine: {done.stdout.strip()}")
