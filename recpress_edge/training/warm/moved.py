"""How far lists move between two versions of a model: overlap of what users get, before and after."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch

from recpress_edge.core.arrays import F64, I64
from recpress_edge.core.rng import stream
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.models.outputs import Tables
from recpress_edge.models.ranking import mask_and_rank, product_rows
from recpress_edge.training.warm.earlier import Earlier
from recpress_edge.training.warm.gate import OVERLAP
from recpress_edge.training.warm.start import Started

LISTED: Final = 10
ASKED: Final = 10_000
"""Users whose lists are compared: a sample, the same for every model, where there are more."""
_BLOCK: Final = 512


@dataclass(frozen=True, slots=True, eq=False)
class Moved:
    """The share of each user's first ten that stays, of users and items that both versions know."""

    overlaps: F64
    """(B,)"""
    n_items: int

    def facts(self) -> dict[str, Any]:
        """What a record says: the mean, and what a tenth of the users do not exceed."""
        return {
            "mean": round(float(self.overlaps.mean()), 6),
            "lowest_decile": round(float(np.quantile(self.overlaps, 0.1)), 6),
            "users": int(self.overlaps.size),
            "items": self.n_items,
        }


def moved(before: Tables, after: Tables, train: Interactions, users: I64, items: I64) -> Moved:
    """Compare the lists of ``after``'s users, of whom ``before`` has rows, among items that both know.

    before (U', D) and (I', D'), after (U, D) and (I, D); users (U,) and items (I,): the row in ``before``, -1
    where it has none. What a user has consumed by ``train`` is in neither list, so that an item that was
    consumed meanwhile is no change.
    """
    both_users, both_items = np.flatnonzero(users >= 0), np.flatnonzero(items >= 0)
    if both_users.size > ASKED:
        both_users = np.sort(stream(0, "moved users").permutation(both_users)[:ASKED])
    seen = _columns(train.rows(both_users), both_items)
    old = product_rows(*_rows(before, users[both_users], items[both_items]))
    new = product_rows(*_rows(after, both_users, both_items))
    length = min(LISTED, both_items.size)
    overlaps = np.empty(both_users.size)
    for start in range(0, both_users.size, _BLOCK):
        block = np.arange(start, min(start + _BLOCK, both_users.size))
        lists = [mask_and_rank(rows(block), block, seen, length).items for rows in (old, new)]
        same = (lists[0][:, :, None] == lists[1][:, None, :]) & (lists[0] >= 0)[:, :, None]
        overlaps[block] = same.sum(axis=(1, 2)) / np.maximum((lists[0] >= 0).sum(axis=1), 1)
    return Moved(overlaps, int(both_items.size))


def _rows(tables: Tables, users: I64, items: I64) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(tables.user_emb[users]), torch.from_numpy(tables.item_emb[items])


def _columns(rows: Interactions, items: I64) -> Interactions:
    """Of these items alone, counted among themselves."""
    place = np.full(rows.n_items, -1)
    place[items] = np.arange(items.size)
    at, columns = rows.users(), place[rows.indices]
    kept = columns >= 0
    return Interactions.from_pairs(at[kept], columns[kept], rows.n_users, items.size)


def warm_facts(earlier: Earlier, start: Started, after: Tables, data: Dataset) -> dict[str, Any]:
    """What a model's record says of the one that it goes on from: whose rows it took, how far lists moved."""
    known = earlier.model.metadata
    before = Tables(earlier.model.user_emb, earlier.model.item_emb)
    found = moved(before, after, data.train, start.earlier_users, start.earlier_items)
    return {
        **{key: known[key] for key in ("name", "seed", "metrics", "sha256") if key in known},
        "folder": earlier.model.folder.name,
        "dataset": {key: known["dataset"].get(key) for key in ("name", "digest")},
        **({"held_out_seen": round(earlier.seen, 6)} if earlier.seen else {}),
        **start.facts(),
        OVERLAP: found.facts(),
    }
