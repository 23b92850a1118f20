"""A stage of a trajectory, noted from rows of scores that are worked out anyway."""

import numpy as np
from numpy.typing import NDArray

from recpress_edge.data.interactions import Interactions
from recpress_edge.models.ranking import ScoreRows, mask_and_rank
from recpress_edge.training.trajectory import LENGTH, observed_ranks

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

_BLOCK_USERS = 128  # rows copied at a time


class StagedRows:
    """A model's rows of scores; what was asked for is noted, so that one ranking serves evaluation and stage.

    A network's ranking takes longer than some epochs of its training.
    """

    def __init__(self, rows: ScoreRows, train: Interactions) -> None:
        self._rows = rows
        self._train = train
        self._items = np.empty((train.n_users, min(LENGTH, train.n_items)), np.int32)
        self._observed = np.empty(len(train), np.float32)
        self._noted = np.zeros(train.n_users, bool)

    def __call__(self, users: I64) -> F32:
        block = self._rows(users)  # (B, I)
        self._observed[self._train.positions_of(users)] = block[self._train.pairs_of(users)]
        for start in range(0, users.size, _BLOCK_USERS):
            part = slice(start, start + _BLOCK_USERS)
            best = mask_and_rank(block[part].copy(), users[part], self._train, LENGTH)
            self._items[users[part]] = best.items
        self._noted[users] = True
        return block

    def stage(self) -> tuple[I32, I32]:
        """The best unobserved items (U, L), and the ranks of the train pairs (nnz,)."""
        left = np.flatnonzero(~self._noted)
        for start in range(0, left.size, _BLOCK_USERS):
            self(left[start : start + _BLOCK_USERS])
        return self._items, observed_ranks(self._train, self._observed)
