"""Firmware with one model: compiled and linked for a board."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from device_bench.emulation.tools import find_compiler, run_tool
from device_bench.mcu.boards import McuBoard
from device_bench.mcu.layout import Sizes, sizes_of, write_script
from device_bench.mcu.tools import Tools
from recpress_edge.device.c.model_bin import Header
from recpress_edge.device.c.source import FOLDER, amalgamated, flags_for

LEVELS: Final = ("-Os", "-O2", "-O3")
"""Of optimisation, those that are tried."""
HERE: Final = Path(__file__).parent
_FLAGS: Final = (
    *("-std=c99", "-ffreestanding", "-ffp-contract=off", "-ffunction-sections", "-fdata-sections"),
    *("-Wall", "-Wextra", "-Werror"),
)


@dataclass(frozen=True, slots=True)
class Room:
    """What the questions need of a firmware's static memory."""

    name: str
    """Of the questions."""
    k: int
    """Length of the lists."""
    seen: int
    """Seen items of a question at most."""
    scratch_bytes: int


@dataclass(frozen=True, slots=True)
class Firmware:
    """A linked program."""

    folder: Path
    """Where it lies, and where it will look for its questions."""
    flags: tuple[str, ...]
    """Of the compiler."""
    sizes: Sizes

    @property
    def program(self) -> Path:
        return self.folder / "firmware.elf"


def build(tools: Tools, board: McuBoard, header: Header, model: Path, room: Room, level: str) -> Firmware:
    """Compile the engine for this model alone, and link it with the model; beside ``model``, by level."""
    folder = model.parent / f"{room.name}{level}"
    folder.mkdir()
    (folder / "model.bin").symlink_to(model)
    (folder / "recpress.h").write_bytes((FOLDER / "recpress.h").read_bytes())
    (folder / "engine.c").write_text(amalgamated())
    flags = (*tools.core_flags(board), level, *_FLAGS)
    sizes = {"MOST_K": room.k, "MOST_SEEN": max(room.seen, 1), "SCRATCH_BYTES": room.scratch_bytes}
    own = [f"-D{name}={value}" for name, value in sizes.items()]
    _compile(tools, folder, [*flags, "-DRP_FREESTANDING", *flags_for(header)], folder / "engine.c")
    _compile(tools, folder, [*flags, "-I", ".", *own], HERE / "firmware.c")
    libraries = () if tools.is_zig else ("-nostdlib",)
    with_helpers = (
        () if tools.is_zig else ("-lgcc",)
    )  # zig links its own; gcc's stand behind what asks for them
    tools.compiler.run(
        [
            *(*flags, *libraries, "-nostartfiles", "-Wl,--gc-sections", "-T", write_script(board, folder)),
            *("firmware.o", "engine.o", *with_helpers, "-o", "firmware.elf"),
        ],
        what="linking the firmware",
        cwd=folder,
    )
    return Firmware(folder, flags, sizes_of((folder / "firmware.elf").read_bytes()))


def _compile(tools: Tools, folder: Path, flags: Sequence[str], source: Path) -> None:
    tools.compiler.run(
        [*flags, "-c", source, "-o", f"{source.stem}.o"], what=f"compiling {source.name}", cwd=folder
    )


def build_plugin(folder: Path) -> Path:
    """The plugin that counts instructions; SkippedError without a compiler for this machine."""
    plugin = folder / "counting.so"
    run_tool(
        [find_compiler(), "-O2", "-shared", "-fPIC", "-o", plugin, HERE / "counting.c"],
        what="compiling the counting plugin",
    )
    return plugin
