"""Top lists over the whole catalogue, ties to the lower item index."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recpress_edge.core.arrays import F32, I32, I64
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.large_lists import best_within
from recpress_edge.models.outputs import Rankings, Tables, is_large, ranking_length
from recpress_edge.models.teacher import Teacher

ScoreRows = Callable[[I64], F32]
"""users (B,) -> their scores (B, I), in an array of the caller's own."""

_BLOCK_USERS = 512  # rows of scores at a time


def product_rows(user_emb: Tensor, item_emb: Tensor) -> ScoreRows:
    """Rows of user · item. user_emb (U, D), item_emb (I, D)."""

    def rows(users: I64) -> F32:
        with torch.inference_mode():
            product = user_emb[torch.from_numpy(users).to(user_emb.device)] @ item_emb.T
            scores: F32 = product.cpu().numpy()
        return scores

    return rows


def top_unobserved(rows: ScoreRows, train: Interactions, length: int | None = None) -> Rankings:
    """The best ``length`` items of each user that are not among the user's train items."""
    length = min(length or ranking_length(train.n_users, train.n_items), train.n_items)
    items = np.empty((train.n_users, length), np.int32)
    scores = np.empty((train.n_users, length), np.float32)
    for start in range(0, train.n_users, _BLOCK_USERS):
        users = np.arange(start, min(start + _BLOCK_USERS, train.n_users))
        best = mask_and_rank(rows(users), users, train, length)
        items[users], scores[users] = best.items, best.scores
    return Rankings(items, scores)


def mask_and_rank(block: F32, users: I64, train: Interactions, length: int) -> Rankings:
    """The best ``length`` unobserved items of these users (B,); their scores (B, I) are masked in place."""
    block[train.pairs_of(users)] = -np.inf
    items, scores = best_columns(torch.from_numpy(block), min(length, train.n_items))
    items[np.isneginf(scores)] = -1
    return Rankings(items, scores)


def top_of_tables(tables: Tables, train: Interactions, length: int) -> Rankings:
    """:func:`top_unobserved` of two tables, with scores that do not depend on the tables' scale.

    Users are scaled to unit length and the item table to unit root mean square length, so that one
    temperature suits teachers of any scale. No ranking changes, and a cosine teacher's scores stay cosines.
    """
    item_emb = torch.from_numpy(tables.item_emb)
    item_emb = item_emb / item_emb.square().sum(dim=1).mean().sqrt()
    user_emb = F.normalize(torch.from_numpy(tables.user_emb))
    if is_large(train.n_users, train.n_items):
        return best_within(Tables(user_emb.numpy(), item_emb.numpy()), train, length)
    return top_unobserved(product_rows(user_emb, item_emb), train, length)


def best_columns(scores: Tensor, size: int) -> tuple[I32, F32]:
    """The ``size`` best columns of each row, ties to the lower index, and their values. scores (B, I)."""
    values, columns = (part.numpy() for part in scores.topk(size, dim=1))
    for row, line in enumerate(scores.numpy()):
        # topk picks any of the columns that tie for the last place.
        if np.count_nonzero(line >= values[row, -1]) > size:
            columns[row] = np.argsort(-line, kind="stable")[:size]
            values[row] = line[columns[row]]
    order = np.lexsort((columns, -values), axis=1)
    best = np.take_along_axis(columns, order, 1).astype(np.int32)
    return best, np.take_along_axis(values, order, 1)


def top_items(teacher: Teacher, train: Interactions, length: int) -> Rankings:
    """The best ``length`` unobserved items of each user, fewer where the catalogue or the list ends."""
    if teacher.tables is not None:
        return top_of_tables(teacher.tables, train, length)
    assert teacher.rankings is not None
    return teacher.rankings.head(length)
