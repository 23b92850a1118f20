"""A history file with a tanh: what one hidden layer makes of the items that a user has consumed (ADR 0032).

In float: row = tanh(prior + Σ history_emb[item] / √n), n the number of items. In integers, so that every CPU
gives the same bits:

    sum   (D,) = Σ history_q[item]
    drive (D,) = min(max(sum, −2^19), 2^19) · roots[min(n, N)] + prior_q       roots[n] = ⌊2^14 / √n⌉
    place (D,) = min(⌊(2 |drive| + stride) / (2 stride)⌋, 1280)                256ths of tanh's argument
    level (D,) = sign(drive) · tanh[place] · dim_weights                       tanh[p] = ⌊2047 tanh(p / 256)⌉
    row, peak  = those of a history's sum (fold_in.py), made from the levels
    score      = float32(top score) · (float32(peak) · step)

Nothing leaves 32 bits: |drive| < 2^28.7, |level| ≤ 2047 · 4095, and 254 times that and a peak is below 2^31.
An item's bias is a dimension: its history row is zero, its prior so large that the tanh is 1, and the item's
row holds the bias there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.integers import QMAX
from recpress_edge.artifacts.quantize import QuantizedTables
from recpress_edge.core.arrays import F16, F32, F64, I8, I64

COUNTED: Final = 4096
"""N: of more items √n is that of so many. A file holds no more roots, nor more than it has items."""
SATURATED: Final = 10.0
"""Its tanh is 1 in float32."""
PLACES: Final = 256
"""Places of the table of tanh for each unit of its argument."""
LAST_PLACE: Final = 5 * PLACES
"""Behind it tanh is as good as 1."""
TANH_MAX: Final = 2047
WEIGHT_MAX: Final = 4095
ROOT_BITS: Final = 14
MOST_SUM: Final = 2**19
MOST_PRIOR: Final = 2**28

LAYER: Final = ("roots", "tanh", "stride", "dim_weights")
"""Tables that no other history file has; a float file has roots alone."""

Tables = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class HiddenLayer:
    """user(history) = tanh(prior + Σ history_emb[item] / √n), score = item_emb · user."""

    history_emb: F32
    """(I, D)"""
    prior: F32
    """(D,)"""
    item_emb: F32
    """(I, D)"""

    def rows_after(self, sums: F64, counts: I64) -> F32:
        """Users' vectors: sums (B, D) of history_emb over ``counts`` (B,) items each -> (B, D)."""
        roots = np.sqrt(np.clip(counts, 1, COUNTED))[:, None]
        rows: F32 = np.tanh(self.prior + sums / roots).astype(np.float32)
        return rows


def with_bias(history_emb: F32, prior: F32, item_emb: F32, item_bias: F32) -> HiddenLayer:
    """The layer with the items' bias (I,) as one more dimension; it is shifted so that its ends are equal.

    A shift changes every score alike. history_emb and item_emb (I, d), prior (d,).
    """
    centred = item_bias - (item_bias.max() + item_bias.min()) / 2
    return HiddenLayer(
        np.pad(history_emb, ((0, 0), (0, 1))),
        np.append(prior, np.float32(SATURATED)),
        np.column_stack([item_emb, centred]).astype(np.float32),
    )


def float_roots(n_items: int) -> F32:
    """1 / √n for n of 0 … N (N + 1,); of nothing 1, which multiplies a zero."""
    counts = np.arange(min(n_items, COUNTED) + 1)
    return (1.0 / np.sqrt(np.maximum(counts, 1))).astype(np.float32)


def integer_roots(n_items: int) -> NDArray[np.int16]:
    """⌊2^14 / √n⌉ for n of 0 … N (N + 1,)."""
    counts = np.arange(min(n_items, COUNTED) + 1)
    roots = 2**ROOT_BITS / np.sqrt(np.maximum(counts, 1))
    return np.asarray(np.rint(roots).astype(np.int16))


def tanh_table() -> NDArray[np.int16]:
    """⌊2047 tanh(p / 256)⌉ for p of 0 … 1280."""
    levels = TANH_MAX * np.tanh(np.arange(LAST_PLACE + 1) / PLACES)
    return np.asarray(np.rint(levels).astype(np.int16))


def quantize_layer(layer: HiddenLayer, items: QuantizedTables) -> dict[str, NDArray[Any]]:
    """What an integer file holds beside its items: history_emb (I, D) int8, prior (D,) int32, roots (N + 1,),
    tanh (P,), dim_weights (D,) int16, stride () int32 and step () float32.

    ``items``: the item table in the recipe's numbers; its scales are folded into dim_weights.
    """
    stride = stride_of(layer)
    unit = history_unit(stride)
    scale = items.item_scale.astype(np.float64) * items.telling
    largest = float(scale.max())
    history_q: I8 = np.clip(np.rint(layer.history_emb / unit), -QMAX, QMAX).astype(np.int8)
    prior = np.rint(layer.prior.astype(np.float64) / unit * 2**ROOT_BITS)
    return {
        "history_emb": history_q,
        "prior": np.clip(prior, -MOST_PRIOR, MOST_PRIOR).astype(np.int32),
        "roots": integer_roots(len(layer.history_emb)),
        "tanh": tanh_table(),
        "stride": np.array(stride, np.int32),
        "dim_weights": np.rint(scale / largest * WEIGHT_MAX).astype(np.int16),
        "step": np.array(largest / (TANH_MAX * WEIGHT_MAX * QMAX), np.float32),
    }


def stride_of(layer: HiddenLayer) -> int:
    """Units of the drive a place: the most with which all history rows and priors are within their range."""
    finest = max(
        float(np.abs(layer.history_emb).max()) / QMAX,
        float(np.abs(layer.prior).max()) * 2**ROOT_BITS / MOST_PRIOR,
        2.0**-14,
    )
    return max(int(2**ROOT_BITS / PLACES / finest), 1)


def history_unit(stride: int) -> float:
    """What one unit of a history row is worth."""
    return 2**ROOT_BITS / (PLACES * stride)


def float_layer(history_emb: F32 | F16, prior: F32 | F16) -> dict[str, NDArray[Any]]:
    """What a float file holds beside its items."""
    return {"history_emb": history_emb, "prior": prior, "roots": float_roots(len(history_emb))}


def tanh_row(tables: Tables, seen: I64) -> NDArray[Any]:
    """What the distinct items ``seen`` (n,) make: float64 values of tanh, or the levels (D,) int64.

    tables: as :func:`quantize_layer` or :func:`float_layer` have them, and as files hold them.
    """
    integers = "tanh" in tables
    wide = np.int64 if integers else np.float64
    roots, rows = tables["roots"], tables["history_emb"]
    total = rows[seen].astype(wide).sum(axis=0)
    root = roots[min(len(seen), len(roots) - 1)].astype(wide)
    if not integers:
        return np.asarray(np.tanh(tables["prior"].astype(wide) + total * root))
    drive = np.clip(total, -MOST_SUM, MOST_SUM) * root + tables["prior"].astype(wide)
    stride, table = tables["stride"].item(), tables["tanh"].astype(wide)
    place = np.minimum((2 * np.abs(drive) + stride) // (2 * stride), len(table) - 1)
    return np.asarray(np.sign(drive) * table[place] * tables["dim_weights"].astype(wide))
