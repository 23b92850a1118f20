"""What a new item adds to the vectors of those who consume it, in a history bundle."""

from collections.abc import Sequence

import numpy as np

from recpress_edge.core.arrays import F32, I64
from recpress_edge.jobs.fold_in.side import BundleSide
from recpress_edge.models.closed.feature_rows import dense_rows, learned_map
from recpress_export.update.history import StoredHistory


def history_rows(history: StoredHistory, side: BundleSide, emb: F32, alike: Sequence[I64]) -> F32:
    """Rows (N, D) that new items of these vectors (N, D) add to a history, within the file's range.

    The first ones are like others: theirs is the mean of what those add. Of the rest it is what the known
    items' vectors tell of the known items' rows, by the regression of the one on the other: with a few
    interactions no other closed form has a user's true vector to correct.
    """
    rows = history.rows
    mean = [rows[items].mean(axis=0) for items in alike]
    found = np.asarray(mean, np.float32).reshape(len(alike), rows.shape[1])
    if len(emb) > len(alike):
        learned = learned_map(dense_rows(side.item_rows), rows)
        found = np.concatenate([found, learned.rows(dense_rows(emb[len(alike) :]))])
    return history.fitted(found)
