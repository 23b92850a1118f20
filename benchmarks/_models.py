"""Models for the benchmarks that train: made where they are missing, and their recall in a recipe."""

from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recpress_edge.artifacts.quantize import quantize
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.data.holdout import Split
from recpress_edge.data.interactions import Dataset
from recpress_edge.models.outputs import Tables
from recpress_edge.training.cache import TrainOptions, ensure_model
from recpress_edge.training.evaluate import evaluate
from recpress_edge.training.store import TrainedModel

METRIC: Final = "recall@50"
Role = Literal["teacher", "student"]


def made(
    name: str, data: Dataset, work: Path, *, role: Role = "student", seed: int = 0, **options: Any
) -> TrainedModel:
    """A model found in ``work``, or trained there with these :class:`TrainOptions`."""
    return ensure_model(name, role, data, seed, work, TrainOptions(**options), lambda event: None)


def facts(model: TrainedModel) -> dict[str, Any]:
    """Which model it is, and its recall on both splits by its own record."""
    known = model.metadata
    return {
        "name": model.name,
        "seed": known["seed"],
        "sha256": model.digest,
        **{split: known["metrics"][split][METRIC] for split in ("valid", "test")},
    }


def dequantised(recipe: str, tables: Tables) -> tuple[Tensor, Tensor]:
    """The tables as the exporter stores them, multiplied out; fp32 keeps them as they are."""
    stored = quantize(recipe_named(recipe), tables.user_emb, tables.item_emb)
    if stored is None:
        return torch.from_numpy(tables.user_emb), torch.from_numpy(tables.item_emb)
    fold = stored.item_scale.astype(np.float64)
    items = stored.item_q * fold
    if stored.item_row_scale is not None:
        items *= stored.item_row_scale.astype(np.float64)[:, None]
    users = stored.user_q * stored.user_scale.astype(np.float64)[:, None] / fold
    return torch.from_numpy(users.astype(np.float32)), torch.from_numpy(items.astype(np.float32))


def recall_by_user(recipe: str, tables: Tables, data: Dataset, split: Split) -> NDArray[np.float64]:
    """Recall@50 (B,) of each user of the split."""
    return evaluate(*dequantised(recipe, tables), data, split).by_user[METRIC]


def dataset_facts(data: Dataset) -> dict[str, str]:
    """Which data set, and how it is split."""
    return {"name": data.name, "digest": data.digest(), "protocol": data.protocol}
