"""Lists of items: from a teacher, drawn at random, scored; for all rows at once, without state."""

from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F
from scipy import sparse
from torch import Tensor
from torch.autograd.function import once_differentiable

from recpress_edge.core.arrays import F32, I32, I64
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.method import TrainingInput
from recpress_edge.models.outputs import Tables
from recpress_edge.models.ranking import top_items, top_of_tables
from recpress_edge.models.teacher import Teacher

EMPTY = -1
"""No item: fills a row that has fewer items than its length."""
_BLOCK_ROWS = 512
_BLOCK_VALUES: Final = 2**18
"""Of listed rows gathered at a time: a megabyte, which stays in a core's own cache."""


def teacher_of(given: TrainingInput) -> Teacher:
    """The teacher of a student that needs one; that it has what is needed is checked where names are read."""
    assert given.teacher is not None
    return given.teacher


def teacher_tables(given: TrainingInput) -> Tables:
    """The teacher's embeddings."""
    return teacher_of(given).embeddings()


def teacher_lists(given: TrainingInput, size: int) -> I32:
    """Each user's best unobserved items (U, L ≤ size), best first, EMPTY where there are fewer."""
    return top_items(teacher_of(given), given.train, size).items


def teacher_user_lists(given: TrainingInput, size: int) -> I32:
    """Each item's best users of those without it (I, L ≤ size), best first, EMPTY past their end."""
    tables = teacher_of(given).product()
    return best_unobserved(Tables(tables.item_emb, tables.user_emb), given.train.transposed(), size)


def best_unobserved(tables: Tables, train: Interactions, size: int) -> I32:
    """Each row's best columns outside ``train`` (N, L ≤ size), best first, EMPTY past their end."""
    return top_of_tables(tables, train, size).items


