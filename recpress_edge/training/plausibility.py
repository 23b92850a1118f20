"""Whether two tables that were brought know the users and the items that they are said to be of."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch

from recpress_edge.core.arrays import F32
from recpress_edge.core.rng import stream
from recpress_edge.data.holdout import Split, dataset_cutoff
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.models.outputs import Tables
from recpress_edge.training.evaluate import evaluate, splits_of

_PAIRS: Final = 20_000
_LEAST_FIT: Final = 0.53
"""By chance one half: twenty thousand draws are off by .0035, and a user's pairs are not independent."""


@dataclass(frozen=True, slots=True)
class Plausibility:
    """A model beside what knows nobody: a model whose rows are in another order is no better."""

    split: Split
    cutoff: int
    """The K of the three recalls."""
    recall: float
    popular: float
    """Of the items that most users took."""
    random: float
    """Of any K items."""
    fit: float
    """How often two users and what they consumed fit better than with the items exchanged; .5 is chance."""

    @property
    def doubts(self) -> tuple[str, ...]:
        """What speaks against the order of the rows."""
        found = []
        if self.fit < _LEAST_FIT:
            found.append(
                f"users fit what they themselves consumed no better than what another one did "
                f"({self.fit:.0%} of pairs; chance is 50%)"
            )
        if self.recall <= max(1.5 * self.random, self.random + 0.01):
            found.append(f"recall@{self.cutoff} is hardly better than that of random items")
        elif self.recall < self.popular:
            found.append(f"the most popular items have the better recall@{self.cutoff}")
        return tuple(found)

    def facts(self) -> dict[str, Any]:
        """For a record."""
        return {**asdict(self), "doubts": list(self.doubts)}


def plausibility(tables: Tables, data: Dataset, metrics: Mapping[str, Any]) -> Plausibility | None:
    """``metrics``: the model's own, by split. None where nothing is held out, or nothing can be missed."""
    split, cutoff = next(iter(splits_of(data)), None), dataset_cutoff(data)
    name = f"recall@{cutoff}"
    if split is None or metrics[split][name] is None:
        return None
    counts = torch.from_numpy(data.train.item_counts().astype(np.float32))
    popular = evaluate(torch.ones(data.n_users, 1), counts[:, None], data, split)
    return Plausibility(
        split=split,
        cutoff=cutoff,
        recall=metrics[split][name],
        popular=float(popular.by_user[name].mean()),
        random=float(np.minimum(cutoff / popular.candidates, 1).mean()),
        fit=fit_of_pairs(tables, data.train),
    )


def fit_of_pairs(tables: Tables, train: Interactions) -> float:
    """Share of drawn train pairs (u, i), (v, j) with s(u, i) + s(v, j) > s(u, j) + s(v, i); a tie is half.

    Neither popular items nor users with large vectors matter to it: only whether rows belong together.
    """
    rng = stream(0, "fit of pairs")
    first, second = rng.integers(0, max(len(train), 1), (2, _PAIRS if len(train) else 0))
    users, items = train.users(), train.indices
    kept = (users[first] != users[second]) & (items[first] != items[second])
    first, second = first[kept], second[kept]
    if not first.size:
        return 1.0  # one user or one item: nothing can be exchanged
    user: F32 = tables.user_emb[users[first]] - tables.user_emb[users[second]]
    item: F32 = tables.item_emb[items[first]] - tables.item_emb[items[second]]
    gained = np.einsum("nd,nd->n", user.astype(np.float64), item.astype(np.float64))
    return float((gained > 0).mean() + (gained == 0).mean() / 2)
