"""Boards with a Cortex-M that qemu-system-arm emulates, and how compilers are told of their cores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_KIB: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class McuBoard:
    """A board's core and memory."""

    model: str
    core: str
    part: str
    """Of the core, as its CPUID register has it."""
    gcc: tuple[str, ...]
    """Flags of arm-none-eabi-gcc."""
    zig: tuple[str, ...]
    """Flags of zig's clang."""
    flash_bytes: int
    ram_at: int = 0x2000_0000
    ram_bytes: int


def _gcc(cpu: str, unit: str = "") -> tuple[str, ...]:
    floats = (f"-mfpu={unit}", "-mfloat-abi=hard") if unit else ("-mfloat-abi=soft",)
    return (f"-mcpu={cpu}", "-mthumb", *floats)


def _zig(cpu: str, *, floats: bool = False) -> tuple[str, ...]:
    return ("-target", f"thumb-freestanding-eabi{'hf' if floats else ''}", f"-mcpu={cpu}")


# Memory: as qemu has it (hw/arm/mps2.c, mps2-tz.c, nrf51_soc.c), from where each core starts.
BOARDS: Final[Mapping[str, McuBoard]] = {
    "mps2-an385": McuBoard(
        model="Arm MPS2 AN385", core="Cortex-M3", part="0xc23",
        gcc=_gcc("cortex-m3"), zig=_zig("cortex_m3"),
        flash_bytes=4096 * _KIB, ram_bytes=4096 * _KIB,
    ),
    "mps2-an386": McuBoard(
        model="Arm MPS2 AN386", core="Cortex-M4", part="0xc24",
        gcc=_gcc("cortex-m4", "fpv4-sp-d16"), zig=_zig("cortex_m4+vfp4d16sp", floats=True),
        flash_bytes=4096 * _KIB, ram_bytes=4096 * _KIB,
    ),
    "mps2-an500": McuBoard(
        model="Arm MPS2 AN500", core="Cortex-M7", part="0xc27",
        gcc=_gcc("cortex-m7", "fpv5-d16"), zig=_zig("cortex_m7+fp_armv8d16", floats=True),
        flash_bytes=4096 * _KIB, ram_bytes=4096 * _KIB,
    ),
    "mps3-an547": McuBoard(
        model="Arm MPS3 AN547", core="Cortex-M55", part="0xd22",
        gcc=("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"), zig=_zig("cortex_m55", floats=True),
        flash_bytes=512 * _KIB, ram_bytes=512 * _KIB,
    ),
    "microbit": McuBoard(
        model="BBC micro:bit v1, nRF51822", core="Cortex-M0", part="0xc20",
        gcc=_gcc("cortex-m0"), zig=_zig("cortex_m0"),
        flash_bytes=256 * _KIB, ram_bytes=16 * _KIB,
    ),
}  # fmt: skip
