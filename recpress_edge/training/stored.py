"""Metrics of a model's tables as a recipe stores them, before any file is written."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from recpress_edge.artifacts.quantize import quantize, stored_floats
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.core.arrays import F32, I64
from recpress_edge.data.holdout import Split
from recpress_edge.data.interactions import Dataset
from recpress_edge.models.outputs import Tables
from recpress_edge.models.qat import stored_tables
from recpress_edge.models.ranking import ScoreRows
from recpress_edge.training.evaluate import SplitMetrics, evaluate, evaluate_rows, splits_of
from recpress_edge.training.store import TrainedModel


def stored_metrics(tables: Tables, recipe: str, data: Dataset, split: Split) -> SplitMetrics:
    """What a file of this recipe reaches on a split, rounding included."""
    return evaluate_rows(_stored_rows(tables, recipe), data, split)


def _stored_rows(tables: Tables, recipe: str) -> ScoreRows:
    """Scores by which the file ranks: sums of integers are exact in float32 up to dim 1,000."""
    how = recipe_named(recipe)
    stored = quantize(how, tables.user_emb, tables.item_emb)
    users, items = (
        stored_floats(how, tables.user_emb, tables.item_emb)
        if stored is None
        else (stored.user_q, stored.item_q)
    )
    scale = None if stored is None else stored.item_row_scale
    factor = np.float32(1) if scale is None else scale.astype(np.float32)
    item_rows = items.astype(np.float32).T

    def rows(asked: I64) -> F32:
        return np.asarray(users[asked].astype(np.float32) @ item_rows * factor)

    return rows


def fine_tuned(start: TrainedModel, recipe: str, data: Dataset, tables: Tables) -> dict[str, Any]:
    """What fine-tuning for a recipe gained: metrics of the stored tables, before and after it."""
    before, after = (
        (torch.from_numpy(model.user_emb), torch.from_numpy(model.item_emb)) for model in (start, tables)
    )
    return {
        "recipe": recipe,
        "start": {key: start.metadata[key] for key in ("name", "seed", "sha256")},
        "start_metrics": _means(recipe, *before, data),
        "metrics": _means(recipe, *after, data),
    }


def _means(
    recipe: str, user_emb: Tensor, item_emb: Tensor, data: Dataset
) -> dict[str, dict[str, float | None]]:
    stored = stored_tables(recipe, user_emb, item_emb)
    return {split: evaluate(*stored, data, split).means() for split in splits_of(data)}
