"""Matrix factorisation of implicit feedback by alternating least squares."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.arrays import F64, I64
from recpress_edge.core.rng import torch_seed
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.method import ClosedForm, Factorised, TrainingInput, middle
from recpress_edge.models.settings import ALSConfig

BLOCK_BYTES: Final = 32 * 2**20
"""Of gathered rows and their systems at a time."""
SHARES: Final = (1.25, 2.5, 5.0, 10.0, 20.0)
"""Candidates of α0: what all unobserved pairs of a user weigh together, in weights of the observed ones."""
L2: Final = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032)
"""Candidates of λ: with frequency scaling it does not depend on the size of the data."""
SEARCH_PAIRS: Final = 2_000_000
"""Of more interactions, α0 and λ are chosen on users who have about so many."""
POWERS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Candidates of the power of weights: from each pair alike to counts as they are."""
INIT_STD: Final = 0.1


class ALS(Factorised, ClosedForm):
    """iALS (Hu, Koren and Volinsky, ICDM 2008) as Rendle et al. set it, RecSys 2022 ("Revisiting the
    Performance of iALS on Item Recommendation Benchmarks"), section 3, with ν = 1:

    Σ over observed (1 − w·h)² + α0 Σ over all pairs (w·h)² + λ Σ_u (|I_u| + α0 |I|) |w_u|²
    + λ Σ_i (|U_i| + α0 |U|) |h_i|².

    Where pairs have weights, an observed one adds c instead of 1, its weight to a power over the mean of all:
    Hu et al., section 4, have 1 + α r, with the power 1. What a row's pairs weigh scales its λ then.

    Each pass solves all users exactly, then all items. The items start from noise of length .1, always the
    same. α0 and λ are chosen on validation unless they are set: α0 from multiples of the share of pairs
    that was observed (5 to 10 are best on MovieLens 1M and CiteULike at 32 dimensions, 14 to 27 in the
    paper), λ around .004 (.004 and .008 there, .002 and .003 in the paper).
    """

    passes_setting = "iterations"

    def __init__(self, given: TrainingInput, config: ALSConfig) -> None:
        self.given = given
        self.config = config
        self.passes = config.iterations
        self.unobserved = config.unobserved or middle(_shares(given.train))
        self.l2 = config.l2 or middle(L2)
        self.power = middle(POWERS) if config.weight_power is None else config.weight_power

    def candidates(self) -> Mapping[str, Sequence[float]]:
        grids: dict[str, Sequence[float]] = {"unobserved": _shares(self.given.train), "l2": L2}
        if self.given.train.weights is not None:
            grids["weight_power"] = POWERS
        return {name: values for name, values in grids.items() if getattr(self.config, name) is None}

    def search_users(self) -> int | None:
        train = self.given.train
        return None if len(train) <= SEARCH_PAIRS else max(train.n_users * SEARCH_PAIRS // len(train), 1)

    def fit(self) -> None:
        for _ in self.stages():
            pass

    def stages(self) -> Iterator[int]:
        train, dim = confident(self.given.train, self.power), self.given.dim
        self.given.require_memory(
            4 * 3 * dim * (train.n_users + train.n_items) + _pair_bytes(train) * len(train) + 2 * BLOCK_BYTES,
            f"als of {train.n_users:,} users, {train.n_items:,} items and {len(train):,} interactions",
            "Take a smaller dim, or drop rare users and items when importing.",
        )
        drawn = torch.Generator().manual_seed(torch_seed(0, "als"))
        items = torch.randn(train.n_items, dim, generator=drawn) * (INIT_STD / math.sqrt(dim))
        across = train.transposed()
        for done in range(1, self.passes + 1):
            users = solved(train, items, self.unobserved, self.l2)
            items = solved(across, users, self.unobserved, self.l2)
            self._tables = users, items
            yield done

    def tables(self) -> tuple[Tensor, Tensor]:
        return self._tables


def confident(train: Interactions, power: float) -> Interactions:
    """With what each pair adds as its weight: on average 1. Without weights, or with power 0, as they are."""
    if train.weights is None or not power:
        return replace(train, weights=None)
    added = (train.weights / train.weights.max()) ** power
    return replace(train, weights=added / added.mean())


def _pair_bytes(train: Interactions) -> int:
    return 24 if train.weights is None else 48


def solved(rows: Interactions, other: Tensor, unobserved: float, l2: float) -> Tensor:
    """The best table of one side (N, D), given the other one (M, D) and who is with whom, and how much.

    Solved in the basis in which α0 Σ h hᵀ, which all rows share, is diagonal.
    """
    dim = other.shape[1]
    counts, weighed = rows.counts(), _weighed(rows)
    table = torch.zeros(rows.n_users, dim)
    spread, basis = torch.linalg.eigh(unobserved * (other.T @ other).double())
    shared, basis = spread.clamp(min=0.0).float(), basis.float()
    padded = torch.cat([other @ basis, other.new_zeros(1, dim)])  # the last row pads short lists
    for block in _blocks(counts, dim):
        own = l2 * (torch.from_numpy(weighed[block]).float() + unobserved * rows.n_items)
        few = 2 * int(counts[block[-1]]) <= dim
        solve = _solved_by_pairs if few else _solved_by_dimensions
        table[torch.from_numpy(block)] = solve(rows, padded, block, shared + own[:, None])
    found: Tensor = table @ basis.T
    return found


def _weighed(rows: Interactions) -> I64 | F64:
    """What the pairs of each row weigh together (N,)."""
    if rows.weights is None:
        return rows.counts()
    return np.bincount(rows.users(), rows.weights, minlength=rows.n_users)


def _blocks(counts: I64, dim: int) -> Iterator[I64]:
    """Rows with something, as many as fit into a block, of like length together: the longest is the last."""
    order = np.argsort(counts, kind="stable")
    order = order[np.searchsorted(counts[order], 1) :]
    end = order.size
    while end:
        size = max(int(BLOCK_BYTES // (4 * dim * (int(counts[order[end - 1]]) + 3 * dim))), 1)
        yield order[max(end - size, 0) : end]
        end = max(end - size, 0)


def _solved_by_pairs(rows: Interactions, padded: Tensor, block: I64, diagonal: Tensor) -> Tensor:
    """The rows of a block (B, D) by a system as large as the longest of them, L: the fewer for short rows.

    (A + Hᵀ H)⁻¹ Hᵀ r = A⁻¹ Hᵀ (I + H A⁻¹ Hᵀ)⁻¹ r, with A diagonal (B, D), r the roots of what its pairs add
    (L,), and H the rows (L, D) that one was with, times r.
    """
    ((gathered, roots),) = _gathered(rows, padded, block, padded.shape[1])  # none is longer
    scaled = gathered / diagonal[:, None, :]
    system = torch.eye(gathered.shape[1]).repeat(len(gathered), 1, 1)
    system.baddbmm_(scaled, gathered.transpose(1, 2))
    factor = torch.linalg.cholesky_ex(system).L
    wanted = padded.new_ones(*gathered.shape[:2], 1) if roots is None else roots  # (B, L, 1)
    found = torch.cholesky_solve(wanted, factor)
    return scaled.mul_(found).sum(dim=1)


def _solved_by_dimensions(rows: Interactions, padded: Tensor, block: I64, diagonal: Tensor) -> Tensor:
    """The rows of a block (B, D) by D equations each: Σ c h hᵀ and Σ c h over what a row was with."""
    dim = padded.shape[1]
    gram, target = torch.diag_embed(diagonal), padded.new_zeros(block.size, dim)
    width = max(int(BLOCK_BYTES // (4 * dim * block.size)), 1)
    for gathered, roots in _gathered(rows, padded, block, width):
        gram.baddbmm_(gathered.transpose(1, 2), gathered)
        target += (gathered if roots is None else gathered * roots).sum(dim=1)
    return torch.cholesky_solve(target[:, :, None], torch.linalg.cholesky_ex(gram).L)[:, :, 0]


def _gathered(
    rows: Interactions, padded: Tensor, block: I64, width: int
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """√c h of what each row of a block was with (B, L, D), at most ``width`` at a time, and √c (B, L, 1).

    Where all weigh alike there is no √c, and h alone.
    """
    at, columns = rows.pairs_of(block)
    given = None if rows.weights is None else np.sqrt(rows.weights[rows.positions_of(block)])
    counts = np.bincount(at, minlength=block.size)
    place = np.arange(at.size) - np.repeat(np.cumsum(counts) - counts, counts)
    longest = int(counts.max())
    for start in range(0, longest, width):
        some = (place >= start) & (place < start + width)
        index = np.full((block.size, min(width, longest - start)), len(padded) - 1)
        index[at[some], place[some] - start] = columns[some]
        gathered = padded[torch.from_numpy(index)]
        if given is None:
            yield gathered, None
            continue
        filled = np.zeros((*index.shape, 1), np.float32)
        filled[at[some], place[some] - start, 0] = given[some]
        roots = torch.from_numpy(filled)
        yield gathered * roots, roots


def _shares(train: Interactions) -> list[float]:
    """Candidates of α0, to two digits."""
    density = max(len(train), 1) / (train.n_users * train.n_items)
    return [float(f"{share * density:.2g}") for share in SHARES]
