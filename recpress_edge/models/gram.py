"""Products of the interactions with themselves, a block of columns at a time: never a dense (U, I) array."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recpress_edge.data.interactions import Interactions
from recpress_edge.models.sparse import SparseRows

I64 = NDArray[np.int64]

BLOCK: Final = 512  # columns at a time


class Binary:
    """X, interactions as a matrix of zeros and ones (N, M): a row per user, and products with it."""

    def __init__(self, pairs: Interactions, dtype: torch.dtype = torch.float32) -> None:
        self.pairs = pairs
        self.dtype = dtype
        ones = torch.ones(len(pairs), dtype=dtype)
        self._rows = SparseRows.of(pairs, ones)
        self._columns = SparseRows.of(pairs.transposed(), ones)

    def times(self, dense: Tensor) -> Tensor:
        """X (N, M) @ dense (M, B) -> (N, B)."""
        return self._rows @ dense

    def transposed_times(self, dense: Tensor) -> Tensor:
        """Xᵀ (M, N) @ dense (N, B) -> (M, B)."""
        return self._columns @ dense

    def dense_rows(self, rows: I64) -> Tensor:
        """Some rows, transposed and dense (M, B)."""
        block = torch.zeros(self.pairs.n_items, rows.size, dtype=self.dtype)
        at, columns = self.pairs.pairs_of(rows)
        block[torch.from_numpy(columns), torch.from_numpy(at)] = 1.0
        return block

    def gram_blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """X Xᵀ (N, N), symmetric, in blocks of its columns: which ones, and their values (N, B)."""
        for start in range(0, self.pairs.n_users, BLOCK):
            part = slice(start, min(start + BLOCK, self.pairs.n_users))
            yield part, self.times(self.dense_rows(np.arange(part.start, part.stop)))
