"""The table of recipes: how a student's numbers are stored, and what a row costs in bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from recpress_edge.core.errors import unknown_name


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to store the tables; the name decodes: bits, then what an item scale belongs to."""

    name: str
    short: str
    """What it is called in the names of bundles."""
    exact: bool
    """Integer products and single float32 operations in a stated order: same ids and scores everywhere."""
    user_bits: int
    item_bits: int
    """Bits per stored value."""
    user_extra_bytes: int
    item_extra_bytes: int
    """Bytes a row needs beside its values: its scale."""
    low: str
    """What is stored and multiplied in low precision; empty if nothing is."""
    high: str
    """What stays in full precision."""
    summary: str
    bounds_scores: bool = False
    """Whether every score of the users whose rows are stored fits 16 bits."""

    def item_row_bytes(self, dim: int) -> int:
        return -(-self.item_bits * dim // 8) + self.item_extra_bytes

    def user_row_bytes(self, dim: int) -> int:
        return -(-self.user_bits * dim // 8) + self.user_extra_bytes


_FP32: Final = Recipe(
    "fp32",
    "fp32",
    exact=False,
    user_bits=32,
    item_bits=32,
    user_extra_bytes=0,
    item_extra_bytes=0,
    low="",
    high="user_emb, item_emb, scores",
    summary="float32 tables, as they were trained",
)
_INT8_DIM: Final = Recipe(
    "int8-dim",
    "int8",
    exact=True,
    user_bits=8,
    item_bits=8,
    user_extra_bytes=4,
    item_extra_bytes=0,
    low="user_emb, item_emb; whole-catalogue product in int32, top-k in int32",
    high="one scale per user, returned scores",
    summary="int8 tables; one scale per dimension of the items, folded into the users; one scale per user",
)
_INT8_ITEM: Final = replace(
    _INT8_DIM,
    name="int8-item",
    short="int8-item",
    item_extra_bytes=2,
    low="user_emb, item_emb; whole-catalogue product in int32; item scales in fp16",
    high="scaled scores, top-k, one scale per user",
    summary="int8 tables; one fp16 scale per item, one scale per user",
)
RECIPES: Final[Mapping[str, Recipe]] = {
    recipe.name: recipe
    for recipe in (
        _FP32,
        replace(
            _FP32,
            name="fp16",
            short="fp16",
            user_bits=16,
            item_bits=16,
            low="user_emb, item_emb, in the file only",
            high="products and scores; the item table is widened when the file is loaded",
            summary="float16 tables; halves the file, saves no memory and no time",
        ),
        _INT8_DIM,
        replace(
            _INT8_DIM,
            name="score16",
            short="score16",
            low="user_emb, item_emb; whole-catalogue product and top-k in integers that fit 16 bits",
            summary="int8 tables as int8-dim; users' scales such that every score fits 16 bits, for cores "
            "without dot products (C engine)",
            bounds_scores=True,
        ),
        _INT8_ITEM,
        replace(
            _INT8_ITEM,
            name="int4-item",
            short="int4-item",
            item_bits=4,
            low="item_emb, two values in a byte, which ONNX and TFLite widen when the file is loaded; "
            "user_emb in int8; item scales in fp16",
            summary="int4 items, two values in a byte, one fp16 scale per item clipped for the least "
            "squared error; int8 users, one scale per user; saves bytes in the file, in memory with the "
            "C engine alone",
        ),
    )
}
ALIASES: Final[Mapping[str, str]] = {"int8": "int8-dim"}


def recipe_named(name: str) -> Recipe:
    """The recipe of that name or alias; an unknown name gets a suggestion."""
    known = ALIASES.get(name, name)
    if known not in RECIPES:
        raise unknown_name("recipe", name, [*RECIPES, *ALIASES])
    return RECIPES[known]
