"""What a record says of two tables: their metrics on every split that holds something."""

from typing import Any

import torch

from recpress_edge.data.interactions import Dataset
from recpress_edge.models.outputs import Tables
from recpress_edge.training.evaluate import evaluate, facts_of, splits_of
from recpress_edge.training.run import use_compute


def judged_tables(tables: Tables, data: Dataset, threads: int) -> dict[str, Any]:
    """``metrics``, ``definitions`` and ``recall_by_popularity`` of score = user · item."""
    use_compute("cpu", threads)
    user_emb, item_emb = torch.from_numpy(tables.user_emb), torch.from_numpy(tables.item_emb)
    return facts_of({split: evaluate(user_emb, item_emb, data, split) for split in splits_of(data)})
