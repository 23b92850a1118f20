"""What a record says of a model that was brought: its metrics on every split that holds something."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from recpress_edge.core.arrays import F32, I64
from recpress_edge.data.holdout import Split, history
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.models.outputs import Rankings, Tables
from recpress_edge.models.ranking import ScoreRows, top_unobserved
from recpress_edge.training.evaluate import SplitMetrics, evaluate, evaluate_rows, facts_of, splits_of
from recpress_edge.training.run import use_compute


def judged_tables(tables: Tables, data: Dataset, threads: int) -> dict[str, Any]:
    """``metrics``, ``definitions`` and ``recall_by_popularity`` of score = user · item."""
    use_compute("cpu", threads)
    user_emb, item_emb = torch.from_numpy(tables.user_emb), torch.from_numpy(tables.item_emb)
    return facts_of({split: evaluate(user_emb, item_emb, data, split) for split in splits_of(data)}, data)


def judged_network(
    rows_after: Callable[[Interactions], ScoreRows], data: Dataset, never: I64, threads: int
) -> tuple[dict[Split, SplitMetrics], Rankings]:
    """The metrics of each split, and the rankings that it teaches, of a network that scores after histories.

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
    return found, top_unobserved(rows_after(data.train), data.train)


def popular_metrics(data: Dataset) -> dict[str, Any]:
    """The metrics of the most popular items, the same for everybody: what a network should be above."""
    counts = data.train.item_counts().astype(np.float32)

    def rows(users: I64) -> F32:
        return np.tile(counts, (users.size, 1))

    return {split: evaluate_rows(rows, data, split).means() for split in splits_of(data)}
