"""Users' rows rounded so that every score of theirs fits 16 bits, where sums may be taken modulo 2^16."""

from typing import Any, Final

import numpy as np

from recpress_edge.artifacts.integers import QMAX
from recpress_edge.core.arrays import F32, F64, I8, I64

MOST: Final = 2**15 - 1
"""Largest magnitude of a score."""
_LEAST_GROWTH: Final = 1 + 2.0**-10
"""A scale that must grow grows by this at least: rounding may keep a score where it was."""
_USERS: Final = 256
_ITEMS: Final = 8192
"""Rows of a block of scores: 8 MiB of float32."""
_EXACT_DIM: Final = 2**24 // QMAX**2
"""Sums of so many products of int8 are exact in float32."""


def largest_scores(user_q: I8, item_q: I8) -> I64:
    """The largest magnitude of each user's scores over all items, exactly. (U, D), (I, D) -> (U,)"""
    exact: Any = np.float32 if item_q.shape[1] <= _EXACT_DIM else np.float64
    largest = np.zeros(len(user_q), np.int64)
    for first in range(0, len(item_q), _ITEMS):
        items = item_q[first : first + _ITEMS].astype(exact).T
        for start in range(0, len(user_q), _USERS):
            scores = user_q[start : start + _USERS].astype(exact) @ items
            found = np.maximum(scores.max(axis=1), -scores.min(axis=1)).astype(np.int64)
            part = largest[start : start + _USERS]
            np.maximum(part, found, out=part)
    return largest


def users_that_may_not_fit(user_q: I8, item_q: I8) -> I64:
    """Indices of users whose length times the longest item's is above :data:`MOST`: the others fit."""

    def squares(table: I8) -> I64:
        found: I64 = np.einsum("nd,nd->n", table, table, dtype=np.int64)
        return found

    return np.flatnonzero(squares(user_q) * squares(item_q).max(initial=0) > MOST**2)


def not_fitting(user_q: I8, item_q: I8) -> I64:
    """Indices of users with a score beyond 16 bits. (U, D), (I, D)"""
    doubtful = users_that_may_not_fit(user_q, item_q)
    return doubtful[largest_scores(user_q[doubtful], item_q) > MOST]


def fitted_users(user_q: I8, scale: F32, folded: F64, item_q: I8) -> tuple[I8, F32]:
    """Rows and scales of which those that do not fit are rounded again under a larger scale.

    user_q (U, D) = folded (U, D) / scale (U,), rounded; item_q (I, D).
    """
    user_q, scale = user_q.copy(), scale.copy()
    wrong = users_that_may_not_fit(user_q, item_q)
    while wrong.size:
        largest = largest_scores(user_q[wrong], item_q)
        wrong, largest = wrong[largest > MOST], largest[largest > MOST]
        growth = np.maximum(largest / MOST, _LEAST_GROWTH)
        scale[wrong] = (scale[wrong] * growth).astype(np.float32)
        user_q[wrong] = np.rint(folded[wrong] / scale[wrong].astype(np.float64)[:, None]).astype(np.int8)
    return user_q, scale
