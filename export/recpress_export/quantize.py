"""Recipes: how a student's numbers are stored, and what that costs in bytes and error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.errors import ArtifactError, unknown_name

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I8 = NDArray[np.int8]

QMAX: Final = 127


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to store the tables; the name decodes."""

    name: str
    short: str
    """What it is called in the names of bundles."""
    exact: bool
    """Integer arithmetic: every runtime must give the very same ids and scores."""
    bytes_per_value: int
    user_extra_bytes: int
    """Bytes a user row needs beside its values: its scale."""
    low: str
    """What is stored and multiplied in low precision; empty if nothing is."""
    high: str
    """What stays in full precision."""
    summary: str

    def item_row_bytes(self, dim: int) -> int:
        return self.bytes_per_value * dim

    def user_row_bytes(self, dim: int) -> int:
        return self.bytes_per_value * dim + self.user_extra_bytes


RECIPES: Final[Mapping[str, Recipe]] = {
    "fp32": Recipe(
        "fp32", "fp32", False, 4, 0, "", "user_emb, item_emb, scores", "float32 tables, as they were trained"
    ),
    "int8-dim": Recipe(
        "int8-dim",
        "int8",
        True,
        1,
        4,
        "user_emb, item_emb; whole-catalogue product in int32, top-k in int32",
        "one scale per user, returned scores",
        "int8 tables; one scale per dimension of the items, folded into the users; one scale per user",
    ),
}
ALIASES: Final[Mapping[str, str]] = {"int8": "int8-dim"}


def recipe_named(name: str) -> Recipe:
    """The recipe of that name or alias; an unknown name gets a suggestion."""
    known = ALIASES.get(name, name)
    if known not in RECIPES:
        raise unknown_name("recipe", name, [*RECIPES, *ALIASES])
    return RECIPES[known]


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedTables:
    """score(u, i) ≈ user_scale[u] · Σ_d user_q[u, d] · item_q[i, d]; the sum is an exact int32."""

    user_q: I8
    """(U, D), -127..127"""
    item_q: I8
    """(I, D), -127..127"""
    user_scale: F32
    """(U,), above zero; it multiplies the returned scores only, so it cannot change a ranking."""
    item_scale: F32
    """(D,), folded into user_q; kept to compare with the original, not shipped."""


def quantize_int8_dim(user_emb: F32, item_emb: F32) -> QuantizedTables:
    """Symmetric int8, one scale per item dimension folded into the users, then one scale per user.

    The fold costs no bytes and no time on the device, and makes the result the same under any
    rescaling of single dimensions. A dimension or row of zeros gets scale 1.

    user_emb (U, D), item_emb (I, D). Raises ArtifactError where int32 or float32 would overflow.
    """
    dim = item_emb.shape[1]
    if dim * QMAX * QMAX >= 2**31 - 1:
        raise ArtifactError(f"dim {dim} is too large: an int8 score would overflow int32")
    item_scale = _scale(np.abs(item_emb).max(axis=0))  # (D,)
    item_q = np.rint(item_emb / item_scale.astype(np.float64))  # (I, D)
    folded = user_emb * item_scale.astype(np.float64)  # (U, D)
    user_scale = _scale(np.abs(folded).max(axis=1))  # (U,)
    user_q = np.rint(folded / user_scale.astype(np.float64)[:, None])  # (U, D)
    return QuantizedTables(_int8(user_q), _int8(item_q), user_scale, item_scale)


QUANTIZERS: Final[Mapping[str, Callable[[F32, F32], QuantizedTables]]] = {"int8-dim": quantize_int8_dim}


def quantize(recipe: Recipe, user_emb: F32, item_emb: F32) -> QuantizedTables | None:
    """The tables as the recipe stores them; None where it keeps them as they were trained."""
    return QUANTIZERS[recipe.name](user_emb, item_emb) if recipe.name in QUANTIZERS else None


def _scale(peak: NDArray[np.floating]) -> F32:
    """The float32 step whose 127-fold covers ``peak``; 1 where all is zero."""
    with np.errstate(over="ignore"):
        scale = (peak.astype(np.float64) / QMAX).astype(np.float32)
    if not np.isfinite(scale).all():
        raise ArtifactError(
            "scores of this model overflow float32: its tables hold values that are too large"
        )
    tiny = np.finfo(np.float32).tiny  # below it a scale has too few bits to stand for the row
    return np.where(scale >= tiny, scale, np.float32(1))


def _int8(values: F64) -> I8:
    return np.clip(values, -QMAX, QMAX).astype(np.int8)


@dataclass(frozen=True, slots=True)
class ErrorStats:
    """How far the stored numbers are from the trained ones, relative to the size of the table."""

    item_rms: float
    """RMS error of item_emb over RMS of item_emb, in scaled dimensions."""
    user_rms: float
    """The same for the users with the item scales folded in."""
    saturated: int
    """Values at ±127: at least one per dimension and per user by construction."""


def error_stats(user_emb: F32, item_emb: F32, tables: QuantizedTables) -> ErrorStats:
    """Errors in the gauge where every dimension counts alike. user_emb (U, D), item_emb (I, D)."""
    item = item_emb / tables.item_scale.astype(np.float64)
    user = user_emb * tables.item_scale.astype(np.float64)
    restored = tables.user_q * tables.user_scale.astype(np.float64)[:, None]
    peaks = sum(int((np.abs(q.astype(np.int16)) == QMAX).sum()) for q in (tables.user_q, tables.item_q))
    return ErrorStats(_relative(tables.item_q - item, item), _relative(restored - user, user), peaks)


def _relative(error: NDArray[np.floating], signal: NDArray[np.floating]) -> float:
    size = float(np.sqrt(np.mean(signal**2)))
    return float(np.sqrt(np.mean(error**2))) / size if size else 0.0
