"""A student's tables in the numbers of a recipe, and the error of that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.integers import INT4_QMAX, QMAX
from recpress_edge.artifacts.item_scale import (
    balance_dimensions,
    dimensions_that_tell,
    least_error_scale,
    outliers_shrunk,
)
from recpress_edge.artifacts.recipes import Recipe
from recpress_edge.artifacts.score16 import fitted_users
from recpress_edge.core.arrays import F16, F32, F64, I8
from recpress_edge.core.errors import ArtifactError

Asking = NDArray[np.bool_] | None
"""(D,): where some vector that asks is not zero; None: as the users have it."""


@dataclass(frozen=True, slots=True, eq=False)
class QuantizedTables:
    """score(u, i) ≈ user_scale[u] · item_row_scale[i] · Σ_d user_q[u, d] · item_q[i, d].

    The sum is an exact int32. Order of operations, so that every CPU gives the same bits: the sum
    rounded to float32, times float32(item_row_scale[i]), ranked, then times user_scale[u]. Without
    item_row_scale the sums themselves are ranked.
    """

    user_q: I8
    """(U, D), -127..127"""
    item_q: I8
    """(I, D), -127..127, or -7..7 with 4 bits"""
    user_scale: F32
    """(U,), above zero; it multiplies the returned scores only, so it cannot change a ranking."""
    item_scale: F32
    """(D,), folded into user_q; kept to compare with the original and to store new items, not shipped."""
    item_row_scale: F16 | None = None
    """(I,), above zero; None where the items of a dimension share one scale."""
    item_bits: int = 8
    """8 or 4; 4 bits are packed in twos when they are written."""

    @property
    def telling(self) -> NDArray[np.bool_]:
        """(D,): dimensions that can change a ranking; the users have zeros in the others."""
        return _telling(self.item_q, self.item_row_scale)


def quantize_int8_dim(user_emb: F32, item_emb: F32, _asking: Asking = None) -> QuantizedTables:
    """Symmetric int8, one scale per item dimension folded into the users, then one scale per user.

    The fold costs no bytes and no time on the device, and makes the result the same under any
    rescaling of single dimensions. A dimension or row of zeros gets scale 1.

    A dimension in which all items have one level adds the same to each of a user's scores: the users
    get zeros there, or it would take the levels of the others. Items many times larger than the rest
    are shrunk, or they would take the levels of all items; see outliers_shrunk.

    user_emb (U, D), item_emb (I, D). Raises ArtifactError where int32 or float32 would overflow.
    """
    _check_dim(item_emb.shape[1])
    items = outliers_shrunk(item_emb) * dimensions_that_tell(np.ones(item_emb.shape[1], bool), item_emb)
    item_scale = _scale(np.abs(items).max(axis=0))  # (D,)
    item_q = _int8(np.rint(items / item_scale.astype(np.float64)))  # (I, D)
    fold = item_scale.astype(np.float64) * _telling(item_q, None)  # (D,)
    user_q, user_scale = _quantize_users(user_emb.astype(np.float64) * fold)
    return QuantizedTables(user_q, item_q, user_scale, item_scale)


def quantize_score16(user_emb: F32, item_emb: F32, _asking: Asking = None) -> QuantizedTables:
    """:func:`quantize_int8_dim` with users' scales raised where a score would leave 16 bits.

    user_emb (U, D), item_emb (I, D).
    """
    tables = quantize_int8_dim(user_emb, item_emb)
    folded = user_emb.astype(np.float64) * (tables.item_scale.astype(np.float64) * tables.telling)
    user_q, user_scale = fitted_users(tables.user_q, tables.user_scale, folded, tables.item_q)
    return replace(tables, user_q=user_q, user_scale=user_scale)


def quantize_int8_item(user_emb: F32, item_emb: F32, asking: Asking = None) -> QuantizedTables:
    """Symmetric int8, one fp16 scale per item and one scale per user.

    fp16 and not fp32 scales: half the bytes, and on CiteULike the same overlap@50 to .0001. The
    scales are relative to the largest, so that no table is out of fp16's range; the values are
    rounded with the fp16 scale, so that it costs no accuracy of its own.

    user_emb (U, D), item_emb (I, D). Raises ArtifactError as :func:`quantize_int8_dim`.
    """
    return _quantize_items(user_emb, item_emb, asking, 8, lambda items: np.abs(items).max(axis=1) / QMAX)


def quantize_int4_item(user_emb: F32, item_emb: F32, asking: Asking = None) -> QuantizedTables:
    """Symmetric int4 items, one fp16 scale per item with the least squared error; int8 users.

    user_emb (U, D), item_emb (I, D). Raises ArtifactError as :func:`quantize_int8_dim`.
    """
    return _quantize_items(user_emb, item_emb, asking, 4, least_error_scale)


def _quantize_items(
    user_emb: F32, item_emb: F32, asking: Asking, bits: int, scale_of: Callable[[F64], F64]
) -> QuantizedTables:
    _check_dim(item_emb.shape[1])
    balance = balance_dimensions(user_emb, item_emb)  # (D,)
    telling = dimensions_that_tell(_asking(user_emb, asking), item_emb)  # (D,)
    items = item_emb / balance.astype(np.float64) * telling  # (I, D)
    wanted = scale_of(items)  # (I,)
    largest = float(wanted.max()) or 1.0
    row_scale = (wanted / largest).astype(np.float16)
    vanishing = row_scale == 0  # a row of zeros, or 1e-8 of the largest: nothing of it can be told apart
    row_scale[vanishing], items[vanishing] = 1, 0
    levels = np.rint(items / (row_scale.astype(np.float64) * largest)[:, None])
    qmax = QMAX if bits == 8 else INT4_QMAX
    item_q = np.clip(levels, -qmax, qmax).astype(np.int8)
    fold = balance * largest * _telling(item_q, row_scale)  # (D,)
    user_q, user_scale = _quantize_users(user_emb.astype(np.float64) * fold)
    return QuantizedTables(user_q, item_q, user_scale, _step(balance * largest), row_scale, bits)


def _asking(user_emb: F32, asking: Asking) -> NDArray[np.bool_]:
    return np.asarray(user_emb.any(axis=0)) if asking is None else asking


def _telling(item_q: I8, row_scale: F16 | None) -> NDArray[np.bool_]:
    """(D,): where the items differ. All, if they differ nowhere: then scores at least stay."""
    first = item_q[:1] if row_scale is None else np.int8(0)  # under scales of their own only zeros are equal
    telling = np.asarray((item_q != first).any(axis=0))
    return telling if telling.any() else ~telling


def _quantize_users(folded: F64) -> tuple[I8, F32]:
    """int8 with one scale per row. folded (U, D) -> (U, D), (U,)"""
    scale = _scale(np.abs(folded).max(axis=1))
    return _int8(np.rint(folded / scale.astype(np.float64)[:, None])), scale


def to_float16(user_emb: F32, item_emb: F32) -> tuple[F16, F16]:
    """Both tables in float16; ArtifactError where a value is out of its range."""
    largest = max(float(np.abs(user_emb).max()), float(np.abs(item_emb).max()))
    if largest > float(np.finfo(np.float16).max):
        raise ArtifactError(
            f"recipe fp16 cannot hold this model: its tables reach {largest:.4g}, float16 ends at 65504. "
            "Choose --recipe fp32 or int8-dim."
        )
    return user_emb.astype(np.float16), item_emb.astype(np.float16)


QUANTIZERS: Final[Mapping[str, Callable[[F32, F32, Asking], QuantizedTables]]] = {
    "int8-dim": quantize_int8_dim,
    "score16": quantize_score16,
    "int8-item": quantize_int8_item,
    "int4-item": quantize_int4_item,
}


def quantize(recipe: Recipe, user_emb: F32, item_emb: F32, also: F32 | None = None) -> QuantizedTables | None:
    """The integer tables that the recipe stores; None where it stores floats.

    also (N, D): what asks besides the users, such as a history table, whose rows add up to vectors.
    """
    if recipe.name not in QUANTIZERS:
        return None
    asking = _asking(user_emb, None)
    if also is not None:
        asking = asking | _asking(also, None)
    return QUANTIZERS[recipe.name](user_emb, item_emb, asking)


def stored_floats(recipe: Recipe, user_emb: F32, item_emb: F32) -> tuple[F32, F32] | tuple[F16, F16]:
    """The float tables that a recipe without integers stores."""
    return to_float16(user_emb, item_emb) if recipe.item_bits == 16 else (user_emb, item_emb)


def _check_dim(dim: int) -> None:
    if dim * QMAX * QMAX >= 2**31 - 1:
        raise ArtifactError(f"dim {dim} is too large: an int8 score would overflow int32")


def _scale(peak: NDArray[np.floating]) -> F32:
    """The float32 step whose 127-fold covers ``peak``; 1 where all is zero."""
    return _step(peak.astype(np.float64) / QMAX)


def _step(values: F64) -> F32:
    """As float32; 1 where float32 has too few bits to stand for it."""
    with np.errstate(over="ignore"):
        step = values.astype(np.float32)
    if not np.isfinite(step).all():
        raise ArtifactError(
            "scores of this model overflow float32: its tables hold values that are too large"
        )
    return np.where(step >= np.finfo(np.float32).tiny, step, np.float32(1))


def _int8(values: F64) -> I8:
    return np.clip(values, -QMAX, QMAX).astype(np.int8)


@dataclass(frozen=True, slots=True)
class ErrorStats:
    """How far the stored numbers are from the trained ones, relative to the size of the table."""

    item_rms: float
    """RMS error of item_emb over RMS of item_emb, in scaled dimensions, of those that tell items apart."""
    user_rms: float
    """The same for the users with the item scales folded in."""
    saturated: int
    """Values at the ends of their range: with int8-dim one at least per dimension and per user."""


def error_stats(user_emb: F32, item_emb: F32, tables: QuantizedTables) -> ErrorStats:
    """Errors in the gauge where every dimension counts alike. user_emb (U, D), item_emb (I, D)."""
    item = item_emb / tables.item_scale.astype(np.float64) * tables.telling
    user = user_emb * tables.item_scale.astype(np.float64) * tables.telling
    restored = tables.user_q * tables.user_scale.astype(np.float64)[:, None]
    rows = 1.0 if tables.item_row_scale is None else tables.item_row_scale.astype(np.float64)[:, None]
    ends = ((tables.user_q, QMAX), (tables.item_q, QMAX if tables.item_bits == 8 else INT4_QMAX))
    peaks = sum(int((np.abs(q.astype(np.int16)) == end).sum()) for q, end in ends)
    return ErrorStats(
        _relative(tables.item_q * rows * tables.telling - item, item), _relative(restored - user, user), peaks
    )


def _relative(error: NDArray[np.floating], signal: NDArray[np.floating]) -> float:
    size = float(np.sqrt(np.mean(signal**2)))
    return float(np.sqrt(np.mean(error**2))) / size if size else 0.0
