"""What a model's record says: how it was made, and its metrics as a recipe stores its tables."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recpress_edge.artifacts.quantize import quantize, stored_floats
from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.core.arrays import F32, I64
from recpress_edge.data.holdout import Split, dataset_cutoff
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.methods import MethodRow
from recpress_edge.models.outputs import Tables
from recpress_edge.models.qat import stored_tables
from recpress_edge.models.ranking import ScoreRows
from recpress_edge.training.evaluate import SplitMetrics, evaluate, evaluate_rows, sample_facts, splits_of
from recpress_edge.training.loop import RunState
from recpress_edge.training.plan import Plan
from recpress_edge.training.source import source_digest
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


def chosen_epoch(plan: Plan, state: RunState) -> int:
    """The epoch that is kept."""
    return state.best_epoch if plan.wanted.training.keep == "best" else state.epoch


def metadata(plan: Plan, data: Dataset, state: RunState) -> dict[str, Any]:
    """What a record says of how a model was made."""
    wanted, parts = plan.wanted, plan.parts
    members = {"members": [reference(member) for member in parts.members]} if parts.members else {}
    return {
        "name": str(wanted.name),
        "method": wanted.name.method,
        "dim": wanted.name.dim,
        "seed": wanted.seed,
        "key": plan.key,
        "n_users": data.n_users,
        "n_items": data.n_items,
        "cutoff": dataset_cutoff(data),
        "config": dataclasses.asdict(wanted.config),
        "training": dataclasses.asdict(wanted.training),
        "dataset": {
            **data.facts(),
            **({"order_digest": data.order_digest()} if wanted.name.entry.ordered else {}),
            **({"weights_digest": data.weights_digest()} if wanted.name.entry.weighted else {}),
            **(data.click_digests() if wanted.name.entry.gives == "clicks" else {}),
        },
        "teacher": reference(parts.teacher) if parts.teacher else None,
        **members,
        **({"trials": state.trials} if state.trials else {}),
        **({"search": dict(state.search)} if state.search else {}),
        **({"plugin": _plugin(wanted.name.entry)} if wanted.name.entry.plugin else {}),
        **({"chosen_settings": state.chosen} if state.chosen else {}),
        "chosen_epoch": chosen_epoch(plan, state),
        "history": state.history,
        **sample_facts(data, wanted.training.valid_users),
        "seconds": round(state.seconds, 3),
        "device": wanted.options.device,
        "threads": wanted.options.threads,
        "torch": torch.__version__,
    }


def _plugin(row: MethodRow) -> dict[str, Any]:
    """What brought the method, and its source."""
    return {"file": Path(str(row.plugin)).name, "source": [source_digest(where) for where in row.sources]}


def reference(model: TrainedModel) -> dict[str, Any]:
    """What a model's record says of another that it was made from."""
    known = model.metadata
    width = model.tables.user_emb.shape[1] if model.tables else None
    facts = {key: known[key] for key in ("name", "seed", "metrics", "metrics_compared") if key in known}
    return facts | {"sha256": model.digest, "table_width": width}
