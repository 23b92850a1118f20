"""Models for the benchmarks that train: made where they are missing, and their recall in a recipe."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from device_bench.quality import ranking_quality
from recpress_edge.artifacts.quantize import quantize
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.data.holdout import Split
from recpress_edge.data.interactions import Dataset
from recpress_edge.device.verify import verify_bundle
from recpress_edge.jobs.export import ExportRequest
from recpress_edge.models.outputs import Tables
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.evaluate import evaluate
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.store import TrainedModel

METRIC: Final = "recall@50"
Role = Literal["teacher", "student"]


def made(
    name: str, data: Dataset, work: Path, *, role: Role = "student", seed: int = 0, **options: Any
) -> TrainedModel:
    """A model found in ``work``, or trained there with these :class:`TrainOptions`."""
    return ensure_model(
        ModelRequest(name=name, role=role, seed=seed, options=TrainOptions(**options)),
        data,
        work,
        lambda event: None,
    )


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


def model_figures(model: TrainedModel, metrics: Sequence[str]) -> dict[str, Any]:
    """What a model is and reaches by its own record."""
    known = model.metadata
    return {
        "seed": known["seed"],
        "sha256": model.digest,
        "chosen_epoch": known["chosen_epoch"],
        "seconds": known["seconds"],
        **{split: {m: known["metrics"][split][m] for m in metrics} for split in ("valid", "test")},
    }


def file_figures(
    model: TrainedModel, recipes: Sequence[str], metrics: Sequence[str], work: Path, **more: Any
) -> list[dict[str, Any]]:
    """The model's bundle in each recipe: bytes, and what the file finds on test; ``more``: of the export."""
    found = []
    for recipe in recipes:
        with tempfile.TemporaryDirectory(prefix="recpress-") as folder:
            asked = ExportRequest(
                student=str(model.folder),
                recipe=recipe,
                with_evaluation=True,
                out=Path(folder) / "bundle",
                force=True,
                work=work,
                **more,
            )
            exported = asked.run().exported
            quality = ranking_quality(verify_bundle(exported.bundle.folder))
            parity = exported.bundle.quality["parity"]
            found.append(
                {
                    "recipe": recipe,
                    "file_bytes": exported.bundle.model_bytes,
                    "test": {metric: quality[metric] for metric in metrics},
                    "exact_users": parity["exact_users"],
                    "overlap@50": parity["overlap"]["overlap@50"]["mean"],
                    "gate_met": parity["gate"]["met"],
                }
            )
    return found