def weighted_draw(lists: I32, log_weights: F32, size: int, rng: np.random.Generator) -> I64:
    """``size`` of each list without replacement, p ∝ exp(log_weights), in the list's order.

    An exponential race: the smallest log(Exp(1)) − log weight come first (Efraimidis and Spirakis,
    "Weighted random sampling with a reservoir", 2006). A weight of zero is never drawn.

    lists (N, L), log_weights (N, L) or (L,) -> (N, size), EMPTY where a list has fewer to draw.
    """
    size = min(size, lists.shape[1])
    drawn = np.empty((len(lists), size), np.int64)
    for start in range(0, len(lists), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        # Exactly 0 can be drawn, and has no logarithm.
        race = np.maximum(rng.standard_exponential(lists[part].shape, np.float32), np.float32(1e-38))
        arrival = np.log(race)
        arrival -= log_weights if log_weights.ndim == 1 else log_weights[part]
        arrival[lists[part] == EMPTY] = np.inf
        first = np.sort(np.argpartition(arrival, size - 1, axis=1)[:, :size], axis=1)  # (B, size)
        drawn[part] = np.take_along_axis(lists[part], first, axis=1)
        drawn[part][np.isposinf(np.take_along_axis(arrival, first, axis=1))] = EMPTY
    return drawn


def ranked_draw(lists: I32, size: int, sharpness: float, rng: np.random.Generator) -> I64:
    """:func:`weighted_draw` with p ∝ exp(−rank / sharpness)."""
    ranks = np.arange(lists.shape[1], dtype=np.float32)
    return weighted_draw(lists, -ranks / np.float32(sharpness), size, rng)


def geometric_draw(counts: I64, size: int, sharpness: float, rng: np.random.Generator) -> I64:
    """``size`` numbers below each count, with replacement, p ∝ exp(−number / sharpness): (N,) -> (N, size).

    By the inverse of the cumulated probability, (1 − e^{−(n + 1) / s}) / (1 − e^{−count / s}). EMPTY where a
    count is zero.
    """
    uniform = rng.random((counts.size, size))
    mass = -np.expm1(-counts / sharpness)[:, None]
    numbers = np.floor(-sharpness * np.log1p(-uniform * mass)).astype(np.int64)
    return np.where(counts[:, None] == 0, EMPTY, np.minimum(numbers, counts[:, None] - 1))


def distinct_draw(counts: I64, size: int, rng: np.random.Generator) -> I64:
    """``size`` distinct numbers below each count, a uniform subset in no order: (N,) -> (N, size).

    Floyd's algorithm (Bentley and Floyd, "A sample of brilliance", 1987), all rows abreast. Where a count
    is smaller than ``size`` every number is drawn and the rest of the row is EMPTY.
    """
    drawn = np.full((counts.size, size), EMPTY, np.int64)
    uniform = rng.random((size, counts.size))
    for place in range(size):
        largest = counts - size + place  # the numbers 0..largest may be drawn now
        number = (uniform[place] * (largest + 1)).astype(np.int64)
        taken = (drawn[:, :place] == number[:, None]).any(axis=1)
        drawn[:, place] = np.where(largest < 0, EMPTY, np.where(taken, largest, number))
    return drawn


class Unlisted:
    """The columns that each row leaves out: the k-th of them, without a matrix of rows × columns.

    What a row lists is its columns in ``train`` and, where there are lists (N, L), those of its list, which
    are no columns of train. A block of rows is looked up at a time: nothing is kept beside both.
    """

    def __init__(self, train: Interactions, lists: I32 | None = None) -> None:
        self._train, self._lists = train, lists
        listed = train.counts()
        if lists is not None:
            listed = listed + (lists != EMPTY).sum(axis=1)
        self.counts: I64 = train.n_items - listed  # (N,)

    def at(self, places: I64) -> I64:
        """The unlisted columns at these places, counted from 0 by column: (N, K) -> (N, K), EMPTY stays.

        The p-th unlisted column is p plus the number of listed ones that come before it.
        """
        found = np.empty_like(places)
        for start in range(0, len(places), _BLOCK_ROWS):
            part = slice(start, min(start + _BLOCK_ROWS, len(places)))
            found[part] = self._block(np.arange(part.start, part.stop), places[part])
        return found

    def _block(self, rows: I64, places: I64) -> I64:
        span = np.int64(self._train.n_items + 1)
        at, columns = self._train.pairs_of(rows)
        keys = at * span + columns
        if self._lists is not None:
            lists = self._lists[rows]
            row, place = np.nonzero(lists != EMPTY)
            keys = np.sort(np.concatenate([keys, row * span + lists[row, place]]))
        first = np.searchsorted(keys, np.arange(rows.size) * span)
        # Unlisted columns before each listed one; ascending within a row, and so, by row, everywhere.
        before = keys - (np.arange(keys.size) - first[keys // span])
        own = np.arange(rows.size)[:, None]
        listed = np.searchsorted(before, own * span + places, side="right")
        return np.where(places == EMPTY, EMPTY, places + listed - first[:, None])

    def draw(self, size: int, rng: np.random.Generator) -> I64:
        """``size`` distinct unlisted columns of each row, uniform: (N, size), EMPTY where there are fewer."""
        return self.at(distinct_draw(self.counts, size, rng))


def listed_pairs(lists: I32 | I64, n_items: int) -> Interactions:
    """Lists as (row, column) pairs: (N, L) with EMPTY places -> Interactions of N rows."""
    rows, places = np.nonzero(lists != EMPTY)
    return Interactions.from_pairs(rows, lists[rows, places], len(lists), n_items)


def places_in(lists: I32, columns: I64 | I32, n_items: int) -> I64:
    """Place of each column in its row's list, or the list's length where it is not in it.

    lists (N, L), columns (N, K), EMPTY places in either are in neither -> (N, K).
    """
    absent = lists.shape[1]
    places = np.full(columns.shape, absent, np.int64)
    # One block's places by column, the last column EMPTY's; filled once, as it is far wider than a list.
    found = np.full((min(len(lists), _BLOCK_ROWS), n_items + 1), absent, np.int32)
    for start in range(0, len(lists), _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        block = found[: len(lists[part])]
        np.put_along_axis(block, lists[part], np.arange(absent, dtype=np.int32)[None], axis=1)
        block[:, EMPTY] = absent
        places[part] = np.take_along_axis(block, columns[part], axis=1)
        np.put_along_axis(block, lists[part], np.int32(absent), axis=1)
    return places


class _ListedProducts(torch.autograd.Function):
    """Σ_d rows[b, d] · table[columns[b, k], d] on the CPU, its gradient as two products with a sparse matrix.

    The gradient of an embedding look-up adds one row at a time: at 900 lists of 80 it takes 17 ms where the
    products take 0.6.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, table: Tensor, columns: Tensor, by_rows: bool) -> Tensor:
        ctx.save_for_backward(rows, table, columns)
        ctx.by_rows = by_rows
        products = rows.new_empty(columns.shape)
        n_rows, length = columns.shape
        block = max(_BLOCK_VALUES // max(length * table.shape[1], 1), 1)
        for start in range(0, n_rows, block):
            part = slice(start, start + block)
            listed = table.index_select(0, columns[part].flatten()).view(-1, length, table.shape[1])
            torch.bmm(rows[part, None], listed.transpose(1, 2), out=products[part, None])
        return products

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        rows, table, columns = ctx.saved_tensors
        n_rows, length = columns.shape
        flat, weights = columns.flatten(), grad.flatten()
        starts = torch.arange(0, n_rows * length, length)
        of_rows = F.embedding_bag(flat, table, starts, mode="sum", per_sample_weights=weights)
        indptr = np.arange(0, n_rows * length + 1, length, dtype=np.int32)
        read, flat = torch.unique(flat, return_inverse=True) if ctx.by_rows else (None, flat)
        width = len(table) if read is None else len(read)
        matrix = sparse.csr_array((weights.numpy(), flat.int().numpy(), indptr), shape=(n_rows, width))
        of_table = torch.from_numpy(matrix.T @ rows.numpy())
        if read is not None:
            of_table = torch.sparse_coo_tensor(read[None], of_table, table.shape, check_invariants=False)
        return of_rows, of_table, None, None


def listed_products(rows: Tensor, table: Tensor, columns: Tensor, *, by_rows: bool = False) -> Tensor:
    """Each row times its listed rows of a table: rows (B, D), table (N, D), columns (B, K) -> (B, K).

    ``by_rows``: the table's gradient is sparse, of the rows that are listed.
    """
    if rows.device.type == "cpu" and columns.numel():
        products: Tensor = _ListedProducts.apply(rows, table, columns, by_rows)  # type: ignore[no-untyped-call]
        return products
    return (rows[:, None] * F.embedding(columns, table, sparse=by_rows)).sum(dim=2)
