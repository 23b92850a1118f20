"""What a record says of two tables: their metrics, and whether they know the users and items at all."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import torch

from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.rng import stream
from recpress_edge.data.holdout import Split, history
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.models.outputs import Rankings, Tables
from recpress_edge.models.ranking import ScoreRows, top_unobserved
from recpress_edge.training.evaluate import SplitMetrics, evaluate, evaluate_rows, facts_of, splits_of
from recpress_edge.training.run import use_compute

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


def judged_tables(tables: Tables, data: Dataset, threads: int) -> tuple[dict[str, Any], Plausibility | None]:
    """``metrics``, ``definitions`` and ``recall_by_popularity`` of score = user · item, and how plausible.

    Without held-out items nothing is known.
    """
    use_compute("cpu", threads)
    found = {split: _evaluated(tables, data, split) for split in splits_of(data)}
    return facts_of(found), _plausibility(tables, data, found)


def _evaluated(tables: Tables, data: Dataset, split: Split) -> SplitMetrics:
    return evaluate(torch.from_numpy(tables.user_emb), torch.from_numpy(tables.item_emb), data, split)


def _plausibility(tables: Tables, data: Dataset, found: Mapping[Split, SplitMetrics]) -> Plausibility | None:
    if not found:
        return None
    split, own = next(iter(found.items()))
    counts = data.train.item_counts().astype(np.float32)
    popular = _evaluated(Tables(np.ones((data.n_users, 1), np.float32), counts[:, None]), data, split)
    name = f"recall@{own.cutoff}"
    return Plausibility(
        split=split,
        cutoff=own.cutoff,
        recall=float(own.by_user[name].mean()),
        popular=float(popular.by_user[name].mean()),
        random=float(np.minimum(own.cutoff / own.candidates, 1).mean()),
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


def judged_network(
    rows_after: Callable[[Interactions], ScoreRows], data: Dataset, never: I64, threads: int
) -> tuple[dict[str, Any], Rankings]:
    """As :func:`judged_tables`, and the rankings that it teaches, of a network that scores after histories.

    ``never``: items that it does not know, which score -inf and are never found.
    """
    use_compute("cpu", threads)
    lowest = np.finfo(np.float32).min

    def finite(rows: ScoreRows) -> ScoreRows:
        def scores(users: I64) -> F32:
            block = rows(users)
            block[:, never] = lowest
            return block

        return scores

    found = {
        split: evaluate_rows(finite(rows_after(history(data, split))), data, split, never)
        for split in splits_of(data)
    }
    return facts_of(found), top_unobserved(rows_after(data.train), data.train)


def popular_metrics(data: Dataset) -> dict[str, Any]:
    """The metrics of the most popular items, the same for everybody: what a network should be above."""
    counts = data.train.item_counts().astype(np.float32)

    def rows(users: I64) -> F32:
        return np.tile(counts, (users.size, 1))

    metrics: dict[str, Any] = facts_of({s: evaluate_rows(rows, data, s) for s in splits_of(data)})["metrics"]
    return metrics
