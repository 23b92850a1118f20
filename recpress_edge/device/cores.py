"""The table of processor cores that a file can be arranged for: the same answers, other bytes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.core.errors import ConfigError, unknown_name

CORES: Final[Mapping[str, str]] = {
    "armv8.0": "Cortex-A53, A72: 64-bit Arm without dot products",
    "armv8.2": "Cortex-A76: 64-bit Arm with dot products",
}
"""The instruction set that a file is arranged for, and whose it is."""

FLOAT_CAST: Final = "float-cast"
PADDED: Final = "padded"
BY_DIMS: Final = "by dimensions"
PADDED_TO: Final = 16
"""Values of a row: the width of a vector register, in int8."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """One way to lay out or to multiply integer tables."""

    name: str
    recipes: tuple[str, ...]
    """Those that it applies to."""
    summary: str
    """What it does and what it costs, for the card."""


_FLOAT_CAST: Final = Arrangement(
    FLOAT_CAST,
    ("int8-dim", "int8-item", "int4-item"),
    "the integer table is widened to float32 when the file is loaded, 4 bytes a value in memory, and "
    "multiplied as such; sums are whole numbers below 2^24, so ids and scores are those of the integers",
)
_PADDED: Final = Arrangement(
    PADDED,
    ("int8-dim", "int8-item"),
    f"int8 rows are filled up with zeros to a multiple of {PADDED_TO} values, so that the built-in kernels "
    "read them where they are",
)
_BY_DIMS: Final = Arrangement(
    BY_DIMS,
    ("score16",),
    "of each eight items two dimensions lie together, which cores with dot products read more slowly",
)
ARRANGEMENTS: Final[Mapping[tuple[str, str], Arrangement]] = {
    ("onnx", "armv8.0"): _FLOAT_CAST,
    ("c", "armv8.0"): _BY_DIMS,
    ("tflite", "armv8.0"): _PADDED,
    ("tflite", "armv8.2"): _PADDED,
}
"""By format and core, where another arrangement than the usual one is faster (docs/guide/cores.md)."""


def arrangement_of(file_format: str, core: str) -> str:
    """The name of the arrangement in a file of a format for a core; empty for the usual one."""
    found = ARRANGEMENTS.get((file_format, core))
    return found.name if found else ""


def core_lines(file_format: str, core: str) -> list[str]:
    """For which core a file is made, and what that changes in it; nothing for the usual file."""
    found = ARRANGEMENTS.get((file_format, core))
    return [f"arranged for {core} ({CORES[core]}): {found.summary}"] if found else []


def check_core(core: str | None, file_format: str, recipe: Recipe) -> None:
    """ConfigError for an unknown core, and for a format or recipe whose usual file is the one for it."""
    if core is None:
        return
    if core not in CORES:
        raise unknown_name("core", core, list(CORES))
    found = ARRANGEMENTS.get((file_format, core))
    if found is None:
        others = " or ".join(sorted({name for name, one in ARRANGEMENTS if one == core}))
        raise ConfigError(
            f"--core {core} changes nothing in format {file_format}: its usual file is the one for "
            f"{CORES[core]}. Leave --core out, or use --format {others}."
        )
    if recipe.name not in found.recipes:
        raise ConfigError(
            f"--core {core} arranges integer tables, and recipe {recipe.name} as {file_format} has none that "
            f"it could. Leave --core out, or use --recipe {' or '.join(found.recipes)}."
        )
