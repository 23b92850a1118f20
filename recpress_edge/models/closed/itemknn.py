"""Item k-nearest neighbours: items with the same users as those of the history. A simple baseline."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch

from recpress_edge.core.arrays import F32, I64
from recpress_edge.models.closed.ease import BLOCK, Binary
from recpress_edge.models.method import ClosedForm, TrainingInput, middle
from recpress_edge.models.nn import SparseRows
from recpress_edge.models.settings import ItemKNNConfig

SHRINKS: Final = (1.0, 10.0, 100.0)
"""Candidates: 10 is best on CiteULike, 100 on Beauty, and on MovieLens 1M those up to 10 are alike."""


class ItemKNN(ClosedForm):
    """Deshpande and Karypis, "Item-Based Top-N Recommendation Algorithms", TOIS 2004.

    score(u, i) = Σ of similarity(i, j) over the items j of u that are among the K most similar to i;
    similarity(i, j) = |users of both| / (√(|users of i| · |users of j|) + shrink).
    """

    def __init__(self, given: TrainingInput, config: ItemKNNConfig) -> None:
        self.given = given
        self.config = config
        self.shrink = middle(SHRINKS) if config.shrink is None else config.shrink

    def candidates(self) -> Mapping[str, Sequence[float]]:
        return {"shrink": SHRINKS} if self.config.shrink is None else {}

    def fit(self) -> None:
        train = self.given.train
        size = min(self.config.neighbours, train.n_items)
        kept = train.n_items * size * (torch.int64.itemsize + torch.float32.itemsize)
        block = train.n_items * BLOCK * torch.float32.itemsize
        self.given.require_memory(
            2 * kept
            + 4 * block,  # the blocks' lists and their union; products, similarities and two temporaries
            f"Item-kNN compares {train.n_items:,} items, {BLOCK} at a time, keeps {size} of each and",
            "Set a smaller method.neighbours, or drop rare items when importing.",
        )
        self.matrix = Binary(train)
        root = torch.from_numpy(np.sqrt(train.item_counts()).astype(np.float32))  # (I,)
        neighbours, weights = [], []
        for part, shared in Binary(train.transposed()).gram_blocks():
            similarity = shared / (root[:, None] * root[None, part] + self.shrink).clamp_(min=1e-12)
            similarity[torch.arange(part.start, part.stop), torch.arange(part.stop - part.start)] = 0.0
            best, items = similarity.topk(size, dim=0)  # (K, B)
            neighbours.append(items.T.reshape(-1))
            weights.append(best.T.reshape(-1))
        offsets = torch.arange(0, train.n_items * size, size)
        self.similar = SparseRows(torch.cat(neighbours), offsets, torch.cat(weights))  # (I, I), K a row

    def scores(self, users: I64) -> F32:
        return np.ascontiguousarray((self.similar @ self.matrix.dense_rows(users)).T.numpy())
