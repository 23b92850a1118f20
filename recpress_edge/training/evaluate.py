"""Full-ranking evaluation: every unmasked item of the catalogue is ranked, none is sampled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from recpress_edge.core.arrays import F32, F64, I32, I64
from recpress_edge.core.errors import DataError
from recpress_edge.core.files import sha256_bytes
from recpress_edge.core.metrics import (
    RECALL_DEFINITION,
    THIRDS,
    is_certain,
    popularity_groups,
    reported_cutoffs,
    without_certain,
)
from recpress_edge.data.holdout import (
    MOST_COMPARED,
    Split,
    candidates,
    dataset_cutoff,
    judged_users,
    masked_items,
    masking_rule,
    relevant_items,
)
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.models.large_ranks import ranks_within
from recpress_edge.models.outputs import Tables, is_large
from recpress_edge.models.ranking import ScoreRows, mask_and_rank, product_rows
from recpress_edge.training.trajectory import LENGTH, observed_ranks

_BLOCK_BYTES: Final = 64 * 2**20  # of scores at a time
_BLOCK_USERS: Final = 128  # rows copied at a time for a stage


@dataclass(frozen=True, slots=True)
class SplitMetrics:
    """Metrics of one split."""

    users: I64
    """Indices of the users with at least one relevant item (B,)."""
    by_user: dict[str, F64]
    """'recall@10', 'ndcg@50' and so on, one value per user (B,)."""
    ranks: I64
    """Of each relevant pair (nnz,), from 0; all metrics follow from them."""
    candidates: I64
    """Unmasked items of each user (B,)."""
    cutoff: int
    """The K that judges: :func:`dataset_cutoff`."""
    by_third: dict[str, float | None]
    """Recall@cutoff of the relevant items in the head, mid and tail of the catalogue; None without any,
    and where it is 1 in whatever order."""
    definition: str
    """What was ranked, masked and divided by what."""

    def means(self, among: I64 | None = None) -> dict[str, float | None]:
        """Mean of each metric over the users, or those of them who are ``among``; None for a recall that is 1
        in whatever order."""
        kept = slice(None) if among is None else np.isin(self.users, among)
        means = {name: float(values[kept].mean()) for name, values in self.by_user.items()}
        return without_certain(means, self.candidates[kept])


def splits_of(data: Dataset) -> list[Split]:
    """The splits that hold something."""
    held_out: tuple[tuple[Split, Interactions], ...] = (("valid", data.valid), ("test", data.test))
    return [split for split, pairs in held_out if len(pairs)]


def facts_of(found: Mapping[Split, SplitMetrics], data: Dataset) -> dict[str, Any]:
    """What a model's record says of its metrics; ``metrics_compared`` are of the users whom files are asked
    about, where those are not all.
    """
    compared = {split: sampled_users(data, split, MOST_COMPARED) for split in found}
    few = any(users is not None for users in compared.values())
    return {
        **({"metrics_compared": {s: found[s].means(users) for s, users in compared.items()}} if few else {}),
        "metrics": {split: result.means() for split, result in found.items()},
        "definitions": {split: result.definition for split, result in found.items()},
        "recall_by_popularity": {split: result.by_third for split, result in found.items()},
    }


def evaluate(
    user_emb: Tensor, item_emb: Tensor, data: Dataset, split: Split, users: I64 | None = None
) -> SplitMetrics:
    """:func:`evaluate_rows` of score = user · item. user_emb (U, D), item_emb (I, D)."""
    if not (torch.isfinite(user_emb).all() and torch.isfinite(item_emb).all()):
        raise DataError(
            "the embeddings hold values that are not finite: training diverged, lower the learning rate"
        )
    if not is_large(data.n_users, data.n_items):
        return evaluate_rows(product_rows(user_emb, item_emb), data, split, users=users)
    tables = Tables(user_emb.cpu().numpy(), item_emb.cpu().numpy())
    relevant = _relevant(data, split, users)
    depth = max(reported_cutoffs(dataset_cutoff(data)))
    return split_metrics(
        ranks_within(tables, masked_items(data, split), relevant, depth), relevant, data, split
    )


def evaluate_rows(
    rows: ScoreRows, data: Dataset, split: Split, never: I64 | None = None, users: I64 | None = None
) -> SplitMetrics:
    """Recall@K and NDCG@K of a model that scores whole rows, for K in 10, 20, 50 and the one that judges.

    ``never``: items that the model never recommends, so that nobody finds them however short a list is.
    ``users``: those to ask; None for all.
    """
    relevant = _relevant(data, split, users)
    ranks = relevant_ranks(rows, masked_items(data, split), relevant)
    if never is not None:
        ranks[np.isin(relevant.indices, never)] = data.n_items
    return split_metrics(ranks, relevant, data, split)


def sampled_users(data: Dataset, split: Split, most: int) -> I64 | None:
    """A seeded sample of so many users with something held out, the same for every model; None for all."""
    if not most or np.count_nonzero(relevant_items(data, split).counts()) <= most:
        return None
    return judged_users(data, split, most).astype(np.int64)


def sample_facts(data: Dataset, most: int) -> dict[str, Any]:
    """What a record says of who judged the epochs, where it was a sample."""
    users = sampled_users(data, "valid", most)
    if users is None:
        return {}
    return {"valid_sample": {"users": users.size, "sha256": sha256_bytes(users.tobytes())}}


def _relevant(data: Dataset, split: Split, users: I64 | None) -> Interactions:
    relevant = relevant_items(data, split)
    if not len(relevant):
        raise DataError(f"data set {data.name!r} has no {split} interactions to evaluate on")
    return relevant if users is None else relevant.only(users)


def split_metrics(ranks: I64, relevant: Interactions, data: Dataset, split: Split) -> SplitMetrics:
    """Of the ranks of these relevant pairs (nnz,)."""
    cutoff = dataset_cutoff(data)
    users, by_user = metrics_from_ranks(ranks, relevant, reported_cutoffs(cutoff))
    by_third = recall_by_third(ranks, relevant, data.train.item_counts(), cutoff)
    everyone = np.flatnonzero(relevant_items(data, split).counts())
    left = candidates(data, split)[np.isin(everyone, users)]
    if is_certain(cutoff, left):
        by_third = dict.fromkeys(by_third)
    definition = f"{RECALL_DEFINITION}, {masking_rule(data, split)}"
    return SplitMetrics(users, by_user, ranks, left, cutoff, by_third, definition)


def relevant_ranks(score_rows: ScoreRows, seen: Interactions, relevant: Interactions) -> I64:
    """Rank of each relevant pair among its user's unmasked items, best 0: (nnz,), as ``relevant.indices``.

    rank = #(score >= s at lower item indices) + #(score > s at higher ones): counting needs no sorted
    list and is exact about ties.
    """
    users = np.flatnonzero(relevant.counts())
    ranks = np.empty(len(relevant), np.int64)
    block = max(_BLOCK_BYTES // (4 * relevant.n_items), 1)
    for start in range(0, users.size, block):
        rows = users[start : start + block]
        scores = score_rows(rows)  # (B, I)
        scores[seen.pairs_of(rows)] = -np.inf
        ranks[relevant.positions_of(rows)] = _items_before(scores, *relevant.pairs_of(rows))
    return ranks


def _items_before(scores: F32, rows: I64, items: I64) -> I64:
    """Items ranked before each of the pairs (rows, items), (P,). scores (B, I)."""
    before = np.empty(rows.size, np.int64)
    # One row at a time on purpose: numpy counts a contiguous row of booleans many times faster than an axis.
    for at, (row, item) in enumerate(zip(rows.tolist(), items.tolist(), strict=True)):
        line = scores[row]
        value = line[item]
        if not value > -np.inf:
            raise _no_score(value, item)
        before[at] = np.count_nonzero(line[:item] >= value) + np.count_nonzero(line[item + 1 :] > value)
    return before


def _no_score(value: np.float32, item: int) -> DataError:
    if np.isnan(value):
        return DataError("scores are not numbers: training diverged, lower the learning rate")
    return DataError(f"item index {item} is held out for a user who has it in a masked split too")


def recall_by_third(ranks: I64, relevant: Interactions, item_counts: I64, k: int) -> dict[str, float | None]:
    """Mean recall@k of the relevant items in each third of the train interactions.

    In each, a user's relevant items are those in it; users without one there do not count.
    """
    third = popularity_groups(item_counts, len(THIRDS))[relevant.indices]
    users = relevant.users()
    found: dict[str, float | None] = {}
    for index, name in enumerate(THIRDS):
        within = third == index
        wanted = np.bincount(users[within], minlength=relevant.n_users)
        hits = np.bincount(users[within & (ranks < k)], minlength=relevant.n_users)
        some = wanted > 0
        found[name] = float((hits[some] / wanted[some]).mean()) if some.any() else None
    return found


def metrics_from_ranks(
    ranks: I64, relevant: Interactions, cutoffs: Sequence[int]
) -> tuple[I64, dict[str, F64]]:
    """Users with a relevant item and their recall@k = hits / |relevant| and binary ndcg@k, (B,) each."""
    counts = relevant.counts()
    users = np.flatnonzero(counts)
    owner = np.searchsorted(users, relevant.users())
    sizes = counts[users]
    discount = 1.0 / np.log2(np.arange(2, max(cutoffs) + 2))
    best = np.concatenate([[0.0], np.cumsum(discount)])
    recall, ndcg = {}, {}
    for k in cutoffs:
        hit = ranks < k
        hits = np.bincount(owner[hit], minlength=users.size)
        gained = np.bincount(owner[hit], weights=discount[ranks[hit]], minlength=users.size)
        recall[f"recall@{k}"] = hits / sizes
        ndcg[f"ndcg@{k}"] = gained / best[np.minimum(sizes, k)]
    return users, {**recall, **ndcg}


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
