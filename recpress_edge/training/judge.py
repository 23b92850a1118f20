"""What a record says of two tables: their metrics on every split that holds something."""

from typing import Any

import torch

from recpress_edge.data.holdout import Split
from recpress_edge.data.interactions import Dataset
from recpress_edge.models.outputs import Tables
from recpress_edge.training.evaluate import evaluate


def judged_tables(tables: Tables, data: Dataset, threads: int) -> dict[str, Any]:
    """``metrics``, ``definitions`` and ``recall_by_popularity`` of score = user · item."""
    torch.set_num_threads(threads)
    splits: tuple[tuple[Split, int], ...] = (("valid", len(data.valid)), ("test", len(data.test)))
    user_emb, item_emb = torch.from_numpy(tables.user_emb), torch.from_numpy(tables.item_emb)
    found = {split: evaluate(user_emb, item_emb, data, split) for split, size in splits if size}
    return {
        "metrics": {split: result.means() for split, result in found.items()},
        "definitions": {split: result.definition for split, result in found.items()},
        "recall_by_popularity": {split: result.by_third for split, result in found.items()},
    }
