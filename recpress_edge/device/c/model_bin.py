"""model.bin, the C engine's file: its header, and what makes a file damaged. Standard library alone.

recpress.h specifies the file; docs/reference/model-bin.md says what its sections hold.
"""

import itertools
import math
import struct
import sys
from array import array
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any, Final

MAGIC: Final = b"RECPRESS"
VERSION: Final = 1
HEADER_BYTES: Final = 128
ALIGNMENT: Final = 64
"""Every section starts at a multiple of it."""
BLOCK: Final = 32
"""Items that lie together."""
HALF: Final = 16
"""Items of one box."""
SCALE_BYTES: Final = 2 * BLOCK
"""Of a block's float16 scales."""
MAX_DIM: Final = 1024
MAX_ITEMS: Final = 0xFFFFFF
MAX_HISTORY: Final = 0xFFFF
"""Items that a history with ages reads."""
MAX_BYTES: Final = 2**32 - 1

# Codes of the header; a name's place is its code.
RECIPES: Final = ("fp32", "int8-dim", "int8-item", "int4-item")
PROFILES: Final = ("all-users", "single-user", "history")
ORDERS: Final = ("catalogue", "length", "neighbours")
LAYOUTS: Final = ("quads", "dims")
FP32, INT8_DIM, INT8_ITEM, INT4_ITEM = range(4)
ALL_USERS, SINGLE_USER, HISTORY = range(3)
CATALOGUE, LENGTH, NEIGHBOURS = range(3)
QUADS, DIMS = range(2)
FITS_16: Final = 1
"""The flag of recipe score16: every score of the file's users fits 16 bits."""
ORDER_ONLY: Final = 2
"""The flag of a file without users' scales: scores order the items of one user, and say nothing else."""

_FIELDS: Final = struct.Struct("<8s11If10I8I")
_RESERVED: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first 128 bytes; fields and their order are those of ``rp_header``."""

    magic: bytes = MAGIC
    version: int = VERSION
    file_bytes: int = 0
    recipe: int
    profile: int
    order: int = CATALOGUE
    layout: int = QUADS
    flags: int = 0
    n_users: int
    n_items: int
    dim: int
    n_retired: int = 0
    step: float = 0.0
    user_at: int = 0
    user_scale_at: int = 0
    items_at: int = 0
    bounds_at: int = 0
    item_of_at: int = 0
    retired_at: int = 0
    history_at: int = 0
    prior_at: int = 0
    ages_at: int = 0
    history_length: int = 0
    reserved: tuple[int, ...] = (0,) * _RESERVED

    @property
    def n_blocks(self) -> int:
        return -(-self.n_items // BLOCK)

    @property
    def even_dim(self) -> int:
        """Dimensions of an integer block: with an odd dim one of zeros more."""
        return self.dim + self.dim % 2

    @property
    def recipe_name(self) -> str:
        """As exports call it."""
        return "score16" if self.flags & FITS_16 else RECIPES[self.recipe]

    @property
    def has_scales(self) -> bool:
        """Whether scores are multiplied with a number of their user."""
        return self.profile != HISTORY and self.recipe != FP32 and not self.flags & ORDER_ONLY

    @property
    def block_bytes(self) -> int:
        """Of 32 items, with their scales."""
        if self.recipe == FP32:
            return 4 * BLOCK * self.dim
        packed = BLOCK * self.even_dim // (2 if self.recipe == INT4_ITEM else 1)
        return packed + (SCALE_BYTES if self.recipe in (INT8_ITEM, INT4_ITEM) else 0)

    def to_bytes(self) -> bytes:
        """The 128 bytes."""
        *values, reserved = astuple(self)
        return _FIELDS.pack(*values, *reserved)


SECTIONS: Final = tuple(field.name for field in fields(Header) if field.name.endswith("_at"))
"""Fields that say where a section starts, in the order in which a writer puts the sections."""


def section_bytes(header: Header) -> dict[str, int]:
    """Bytes of every section by the field that places it; 0 for those that such a file does not have."""
    width = 4 if header.recipe == FP32 else 1
    dim, n_items = header.dim, header.n_items
    boxes = -(-2 * header.n_blocks // BLOCK) * BLOCK * 2 * dim
    history, ordered = header.profile == HISTORY, header.order != CATALOGUE
    return {
        "user_at": header.n_users * dim * width,
        "user_scale_at": 4 * header.n_users if header.has_scales else 0,
        "items_at": header.n_blocks * header.block_bytes,
        "bounds_at": (0, 2 * header.n_blocks, boxes)[header.order],
        "item_of_at": 4 * n_items if ordered else 0,
        "retired_at": 4 * header.n_retired,
        "history_at": n_items * dim * width if history else 0,
        "prior_at": dim * width if history else 0,
        "ages_at": header.history_length * dim * width,
    }


def read_header(data: bytes | memoryview) -> Header:
    """The header of a file, checked against the file's length; ValueError where it is damaged."""
    if len(data) < HEADER_BYTES or bytes(data[:8]) != MAGIC:
        raise ValueError(f"it does not start as a model.bin does, with {MAGIC!r} and {HEADER_BYTES} bytes")
    values = _FIELDS.unpack(data[:HEADER_BYTES])
    names = [field.name for field in fields(Header) if field.name != "reserved"]
    known = dict(zip(names, values, strict=False))
    header = Header(**known, reserved=values[len(names) :])
    if header.version != VERSION:
        raise ValueError(f"it has version {header.version}, and this reader knows {VERSION}")
    if header.file_bytes != len(data):
        raise ValueError(f"it has {len(data)} bytes, and its header says {header.file_bytes}")
    _check_codes(header)
    _check_counts(header)
    _check_places(header)
    return header


