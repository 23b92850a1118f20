"""What a model.bin needs of a microcontroller, computed from its header. Standard library alone.

The file and the scratch are exact. Code and stack are those of a firmware that was compiled for one model,
measured on Cortex-M0 to M55 with every recipe (tests/device_bench/test_mcu_machine.py): the largest of them,
rounded up. ``device_bench run --on mcu:BOARD`` measures all four.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from recpress_edge.core.errors import ConfigError
from recpress_edge.device.c import model_bin
from recpress_edge.device.c.model_bin import Header

CODE_BYTES: Final = 10 * 1024
"""Of the engine, the start-up and the compiler's helpers, compiled for size (-Os)."""
ANY_FLASH: Final = 2**32
"""More than any microcontroller has."""
STATIC_BYTES: Final = 64
"""An opened model."""
_STACK_BYTES: Final = 1280
_STACK_BYTES_OF_DIM: Final = 8
LONG_SHARE: Final = 2
"""Lists longer than this share of the blocks keep four maxima a block (is_long of recpress.c).

In another order than the catalogue's those that are longer than the blocks are many.
"""
_FORMAT: Final = "c"
_SCORE16: Final = "score16"
"""A recipe whose file is one of int8-dim."""
_SPARE_KEYS: Final = 72
_BOX_SEEDS: Final = 96


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes on a microcontroller."""

    flash_bytes: int
    """Code and model."""
    ram_bytes: int
    """Static memory, scratch, a list of items with their scores, and the stack; without the seen items."""


def footprint(header: Header, k: int) -> Footprint:
    """Of a model and lists of ``k``, at most the catalogue. The header's places and file_bytes may be 0."""
    k = min(k, header.n_items)
    return Footprint(
        flash_bytes=CODE_BYTES + file_bytes(header),
        ram_bytes=STATIC_BYTES + scratch_bytes(header, k) + 8 * k + stack_bytes(header),
    )


def needs_of(artifact: Mapping[str, Any], k: int) -> Footprint | None:
    """Of a bundle, by the section ``artifact`` of its record; None for other files than format c."""
    recipe = "int8-dim" if artifact["recipe"] == _SCORE16 else str(artifact["recipe"])
    stored = artifact.get("provenance", {}).get("order", {})
    order = stored.get("order", model_bin.ORDERS[model_bin.CATALOGUE])
    if artifact["format"] != _FORMAT or recipe not in model_bin.RECIPES or order not in model_bin.ORDERS:
        return None
    shape = header_of(
        recipe,
        artifact["profile"],
        n_users=artifact["n_users"],
        n_items=artifact["n_items"],
        dim=artifact["dim"],
    )
    header = replace(shape, order=model_bin.ORDERS.index(order))
    return replace(footprint(header, k), flash_bytes=CODE_BYTES + artifact["file_bytes"])


def file_bytes_within(flash_bytes: int) -> int:
    """The largest file beside which the code fits; ConfigError where the code alone does not."""
    if flash_bytes <= CODE_BYTES:
        raise ConfigError(
            f"{flash_bytes:,} bytes of flash hold no model: the code takes up to {CODE_BYTES:,}. Ask for more"
        )
    return flash_bytes - CODE_BYTES


def header_of(recipe: str, profile: str, *, n_users: int, n_items: int, dim: int) -> Header:
    """Of a file in the catalogue's order, without places. n_users: 0 in a history file."""
    return Header(
        recipe=model_bin.RECIPES.index(recipe),
        profile=model_bin.PROFILES.index(profile),
        n_users=n_users,
        n_items=n_items,
        dim=dim,
    )


def stack_bytes(header: Header) -> int:
    """An upper estimate of the stack."""
    return _STACK_BYTES + _STACK_BYTES_OF_DIM * header.dim


def file_bytes(header: Header) -> int:
    """Of the model.bin that such a header begins."""
    at = model_bin.HEADER_BYTES
    for size in model_bin.section_bytes(header).values():
        at = _up_to(at, model_bin.ALIGNMENT) + size if size else at
    return at


def scratch_bytes(header: Header, k: int) -> int:
    """What rp_scratch_bytes of recpress.h returns."""
    blocks, k = header.n_blocks, min(k, header.n_items)
    history = _up_to(4 * header.dim, 16) if header.profile == model_bin.HISTORY else 0
    keys = 8 * _up_to(2 * k + _SPARE_KEYS, 2)
    return 4 * _up_to(blocks, 8) + 4 * _maxima(header, k) + 2 * keys + history


def _maxima(header: Header, k: int) -> int:
    blocks = header.n_blocks
    is_long = k > blocks // (LONG_SHARE if header.order == model_bin.CATALOGUE else 1)
    of_blocks = _up_to(4 * blocks if is_long else blocks, 8)
    if header.order != model_bin.NEIGHBOURS:
        return of_blocks
    boxes = _up_to(2 * blocks, model_bin.BLOCK)
    return max(of_blocks, boxes + _up_to(boxes // model_bin.BLOCK, 8) + _BOX_SEEDS * model_bin.HALF)


def _up_to(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
