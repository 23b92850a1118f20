"""Scores of listed columns only, rows · table[columns], with a gradient as cheap as the scores."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor
from torch.autograd.function import once_differentiable


class _ListedProducts(torch.autograd.Function):
    """Σ_d rows[b, d] · table[columns[b, k], d] on the CPU, its gradient as two products with a sparse matrix.

    The gradient of an embedding look-up adds one row at a time: at 900 lists of 80 it takes 17 ms where a
    compressed sparse matrix takes 0.6.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, table: Tensor, columns: Tensor) -> Tensor:
        ctx.save_for_backward(rows, table, columns)
        listed = table.index_select(0, columns.flatten()).view(*columns.shape, -1)  # (B, K, D)
        return torch.bmm(listed, rows[:, :, None])[:, :, 0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        rows, table, columns = ctx.saved_tensors
        n_rows, length = columns.shape
        indptr = np.arange(0, n_rows * length + 1, length, dtype=np.int32)
        indices = columns.flatten().int().numpy()
        weights = sparse.csr_array(
            (grad.contiguous().numpy().ravel(), indices, indptr), shape=(n_rows, len(table))
        )
        of_rows, of_table = weights @ table.numpy(), weights.T @ rows.numpy()
        return torch.from_numpy(of_rows), torch.from_numpy(of_table), None


def listed_products(rows: Tensor, table: Tensor, columns: Tensor) -> Tensor:
    """Each row times its listed rows of a table: rows (B, D), table (N, D), columns (B, K) -> (B, K)."""
    if rows.device.type == "cpu":
        products: Tensor = _ListedProducts.apply(rows, table, columns)  # type: ignore[no-untyped-call]
        return products
    return (rows[:, None] * F.embedding(columns, table)).sum(dim=2)
