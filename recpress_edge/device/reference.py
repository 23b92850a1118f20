"""The numpy reference: slow, obvious, and the answer that every other runtime must give."""

from collections.abc import Callable
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from recpress_edge.core.arrays import F32, I8, I64
from recpress_edge.device.query import (
    NONE_RETIRED,
    Answer,
    Catalogue,
    Query,
    SeenItems,
    check_query,
    no_items,
)


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
        scores: Callable[[int], NDArray[Any]],
        scale: Callable[[int], np.float32],
        retired: I64 = NONE_RETIRED,
    ) -> None:
        self.catalogue = Catalogue(n_users, n_items, retired)
        self._scores, self._scale = scores, scale

    @classmethod
    def from_int8(
        cls,
        user_q: I8,
        item_q: I8,
        user_scale: F32,
        retired: I64 = NONE_RETIRED,
        *,
        item_scale: NDArray[np.float16] | None = None,
    ) -> "ReferenceRuntime":
        """Integer tables: score = (user_q · item_q) * user_scale, ranked before scaling.

        With ``item_scale`` the ranked scores are float32(user_q · item_q) * float32(item_scale), one
        rounding each, in this order: IEEE 754 gives the same bits on every CPU.

        user_q (U, D), item_q (I, D), user_scale (U,), item_scale (I,).
        """
        items = item_q.astype(np.int64)
        return cls(
            len(user_q),
            len(item_q),
            scaled_by_item(lambda user: items @ user_q[user].astype(np.int64), item_scale),
            lambda user: user_scale[user],
            retired,
        )

    @classmethod
    def from_float(cls, user_emb: F32, item_emb: F32, retired: I64 = NONE_RETIRED) -> "ReferenceRuntime":
        """Float tables, user_emb (U, D), item_emb (I, D); runtimes may differ from it by rounding."""
        return cls(
            len(user_emb),
            len(item_emb),
            lambda user: item_emb @ user_emb[user],
            lambda _: np.float32(1),
            retired,
        )

    def prepare(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Query:
        return check_query(user, seen, k, self.catalogue)

    def run(self, feed: Query) -> Answer:
        """Best k unseen items; ties go to the lower item index."""
        if not feed.k:
            return no_items()
        scores = self._scores(feed.user)  # (I,)
        items = best_unseen(scores, feed.seen, self.catalogue.retired, feed.k)
        return items, scores[items].astype(np.float32) * self._scale(feed.user)

    def recommend(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Answer:
        """(items (k,) int64, scores (k,) float32); ConfigError on an id out of range."""
        return self.run(self.prepare(user, seen, k))


def best_unseen(scores: NDArray[Any], seen: I64, retired: I64, k: int) -> I64:
    """The k best items that are neither seen nor retired, best first; ties go to the lower index.

    scores (I,), k no more than there are such items.
    """
    unseen = np.ones(len(scores), np.bool_)
    unseen[seen] = False
    unseen[retired] = False
    kth = np.partition(scores[unseen], -k)[-k]
    candidates = np.flatnonzero(unseen & (scores >= kth))  # ascending, so a stable sort keeps the tie rule
    items: I64 = candidates[np.argsort(-scores[candidates], kind="stable")[:k]]
    return items


def scaled_by_item(
    sums: Callable[[int], NDArray[Any]], item_scale: NDArray[np.float16] | None
) -> Callable[[int], NDArray[Any]]:
    """Exact integer sums (I,) as they are ranked: times their item's scale where there is one."""
    if item_scale is None:
        return sums
    wide = item_scale.astype(np.float32)
    return lambda user: sums(user).astype(np.float32) * wide
