"""EASE: a linear item-to-item model in closed form, by the smaller of its two inverses."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import RecPressError
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.method import ClosedForm, TrainingInput, middle
from recpress_edge.models.nn import SparseRows
from recpress_edge.models.settings import EASEConfig

BLOCK: Final = 512
"""Rows or columns of a product at a time."""
SEARCH_USERS: Final = 8000
"""Of more users, and more items, λ is chosen on so many: a third of MovieLens 1M's users choose as all do."""


class Binary:
    """X, interactions as a matrix of zeros and ones (N, M): a row per user, and products with it."""

    def __init__(self, pairs: Interactions, dtype: torch.dtype = torch.float32) -> None:
        self.pairs = pairs
        self.dtype = dtype
        ones = torch.ones(len(pairs), dtype=dtype)
        self._rows = SparseRows.of(pairs, ones)
        self._columns = SparseRows.of(pairs.transposed(), ones)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, M)."""
        return self.pairs.n_users, self.pairs.n_items

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


class EASE(ClosedForm):
    """Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, section 3.

    scores = X B with B = 1 − P diag(1 / diag P) and P = (XᵀX + λ)⁻¹ (I, I), X (U, I) the interactions.

    With fewer users than items the dual is cheaper (Woodbury): M = (XXᵀ + λ)⁻¹ (U, U) gives X P = M X and
    diag P = (1 − diag XᵀMX) / λ. Either way scores = X − X P / diag P, and one matrix is inverted in its
    own memory.
    """

    def __init__(self, given: TrainingInput, config: EASEConfig) -> None:
        self.given = given
        self.config = config
        self.dtype = torch.float64 if config.precision == "float64" else torch.float32
        train = given.train
        smaller = "users" if train.n_users < train.n_items else "items"
        self.dual = (smaller if config.invert == "smaller" else config.invert) == "users"
        self.l2 = config.l2 or middle(l2_candidates(train))

    def candidates(self) -> Mapping[str, Sequence[float]]:
        return {} if self.config.l2 else {"l2": l2_candidates(self.given.train)}

    def search_users(self) -> int | None:
        small = min(self.given.train.n_users, self.given.train.n_items) <= SEARCH_USERS
        return None if small else SEARCH_USERS

    def fit(self) -> None:
        train = self.given.train
        size = train.n_users if self.dual else train.n_items
        wide = max(train.n_users, train.n_items) * BLOCK * 4  # blocks of scores and of their product
        self.given.require_memory(
            (size * size + wide) * self.dtype.itemsize,
            f"EASE inverts a matrix of {size:,} × {size:,} {'users' if self.dual else 'items'} and",
            'Drop rare users or items when importing, or set method.precision = "float32".',
        )
        self.matrix = Binary(train, self.dtype)
        inverted = self.matrix if self.dual else Binary(train.transposed(), self.dtype)
        self.inverse = inverse_of(inverted, self.l2)
        self.diagonal = self._dual_diagonal() if self.dual else self.inverse.diagonal().clone()

    def scores(self, users: I64) -> F32:
        own = self.matrix.dense_rows(users).T
        result: F32 = (own - self._projected(users) / self.diagonal).float().numpy()
        return np.ascontiguousarray(result)

    def _projected(self, users: I64) -> Tensor:
        """Rows (B, I) of X P."""
        if self.dual:  # M is symmetric: its rows are its columns
            return self.matrix.transposed_times(self.inverse[torch.from_numpy(users)].T.contiguous()).T
        rows, items = map(torch.from_numpy, self.given.train.pairs_of(users))
        counts = torch.bincount(rows, minlength=users.size)
        return F.embedding_bag(items, self.inverse, counts.cumsum(0) - counts, mode="sum")

    def _dual_diagonal(self) -> Tensor:
        """diag P (I,) = (1 − Σ over an item's users of its column of M X) / λ."""
        train = self.given.train
        covered = torch.zeros(train.n_items, dtype=self.dtype)
        for start in range(0, train.n_users, BLOCK):
            users = np.arange(start, min(start + BLOCK, train.n_users))
            rows, items = map(torch.from_numpy, train.pairs_of(users))
            covered.index_add_(0, items, self._projected(users)[rows, items])
        return (1.0 - covered) / self.l2


def l2_candidates(train: Interactions) -> list[float]:
    """Values of λ around 50 √(interactions per item), ascending, each twice the one before.

    Validation chose 500 to 1,000 on MovieLens 1M (235 interactions an item), and 50 to 100 on CiteULike (5).
    """
    centre = 50.0 * math.sqrt(max(len(train), 1) / train.n_items)
    return [float(f"{centre * 2.0**step:.2g}") for step in range(-3, 4)]


def inverse_of(matrix: Binary, l2: float) -> Tensor:
    """(X Xᵀ + λ)⁻¹ (N, N) by Cholesky factors, in the memory of one matrix."""
    size = matrix.pairs.n_users
    # By columns, as LAPACK has it: of a matrix by rows both steps would take a copy, as large again.
    gram = torch.empty(size, size, dtype=matrix.dtype).T
    for part, columns in matrix.gram_blocks():
        gram[:, part] = columns
    gram.diagonal().add_(l2)
    failed = torch.empty((), dtype=torch.int32)
    torch.linalg.cholesky_ex(gram, out=(gram, failed))
    if failed:
        raise RecPressError(
            f"the matrix of EASE is not positive definite at row {int(failed)}: raise method.l2 "
            f'(it is {l2}), or set method.precision = "float64".'
        )
    return torch.cholesky_inverse(gram, out=gram).T  # symmetric: by rows again
