"""The emulator and a compiler for it: what is installed here, or Debian's, unpacked into the cache."""

import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from device_bench.emulation.apt import SYSTEM_STATUS, Apt, unpack
from device_bench.emulation.cache import component, locked
from device_bench.emulation.guest import find_tool
from device_bench.emulation.tools import EmulationError, need, run_tool
from device_bench.mcu.boards import McuBoard
from recpress_edge.core.errors import SkippedError
from recpress_edge.core.progress import OnEvent
from recpress_edge.device.c.compiler import find_zig

QEMU: Final = "qemu-system-arm"
GCC: Final = "arm-none-eabi-gcc"
PACKAGES: Final = ("qemu-system-arm", "gcc-arm-none-eabi")
_RECIPE: Final = 1
"""Raise it when the component is built in another way."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that can be started."""

    command: tuple[str, ...]
    version: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, arguments: Sequence[str | Path], *, what: str, cwd: Path, timeout_s: float = 600.0) -> str:
        """Run to the end; EmulationError says what failed and quotes the program."""
        return run_tool(
            [*self.command, *arguments], what=what, environment=self.environment, cwd=cwd, timeout_s=timeout_s
        )


@dataclass(frozen=True, slots=True)
class Tools:
    """What builds and runs firmware."""

    qemu: Tool
    compiler: Tool
    is_zig: bool

    @property
    def compiler_name(self) -> str:
        return "zig" if self.is_zig else GCC

    def core_flags(self, board: McuBoard) -> tuple[str, ...]:
        """What tells the compiler of the board's core."""
        return board.zig if self.is_zig else board.gcc


def find_tools(root: Path, on_event: OnEvent) -> Tools:
    """What is installed here, else Debian's packages in the cache at ``root``.

    SkippedError names what to install where neither is possible.
    """
    qemu, gcc, zig = shutil.which(QEMU), shutil.which(GCC), find_zig()
    fetched: dict[str, Tool] = {}
    if qemu is None or (gcc is None and zig is None):
        fetched = _fetched(root, on_event)
    emulator = Tool((qemu,), _version_of((qemu,), {})) if qemu else fetched[QEMU]
    if gcc:
        return Tools(emulator, Tool((gcc,), _version_of((gcc,), {})), is_zig=False)
    if zig:
        version = run_tool([sys.executable, "-m", "ziglang", "version"], what="starting zig").strip()
        return Tools(emulator, Tool(zig.command, version), is_zig=True)
    return Tools(emulator, fetched[GCC], is_zig=False)


def _fetched(root: Path, on_event: OnEvent) -> dict[str, Tool]:
    if shutil.which("apt-get") is None or not SYSTEM_STATUS.is_file():
        raise SkippedError(
            "install qemu-system-arm, and gcc-arm-none-eabi or pip's ziglang: this target needs an emulator "
            "and a compiler for microcontrollers, and this is no Debian system that could fetch its own"
        )
    with locked(root, on_event):
        found = component(root, "mcu-tools", {"recipe": _RECIPE}, lambda draft: _build(draft, root), on_event)
    tools = {}
    for name in (QEMU, GCC):
        program, environment = find_tool(found.folder, name)
        tools[name] = Tool((program,), _version_of((program,), environment), environment)
    return tools


def _build(draft: Path, root: Path) -> Mapping[str, Any]:
    """Debian's packages, unpacked and not installed."""
    machine = run_tool([need("dpkg", "dpkg"), "--print-architecture"], what="asking for the architecture")
    apt = Apt(root / "apt-tools", machine.strip(), installed=True)
    apt.update()
    packages = apt.fetch(PACKAGES)
    for package in packages:
        unpack(apt.archives / package.file, draft, lambda name: not name.startswith("usr/share/doc"))
    return {"packages": {package.name: package.version for package in packages}}


def _version_of(command: tuple[str, ...], environment: Mapping[str, str]) -> str:
    said = run_tool([*command, "--version"], what=f"starting {command[0]}", environment=environment)
    found = re.search(r"\b(\d+\.\d+\.\d+)\b", said)
    if found is None:
        raise EmulationError(f"{command[0]} does not say which version it is: {said.strip()[:80]!r}")
    return found[1]
