"""Integers as files store them: ranges, packed halves, and the rounding of a history's sum."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import I64

QMAX: Final = 127
"""Largest magnitude of an int8 value."""
ZERO_POINT: Final = 128
"""ONNX files hold int8 as uint8 around it."""
INT4_QMAX: Final = 7
"""Largest magnitude of an int4 value."""
INT4_ZERO_POINT: Final = 8
EXACT_FLOAT32: Final = 2**24
"""Whole numbers below it are exact in float32, and so are their sums as long as these stay below it."""


def pack_int4(levels: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Two values in a byte: dimension d in the low half, d + ceil(D / 2) in the high one, both plus 8.

    levels (I, D), -7..7 -> (I, ceil(D / 2)); with an odd D the last high half is an unused 8.
    """
    unsigned = (levels + INT4_ZERO_POINT).astype(np.uint8)
    half = -(-levels.shape[1] // 2)
    high = np.full((len(levels), half), INT4_ZERO_POINT, np.uint8)
    high[:, : levels.shape[1] - half] = unsigned[:, half:]
    return unsigned[:, :half] | (high << np.uint8(4))


def unpack_int4(packed: NDArray[np.uint8], dim: int) -> NDArray[np.int8]:
    """Two values in a byte: dimension d in the low half, d + ceil(D / 2) in the high one, both plus 8.

    packed (I, ceil(D / 2)) -> (I, D)
    """
    halves = np.concatenate([packed & 15, packed >> 4], axis=1)[:, :dim]
    return halves.astype(np.int8) - np.int8(INT4_ZERO_POINT)


def rounded_rows(sums: I64) -> tuple[I64, I64]:
    """The sums of histories as int8 rows, each divided by its peak; and the peaks (B,), 1 at least.

    sign(sum) · ⌊(254 |sum| + peak) / (2 peak)⌋: to the nearest, halves away from zero. sums (B, D) -> (B, D).
    """
    peaks = np.maximum(np.abs(sums).max(axis=1), 1)
    rows = np.sign(sums) * ((2 * QMAX * np.abs(sums) + peaks[:, None]) // (2 * peaks[:, None]))
    return rows, peaks
