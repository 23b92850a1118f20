"""Boards with a Cortex-M that qemu-system-arm emulates, and how firmware is compiled and linked for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_KIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board's core and memory."""

    model: str
    core: str
    cpu: str
    """As qemu and zig's clang name it, with underscores for zig."""
    part: str
    """Of the core's CPUID register."""
    gcc: tuple[str, ...]
    """Flags of arm-none-eabi-gcc that choose the core."""
    hard_float: bool = False
    flash_at: int = 0
    flash_bytes: int
    ram_at: int = 0x2000_0000
    ram_bytes: int


def _gcc(cpu: str, floats: str = "") -> tuple[str, ...]:
    unit = (f"-mfpu={floats}", "-mfloat-abi=hard") if floats else ("-mfloat-abi=soft",)
    return (f"-mcpu={cpu}", "-mthumb", *unit)


# Memory: qemu's hw/arm/mps2.c, mps2-tz.c and nrf51_soc.c. What is linked lies in what the core starts from.
BOARDS: Final[Mapping[str, Board]] = {
    "mps2-an385": Board(
        model="Arm MPS2 AN385", core="Cortex-M3", cpu="cortex-m3", part="0xc23", gcc=_gcc("cortex-m3"),
        flash_bytes=4096 * _KIB, ram_bytes=4096 * _KIB,
    ),
    "mps2-an386": Board(
        model="Arm MPS2 AN386", core="Cortex-M4", cpu="cortex-m4", part="0xc24",
        gcc=_gcc("cortex-m4", "fpv4-sp-d16"), hard_float=True, flash_bytes=4096 * _KIB, ram_bytes=4096 * _KIB,
    ),
    "mps2-an500": Board(
        model="Arm MPS2 AN500", core="Cortex-M7", cpu="cortex-m7", part="0xc27",
        gcc=_gcc("cortex-m7", "fpv5-d16"), hard_float=True, flash_bytes=4096 * _KIB, ram_bytes=4096 * _KIB,
    ),
    "mps3-an547": Board(
        model="Arm MPS3 AN547", core="Cortex-M55", cpu="cortex-m55", part="0xd22",
        gcc=("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"), hard_float=True,
        flash_bytes=512 * _KIB, ram_bytes=512 * _KIB,
    ),
    "microbit": Board(
        model="BBC micro:bit v1 (nRF51822)", core="Cortex-M0", cpu="cortex-m0", part="0xc20",
        gcc=_gcc("cortex-m0"), flash_bytes=256 * _KIB, ram_bytes=16 * _KIB,
    ),
}  # fmt: skip