def _check_codes(header: Header) -> None:
    for name, known in (("recipe", RECIPES), ("profile", PROFILES), ("order", ORDERS), ("layout", LAYOUTS)):
        if getattr(header, name) >= len(known):
            raise ValueError(f"{name} {getattr(header, name)} is unknown")
    fits = bool(header.flags & FITS_16)
    wrong = {
        f"flags {header.flags} are unknown": header.flags & ~(FITS_16 | ORDER_ONLY),
        "only files of all users, in integers, leave out users' scales": header.flags & ORDER_ONLY
        and (header.recipe == FP32 or header.profile != ALL_USERS),
        "a reserved field is not 0": any(header.reserved),
        "only int8-dim files have another order than the catalogue's": header.order != CATALOGUE
        and header.recipe != INT8_DIM,
        "only int8-dim files of known users have scores of 16 bits": fits
        and (header.recipe != INT8_DIM or header.profile == HISTORY),
        "only files in the catalogue's order, with scores of 16 bits, are laid out by dimensions": (
            header.layout == DIMS and not (fits and header.order == CATALOGUE)
        ),
    }
    for what, is_so in wrong.items():
        if is_so:
            raise ValueError(what)


def _check_counts(header: Header) -> None:
    least, most = ((1, MAX_BYTES), (1, 1), (0, 0))[header.profile]
    for name, low, high in (
        ("dim", 1, MAX_DIM),
        ("n_items", 1, MAX_ITEMS),
        ("n_users", least, most),
        ("n_retired", 0, header.n_items - 1),
        ("history_length", 0, MAX_HISTORY if header.profile == HISTORY else 0),
    ):
        if not low <= getattr(header, name) <= high:
            raise ValueError(f"{name} is {getattr(header, name)}, expected {low} to {high}")
    stepped = header.profile == HISTORY and header.recipe != FP32
    if not (0 < header.step < math.inf if stepped else header.step == 0):
        raise ValueError(f"step is {header.step}")


def _check_places(header: Header) -> None:
    for name, size in section_bytes(header).items():
        at = getattr(header, name)
        if not size:
            if at:
                raise ValueError(f"{name} is {at} in a file without that section")
        elif at < HEADER_BYTES or at % ALIGNMENT or at + size > header.file_bytes:
            raise ValueError(f"{name} is {at}: {size} bytes from there are not a section of the file")


def check_c(data: memoryview) -> None:
    """ValueError where a file is damaged: sizes, codes, places, and lists of items that are none."""
    header = read_header(data)
    retired = words(data, header, "retired_at")
    if any(left >= right for left, right in itertools.pairwise(retired)):
        raise ValueError("its retired items are not ascending")
    if retired and retired[-1] >= header.n_items:
        raise ValueError(f"it retires item {retired[-1]} of {header.n_items}")
    if header.order != CATALOGUE:
        _check_permutation(words(data, header, "item_of_at"))


def words(data: bytes | memoryview, header: Header, section: str) -> "array[int]":
    """A section of uint32."""
    return _numbers("I", data, header, section)


def user_scales(data: bytes | memoryview, header: Header) -> "array[float]":
    """What each user's scores are multiplied with; empty in files without."""
    return _numbers("f", data, header, "user_scale_at")


def _numbers(kind: str, data: bytes | memoryview, header: Header, section: str) -> "array[Any]":
    at = getattr(header, section)
    found: array[Any] = array(kind, bytes(data[at : at + section_bytes(header)[section]]))
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _check_permutation(items: "array[int]") -> None:
    there = bytearray(len(items))
    for item in items:
        if item >= len(items) or there[item]:
            raise ValueError("its order of the items is none: an item is missing or twice there")
        there[item] = 1


def codes(header: Header) -> Mapping[str, str]:
    """The header's codes in words."""
    return {
        "recipe": header.recipe_name,
        "profile": PROFILES[header.profile],
        "order": ORDERS[header.order],
        "layout": LAYOUTS[header.layout],
    }
