"""The numpy reference: slow, obvious, and the answer that every other runtime must give."""

from collections.abc import Callable
from typing import SupportsIndex

import numpy as np
from numpy.typing import NDArray

from device_bench.runtimes.query import F32, Answer, Query, SeenItems, check_query, no_items

I8 = NDArray[np.int8]


class ReferenceRuntime:
    """Answers from plain arrays, in integers when the tables are int8.

    Build it with :meth:`from_int8` or :meth:`from_float`.
    """

    name = "numpy"
    version = np.__version__

    def __init__(
        self,
        n_users: int,
        n_items: int,
        scores: Callable[[int], NDArray[np.int64] | F32],
        scale: Callable[[int], np.float32],
    ) -> None:
        self.n_users, self.n_items = n_users, n_items
        self._scores, self._scale = scores, scale

    @classmethod
    def from_int8(cls, user_q: I8, item_q: I8, user_scale: F32) -> "ReferenceRuntime":
        """Integer-exact int8 tables: score = (user_q · item_q) * user_scale, ranked before scaling.

        user_q (U, D), item_q (I, D), user_scale (U,).
        """
        items = item_q.astype(np.int64)
        return cls(
            len(user_q),
            len(item_q),
            lambda user: items @ user_q[user].astype(np.int64),
            lambda user: user_scale[user],
        )

    @classmethod
    def from_float(cls, user_emb: F32, item_emb: F32) -> "ReferenceRuntime":
        """Float tables, user_emb (U, D), item_emb (I, D); runtimes may differ from it by rounding."""
        return cls(
            len(user_emb), len(item_emb), lambda user: item_emb @ user_emb[user], lambda _: np.float32(1)
        )

    def prepare(self, user: SupportsIndex, seen: SeenItems, k: SupportsIndex) -> Query:
        return check_query(user, seen, k, self.n_users, self.n_items)

    def run(self, feed: Query) -> Answer:
        """Best k unseen items; ties go to the lower item index."""
        if not feed.k:
            return no_items()
        scores = self._scores(feed.user)  # (I,)
        unseen = np.ones(self.n_items, np.bool_)
        unseen[feed.seen] = False
        kth = np.partition(scores[unseen], -feed.k)[-feed.k]
        candidates = np.flatnonzero(
            unseen & (scores >= kth)
        )  # ascending, so a stable sort keeps the tie rule
        items = candidates[np.argsort(-scores[candidates], kind="stable")[: feed.k]]
        return items, scores[items].astype(np.float32) * self._scale(feed.user)

    def recommend(self, user: SupportsIndex, seen: SeenItems, k: SupportsIndex) -> Answer:
        """(items (k,) int64, scores (k,) float32); ConfigError on an id out of range."""
        return self.run(self.prepare(user, seen, k))
