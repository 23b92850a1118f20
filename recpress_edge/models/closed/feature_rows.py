"""Rows of items of which features alone are known: a linear map from features, learned from the known items.

Ridge regression of the known items' vectors y on their features x, both without their means,

    min over W  Σ over known items |y − ȳ − W (x − x̄)|² + λ |W|²,

(Hoerl and Kennard, Technometrics 1970; for items as in Gantner et al., ICDM 2010). λ is the one of LAMBDAS
with the least error of leaving out one item, which needs no second solution: the error of item i left out
is its residual over 1 − h(i), with h its leverage (Allen, Technometrics 1974). numpy alone; the memory is
that of F × F numbers and of a block of rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from recpress_edge.core.arrays import F32, F64, I64

LAMBDAS: Final = tuple(float(10.0**power) for power in np.arange(-1, 5.01, 0.5))
"""Tried, in the numbers of features of which one is 1."""
SURE: Final = 3.0
"""Standard errors by which the map must be better than the mean vector."""
_BLOCK: Final = 1_024


@dataclass(frozen=True, slots=True, eq=False)
class FeatureRows:
    """Features of items, most nothing: row r has ``values[a:b]`` at ``columns[a:b]``, a and b of indptr."""

    indptr: I64
    """(N + 1,)"""
    columns: I64
    """(n,), 0..F-1"""
    values: F64
    """(n,)"""
    width: int
    """F"""

    def __len__(self) -> int:
        return self.indptr.size - 1

    def dense(self, start: int, end: int) -> F64:
        """Rows ``start`` to ``end`` (B, F), zeros where there is nothing."""
        found = np.zeros((end - start, self.width))
        part = slice(self.indptr[start], self.indptr[end])
        rows = np.repeat(np.arange(end - start), np.diff(self.indptr[start : end + 1]))
        np.add.at(found, (rows, self.columns[part]), self.values[part])
        return found

    def blocks(self) -> Iterator[tuple[slice, F64]]:
        """All rows, a block at a time."""
        for start in range(0, len(self), _BLOCK):
            end = min(start + _BLOCK, len(self))
            yield slice(start, end), self.dense(start, end)


def dense_rows(table: F32) -> FeatureRows:
    """A table of numbers (N, F) as features."""
    count, width = table.shape
    indptr = np.arange(count + 1, dtype=np.int64) * width
    return FeatureRows(indptr, np.tile(np.arange(width), count), table.astype(np.float64).ravel(), width)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMap:
    """A row of features to a vector, and what it makes of known items that it has not learned from."""

    weights: F64
    """(F, D)"""
    feature_mean: F64
    """(F,)"""
    row_mean: F64
    """(D,)"""
    distance: float
    """Of known rows from their mean: the root of the mean of squares."""
    ridge: float
    """λ"""
    left_out: F32
    """(N, D) of each known item by the map that is learned from the others."""
    explained: float
    """Share of the variance of known vectors that the left-out ones explain: 0 is the mean vector, 1 all."""
    is_better: bool
    """Whether they are nearer than the mean of the others, by SURE standard errors."""

    def rows(self, features: FeatureRows) -> F32:
        """A vector for each row (N, D)."""
        parts = [(block - self.feature_mean) @ self.weights for _, block in features.blocks()]
        made = np.concatenate(parts) if parts else np.empty((0, self.row_mean.size))
        return np.asarray(made + self.row_mean, np.float32)


def learned_map(features: FeatureRows, rows: F32) -> FeatureMap:
    """The map from features (N, F) of known items to their rows (N, D); N is 3 at least, ValueError else."""
    count = len(features)
    if count < 3 or len(rows) != count:
        raise ValueError(f"{count} rows of features and {len(rows)} vectors: 3 of each are needed")
    wanted = rows.astype(np.float64)
    row_mean = wanted.mean(axis=0)
    solved = _solved(features, wanted - row_mean)
    errors = {ridge: 0.0 for ridge in LAMBDAS}
    for block in solved.leverages(features):
        for ridge in LAMBDAS:
            errors[ridge] += float((solved.left_out_errors(block, ridge) ** 2).sum())
    best = min(errors, key=lambda ridge: errors[ridge])
    of_best = np.concatenate(
        [solved.left_out_errors(block, best) for block in solved.leverages(features)]
    )  # (N, D)
    of_mean = ((wanted - row_mean) * (count / (count - 1))) ** 2
    gain = of_mean.sum(axis=1) - (of_best**2).sum(axis=1)  # (N,)
    return FeatureMap(
        weights=solved.axes @ solved.weights(best),
        feature_mean=solved.feature_mean,
        row_mean=row_mean,
        distance=float(np.sqrt(((wanted - row_mean) ** 2).sum(axis=1).mean())),
        ridge=best,
        left_out=(wanted - of_best).astype(np.float32),
        explained=1 - errors[best] / max(float(of_mean.sum()), np.finfo(np.float64).tiny),
        is_better=bool(gain.mean() > SURE * gain.std(ddof=1) / np.sqrt(count)),
    )


def stretched(learned: FeatureMap, rows: F32) -> F64:
    """Rows (N, D) moved away from the mean vector until they are as far from it as known ones are.

    A regression lies nearer to the mean than what it predicts, the more so the less it knows: as an item
    it would be one for everybody.
    """
    off = rows - learned.row_mean
    lengths = np.linalg.norm(off, axis=1, keepdims=True)
    found: F64 = learned.row_mean + np.divide(off, lengths, out=np.zeros_like(off), where=lengths > 0) * (
        learned.distance
    )
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Solved:
    """A regression for every λ: features turned to the axes of their Gram matrix."""

    feature_mean: F64
    axes: F64
    """(F, F), an axis a column."""
    spread: F64
    """(F,) what the features have along each axis, squared and added up."""
    along: F64
    """(F, D) their products with the centred rows."""
    centred: F64
    """(N, D)"""

    def weights(self, ridge: float) -> F64:
        """(F, D) along the axes."""
        found: F64 = self.along / (self.spread + ridge)[:, None]
        return found

    def leverages(self, features: FeatureRows) -> Iterator[tuple[slice, F64]]:
        """Features along the axes (B, F), a block at a time."""
        for part, block in features.blocks():
            yield part, (block - self.feature_mean) @ self.axes

    def left_out_errors(self, block: tuple[slice, F64], ridge: float) -> F64:
        """What items of a block (B, D) are off by, each predicted from all the others."""
        part, turned = block
        residual = self.centred[part] - turned @ self.weights(ridge)
        leverage = 1 / len(self.centred) + (turned**2) @ (1 / (self.spread + ridge))
        found: F64 = residual / np.maximum(1 - leverage, np.finfo(np.float64).eps)[:, None]
        return found


def _solved(features: FeatureRows, centred: F64) -> _Solved:
    """The Gram matrix of the centred features, and its axes."""
    width = features.width
    gram, both, total = np.zeros((width, width)), np.zeros((width, centred.shape[1])), np.zeros(width)
    for part, block in features.blocks():
        gram += block.T @ block
        both += block.T @ centred[part]
        total += block.sum(axis=0)
    mean = total / len(features)
    spread, axes = np.linalg.eigh(gram - len(features) * np.outer(mean, mean))
    # The centred rows add up to nothing, so that the features' means fall out of their products.
    return _Solved(mean, axes, np.maximum(spread, 0), axes.T @ both, centred)
