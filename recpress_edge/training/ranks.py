"""What each user gets of a trained model: the ranks of the held-out items, kept or computed again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load

from recpress_edge.artifacts.model_folder import tensor_bytes
from recpress_edge.core.arrays import I64
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import sha256_bytes, write_atomic
from recpress_edge.data.holdout import Split, masked_items, relevant_items
from recpress_edge.data.interactions import Dataset
from recpress_edge.models.ranking import product_rows
from recpress_edge.training.evaluate import SplitMetrics, metrics_from_ranks, relevant_ranks
from recpress_edge.training.store import TrainedModel

RANKS: Final = "ranks.safetensors"
"""int32 by split: the rank of each held-out interaction, in the order of the data set's."""
_TOLERANCE: Final = 1e-3
"""How far a mean may be from the recorded one: another CPU adds in another order."""


def write_ranks(folder: Path, found: Mapping[Split, SplitMetrics]) -> dict[str, str]:
    """Keep the ranks of a model that no two tables make; gives their digest, for its record."""
    data = tensor_bytes({split: metrics.ranks.astype(np.int32) for split, metrics in sorted(found.items())})
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / RANKS, data)
    return {"ranks_sha256": sha256_bytes(data)}


def held_out_ranks(model: TrainedModel, data: Dataset, split: Split) -> I64:
    """The rank of each relevant pair, (nnz,) as ``relevant_items(data, split).indices``."""
    relevant = relevant_items(data, split)
    if not len(relevant):
        raise ConfigError(f"data set {data.name!r} holds out nothing in its {split} split")
    if model.tables:
        rows = product_rows(torch.from_numpy(model.user_emb), torch.from_numpy(model.item_emb))
        ranks = relevant_ranks(rows, masked_items(data, split), relevant)
    else:
        ranks = _kept(model, split)
    if ranks.size != len(relevant):
        raise ArtifactError(f"{model.folder / RANKS} has {ranks.size} ranks, expected {len(relevant)}")
    _, by_user = metrics_from_ranks(ranks, relevant, (10,))
    stated = model.metadata["metrics"].get(split, {}).get("ndcg@10")
    mean = float(by_user["ndcg@10"].mean())
    if stated is not None and abs(mean - stated) > _TOLERANCE:
        raise ArtifactError(
            f"{model.folder} states ndcg@10 {stated:.4f} on {split}, and its users have {mean:.4f}: its "
            "record is another model's or another evaluation's. Train it again."
        )
    return ranks


def _kept(model: TrainedModel, split: Split) -> I64:
    where, stated = model.folder / RANKS, model.metadata.get("ranks_sha256")
    if stated is None:
        raise ConfigError(
            f"{model.name} in {model.folder} was made before figures of each user were kept. Train it again, "
            "with --restart, or bring it again."
        )
    try:
        data = where.read_bytes()
        if sha256_bytes(data) != stated:
            raise ArtifactError(f"{where} is not the file that model.json describes: its digest differs")
        return load(data)[split].astype(np.int64)
    except (OSError, SafetensorError, KeyError) as error:
        raise ArtifactError(f"{where} cannot be read: {error}. Train the model again.") from None
