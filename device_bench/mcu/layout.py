"""Where firmware lies in a board's memory, and how large its parts became."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from device_bench.emulation.tools import EmulationError
from device_bench.mcu.boards import McuBoard

MARK_AT: Final = 64
"""Where ``mark`` of firmware.c lies: behind the sixteen vectors with which every core starts at 0."""
_ANY_FLASH: Final = 2**26
"""What is linked may be larger than a board's flash: its size is the answer then, and it is never run."""

_SCRIPT: Final = """\
ENTRY(reset)
MEMORY {{
  FLASH (rx) : ORIGIN = 0, LENGTH = {flash_bytes}
  RAM (rwx) : ORIGIN = {ram_at:#x}, LENGTH = {ram_bytes}
}}
SECTIONS {{
  .vectors : {{ KEEP(*(.vectors)) KEEP(*(.mark)) }} > FLASH
  .engine : {{ *engine.o(.text .text.* .rodata .rodata.*) }} > FLASH
  .text : {{ *(.text .text.* .rodata .rodata.*) }} > FLASH
  .model : {{ KEEP(*(.model)) }} > FLASH
  .data : {{
    . = ALIGN(4); __data_start = .; *(.data .data.*) . = ALIGN(4); __data_end = .;
  }} > RAM AT > FLASH
  __data_load = LOADADDR(.data);
  .bss (NOLOAD) : {{
    . = ALIGN(4); __bss_start = .; *(.bss .bss.* COMMON) . = ALIGN(4); __bss_end = .;
  }} > RAM
  .noinit (NOLOAD) : {{ *(.noinit) }} > RAM
  .questions (NOLOAD) : {{ *(.noinit.questions) . = ALIGN(8); __stack_limit = .; }} > RAM
  __stack_top = ORIGIN(RAM) + LENGTH(RAM);
  /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab* .comment .note*) }}
}}
"""
_HEADER: Final = struct.Struct("<16s2H5I6H")
_SECTION: Final = struct.Struct("<10I")
_CODE: Final = (".vectors", ".engine", ".text", ".data")


def linker_script(board: McuBoard) -> str:
    """The script of GNU ld and lld: the flash from its start, the stack at the end of the RAM."""
    return _SCRIPT.format(
        flash_bytes=_ANY_FLASH,
        ram_at=board.ram_at,
        ram_bytes=board.ram_bytes,
    )


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of a firmware."""

    code: int
    """In flash, all but the model: engine, start-up, and what asks the questions."""
    engine: int
    """Of the code, the engine alone."""
    model: int
    """In flash, with what fills up before it."""
    data: int
    """Static memory that start-up fills: .data and .bss."""
    room: int
    """Static memory for scratch and answers."""
    questions: int
    """Static memory for a question's seen items."""

    @property
    def flash(self) -> int:
        return self.code + self.model


def sizes_of(elf: bytes) -> Sizes:
    """Bytes of each part, by the section headers of a 32-bit ELF; EmulationError where it is none."""
    try:
        found = _sections(elf)
    except (struct.error, IndexError, ValueError) as error:
        raise EmulationError(f"the linked firmware is no 32-bit ELF: {error}") from None
    fill = -sum(found.get(name, 0) for name in _CODE[:3]) % 64
    return Sizes(
        code=sum(found.get(name, 0) for name in _CODE),
        engine=found.get(".engine", 0),
        model=found[".model"] + fill,
        data=found.get(".data", 0) + found.get(".bss", 0),
        room=found.get(".noinit", 0),
        questions=found.get(".questions", 0),
    )


def _sections(elf: bytes) -> Mapping[str, int]:
    *_, table, _, _, _, _, size, count, names = _HEADER.unpack_from(elf)
    if elf[:5] != b"\x7fELF\x01" or size != _SECTION.size:
        raise ValueError("another header")
    rows = [_SECTION.unpack_from(elf, table + size * index) for index in range(count)]
    texts = elf[rows[names][4] : rows[names][4] + rows[names][5]]
    return {texts[row[0] : texts.index(b"\0", row[0])].decode(): row[5] for row in rows}


def write_script(board: McuBoard, folder: Path) -> str:
    """Write the linker script; its name."""
    (folder / "board.ld").write_text(linker_script(board))
    return "board.ld"
