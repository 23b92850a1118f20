"""Bundles to update, and items files to update them with."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from exports import make_source

from recpress_edge.artifacts.bundle import Bundle
from recpress_edge.artifacts.recipes import RECIPES
from recpress_edge.core.rng import stream
from recpress_export.build import build
from recpress_export.gates import Gate
from recpress_export.subjects.all_users import AllUsers
from recpress_export.subjects.single_user import SingleUser

DIM, N_ITEMS = 6, 120
NO_GATE = Gate(min_overlap=0.0, max_recall_loss=1.0, max_ndcg_loss=1.0, max_item_shift=1.0, lost_users=0)


def exported(
    folder: Path, recipe: str = "int8-dim", file_format: str = "onnx", user: str | None = None
) -> Bundle:
    """A bundle of 70 users, or of one, and 120 items 'item-0' … 'item-119'."""
    source = make_source(folder.parent / f"{folder.name}-model", n_items=N_ITEMS, dim=DIM)
    source = dataclasses.replace(source, file_format=file_format)
    subject = SingleUser(source, user) if user else AllUsers(source)
    return build(subject, RECIPES[recipe], folder, gate=NO_GATE).bundle


def rows(count: int, purpose: str = "new rows") -> np.ndarray:
    return stream(0, purpose).standard_normal((count, DIM), dtype=np.float32)


def items_file(path: Path, **arrays: Any) -> Path:
    """Lists of ids become text arrays; an ``*_ids`` without its ``*_emb`` gets random rows."""
    for name in ("append", "replace"):
        if f"{name}_ids" in arrays and f"{name}_emb" not in arrays:
            arrays[f"{name}_emb"] = rows(len(arrays[f"{name}_ids"]), name)
    np.savez(path, **{k: np.array(v, np.str_) if isinstance(v, list) else v for k, v in arrays.items()})
    return path
