"""Sparse matrix times dense matrix, for interactions as they are: no (U, I) array is made."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recpress_edge.data.interactions import Interactions


@dataclass(frozen=True, slots=True, eq=False)
class SparseRows:
    """A sparse matrix (N, M) by rows: row n has weights[offsets[n]:…] at the columns items[offsets[n]:…].

    As ``embedding_bag`` takes it, which on a CPU is more than twice as fast as torch's and scipy's CSR.
    """

    items: Tensor
    offsets: Tensor
    weights: Tensor

    @classmethod
    def of(cls, pairs: Interactions, weights: Tensor, device: str = "cpu") -> "SparseRows":
        """A row per user, a column per item, and a weight (nnz,) per pair in the order of ``indices``."""
        items, offsets = pairs.indices.astype(np.int64), pairs.indptr[:-1].copy()
        return cls(
            *(part.to(device) for part in (torch.from_numpy(items), torch.from_numpy(offsets), weights))
        )

    def __matmul__(self, dense: Tensor) -> Tensor:
        """(N, M) @ (M, D) -> (N, D)."""
        return F.embedding_bag(self.items, dense, self.offsets, mode="sum", per_sample_weights=self.weights)
