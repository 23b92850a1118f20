"""The model folder of a network from outside: what it reaches, what it teaches, its file and its record."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.artifacts.contract import HISTORY
from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.files import digest_of
from recpress_edge.data.holdout import dataset_cutoff
from recpress_edge.data.interactions import Dataset, Interactions
from recpress_edge.models.ranking import ScoreRows
from recpress_edge.training.evaluate import facts_of
from recpress_edge.training.judge import judged_network, popular_metrics
from recpress_edge.training.ranks import write_ranks
from recpress_edge.training.store import TrainedModel, model_folder, save_model
from recpress_export.networks.outside import BY_PROFILE, Asked, parts_of
from recpress_export.networks.soundness import lookup_table


@dataclass(frozen=True, slots=True, eq=False)
class NetworkSource:
    """A network as it was given."""

    asked: Asked
    """The torch module itself, or the ONNX file in onnxruntime."""
    onnx: bytes
    facts: Mapping[str, Any]
    """Where it comes from, for the record."""
    n_columns: int
    """Scores that it gives, or rows of its item table."""
    left_out: int
    """Of its ids those that the data set does not hold."""

    @property
    def of_history(self) -> bool:
        """Whether it scores after a history, not for a user."""
        return self.asked.wiring.profile == HISTORY


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """What the folder is called, and where it goes."""

    name: str
    work: Path
    threads: int


def save_network(
    request: RecordRequest, source: NetworkSource, data: Dataset, imported: Mapping[str, Any]
) -> TrainedModel:
    """Evaluate the network on what is held out and write its folder; ``imported``: of the import's record."""
    asked, wiring = source.asked, source.asked.wiring
    found, rankings = judged_network(
        lambda histories: _rows_after(source, histories), data, asked.places.unknown, request.threads
    )
    order = {"order_digest": data.order_digest()} if source.of_history else {}
    architecture = {"kind": BY_PROFILE[wiring.profile], **wiring.facts()}
    about = {
        "imported": {**imported, "popular": popular_metrics(data)},
        "dataset": {**data.facts(), **order},
        "architecture": architecture,
        "name": request.name,
    }
    key = digest_of(about)
    facts = {
        **about,
        "method": "imported",
        "dim": _dim(source),
        "seed": 0,
        "key": key,
        "n_users": data.n_users,
        "n_items": data.n_items,
        "cutoff": dataset_cutoff(data),
        "teacher": None,
        "chosen_epoch": 0,
        "seconds": 0.0,
        **facts_of(found, data),
    }
    folder = model_folder(request.work / "models", request.name, 0, key)
    folder.mkdir(parents=True, exist_ok=True)
    parts = parts_of(source.onnx, asked.places, asked.popularity)
    return save_model(folder, facts | write_ranks(folder, found), None, rankings, parts)


def _rows_after(source: NetworkSource, histories: Interactions) -> ScoreRows:
    """One request a user, as a device asks."""
    items = (histories.in_order() if source.of_history else histories.indices).astype(np.int64)
    starts = histories.indptr

    def rows(users: I64) -> F32:
        asked = [(user, items[starts[user] : starts[user + 1]]) for user in users.tolist()]
        return np.concatenate([source.asked.scores([row]) for row in asked]).astype(np.float32)

    return rows


def _dim(source: NetworkSource) -> int:
    """Width of its vector, or of the table in which it looks up its input; 1 where none is found."""
    table = source.asked.places.item_table
    if table is not None:
        return int(table.shape[1])
    found = lookup_table(source.onnx, source.asked.wiring)
    return found.dim if found else 1
