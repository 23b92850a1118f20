"""The engine compiled here for a board's core: for boards, emulated or distant, that have no compiler."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from recpress_edge.core.errors import SkippedError
from recpress_edge.device.c.building import compile_library
from recpress_edge.device.c.compiler import COMMON, SHARED, Compiler, find_zig, program_named
from recpress_edge.device.c.model_bin import read_header
from recpress_edge.device.c.source import amalgamated, flags_for

GCC: Final = "aarch64-linux-gnu-gcc"
ANY_CORE: Final = "aarch64"
"""What every 64-bit Arm core executes."""
_DOTPROD: Final = ("-march=armv8.2-a+dotprod", "-mtune=cortex-a76")
CORES: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    ANY_CORE: ((), "generic"),
    "cortex-a53": (("-mcpu=cortex-a53",), "cortex_a53"),
    "cortex-a72": (("-mcpu=cortex-a72",), "cortex_a72"),
    "cortex-a76": (_DOTPROD, "cortex_a76"),
}
"""Flags for gcc, and zig's name of the core."""


def engine_for(model: Path, core: str, folder: Path, fetched: Sequence[str] = ()) -> Path:
    """A library in ``folder`` for models like this one on ``core``; SkippedError without a compiler.

    ``fetched``: the command of a gcc that is not installed. It finds its headers, not the C library.
    """
    flags, zig_core = CORES[core]
    if fetched:
        compiler, flags = Compiler(tuple(fetched), fetched[-1]), ("-nostdlib", *flags)
    elif gcc := program_named(GCC):
        compiler = Compiler((GCC,), gcc)
    elif zig := find_zig():
        compiler, flags = zig, ("-target", "aarch64-linux-gnu", f"-mcpu={zig_core}")
    else:
        raise SkippedError(
            "install gcc-aarch64-linux-gnu, or ziglang from PyPI: the engine of format c is compiled here "
            f"for {core}"
        )
    header = read_header(model.read_bytes())
    target = folder / f"{core}.so"
    every = [*COMMON, *SHARED, *flags, *flags_for(header)]
    compile_library(compiler, amalgamated(with_interface=True), every, target)
    return target
