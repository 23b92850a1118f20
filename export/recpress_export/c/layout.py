"""Items in the blocks of a model.bin; recpress_edge.device.c.tables reads them back."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.integers import INT4_ZERO_POINT
from recpress_edge.core.arrays import F16, F32, I8, I64
from recpress_edge.device.c.model_bin import BLOCK, HALF

Bytes = NDArray[np.uint8]


def float_blocks(items: F32) -> bytes:
    """items (I, D) -> blocks of [D][32] float32."""
    blocks = _whole_blocks(items).reshape(-1, BLOCK, items.shape[1]).swapaxes(1, 2)
    return np.ascontiguousarray(blocks, "<f4").tobytes()


def quad_blocks(items: I8) -> I8:
    """Four dimensions of an item together: items (I, D) -> (blocks, 32 D); an odd D gets one of zeros."""
    rows = even_rows(items)
    whole = rows.shape[1] - rows.shape[1] % 4
    quads = rows[..., :whole].reshape(len(rows) // BLOCK, BLOCK, whole // 4, 4).swapaxes(1, 2)
    parts = [quads.reshape(len(quads), -1)]
    if rows.shape[1] % 4:  # of eight items: 4 h + j at byte 4 j + 2 h
        tail = rows[:, whole:].reshape(-1, BLOCK // 8, 2, 4, 2).swapaxes(2, 3)
        parts.append(tail.reshape(len(quads), -1))
    return np.hstack(parts)


def dim_blocks(items: I8) -> I8:
    """Of two dimensions, eight items' values of the first, then of the second: (I, D) -> (blocks, 32 D)."""
    rows = even_rows(items)
    pairs = rows.reshape(-1, BLOCK // 8, 8, rows.shape[1] // 2, 2)  # block, eight, item, pair, dimension
    return pairs.transpose(0, 3, 1, 4, 2).reshape(len(rows) // BLOCK, -1)


def nibble_blocks(items: I8) -> Bytes:
    """Items (I, D) of -7..7 as quads, plus 8, two vectors of 16 values in 16 bytes: (blocks, 16 D)."""
    quads = (quad_blocks(items) + np.int8(INT4_ZERO_POINT)).view(np.uint8)
    vectors = quads.reshape(len(quads), -1, 2, 16)
    packed: Bytes = (vectors[:, :, 0] | (vectors[:, :, 1] << np.uint8(4))).reshape(len(quads), -1)
    return packed


def scale_blocks(scale: F16) -> Bytes:
    """Scales (I,) -> (blocks, 64) bytes of float16."""
    return _whole_blocks(scale.astype("<f2")[:, None]).reshape(-1, BLOCK).view(np.uint8)


def length_bounds(items: I8) -> bytes:
    """The largest Euclidean length of each block of items (I, D), rounded up: uint16."""
    squares = squared_lengths(_whole_blocks(items)).reshape(-1, BLOCK).max(axis=1)
    return np.array([_root_up(int(square)) for square in squares], "<u2").tobytes()


def squared_lengths(items: I8) -> I64:
    """items (I, D) -> (I,)"""
    wide = items.astype(np.int32)
    found: I64 = np.einsum("id,id->i", wide, wide, dtype=np.int64)
    return found


def _root_up(square: int) -> int:
    """The smallest whole number whose square is no less."""
    return math.isqrt(square - 1) + 1 if square else 0


def boxes(items: I8) -> I8:
    """Largest, then smallest value of each dimension in each half block: items (I, D) -> (halves, 2 D).

    Behind the last item its own row stands.
    """
    filled = np.pad(items, [(0, -len(items) % BLOCK), (0, 0)], mode="edge").reshape(-1, HALF, items.shape[1])
    return np.hstack([filled.max(axis=1), filled.min(axis=1)])


def even_rows(items: I8) -> I8:
    """Items (I, D) with zeros: an even number of dimensions, whole blocks."""
    rows = _whole_blocks(items)
    return np.pad(rows, [(0, 0), (0, items.shape[1] % 2)])


def _whole_blocks(rows: NDArray[Any]) -> NDArray[Any]:
    return np.pad(rows, [(0, -len(rows) % BLOCK), (0, 0)])
