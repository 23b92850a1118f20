"""8-bit tables for what a network adds and does not multiply: the quantisers leave these in float32."""

from typing import Final

import numpy as np

from recpress_edge.core.arrays import F32, U8

LARGE: Final = 4096
"""Tables of at least so many values are stored in bytes."""
_LEVELS: Final = 255


def in_bytes(table: F32) -> tuple[U8, F32, U8]:
    """table[n, h] ≈ (levels[n, h] - zero[h]) · scale[h]: asymmetric, zero itself being a level.

    table (N, H) -> (N, H), (H,), (H,). A column of zeros gets scale 1.
    """
    wide = table.astype(np.float64)
    low, high = np.minimum(wide.min(axis=0), 0), np.maximum(wide.max(axis=0), 0)
    step = ((high - low) / _LEVELS).astype(np.float32)
    scale = np.where(step >= np.finfo(np.float32).tiny, step, np.float32(1))
    zero = np.rint(-low / scale)
    levels = np.clip(np.rint(wide / scale) + zero, 0, _LEVELS)
    return levels.astype(np.uint8), scale, zero.astype(np.uint8)
