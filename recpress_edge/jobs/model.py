"""A model of another program as a model folder: vectors in, every command of a student or teacher after."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from recpress_edge.core.arrays import F64
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.files import digest_of, sha256_file
from recpress_edge.core.progress import OnEvent, silent
from recpress_edge.data.holdout import dataset_cutoff
from recpress_edge.data.interactions import Dataset
from recpress_edge.data.vectors import (
    Ids,
    Missing,
    PlacedVectors,
    array_file,
    as_float32,
    place,
    read_biases,
    read_ids,
    read_vectors,
    unit_rows,
    with_biases,
)
from recpress_edge.jobs.data import load_data
from recpress_edge.models.outputs import Tables
from recpress_edge.training.store import TrainedModel, model_folder, save_model

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class ModelImportResult:
    """A model folder, and what became of the vectors."""

    model: TrainedModel
    users: PlacedVectors
    items: PlacedVectors

    def facts(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        known = self.model.metadata
        return {
            "model": str(self.model.folder),
            **{key: known[key] for key in ("name", "dim", "sha256", "metrics", "imported")},
        }


@dataclass(frozen=True, slots=True)
class _Side:
    """The files of the users or of the items."""

    kind: str
    vectors: str
    ids: Path | None
    bias: str | None

    def placed(self, wanted: Sequence[str], missing: Missing) -> tuple[PlacedVectors, F64 | None]:
        """Vectors (N, D) and biases (N,) in the order of ``wanted``."""
        vectors = read_vectors(self.vectors, f"--{self.kind}s")
        ids = read_ids(self.ids, f"--{self.kind}-ids") if self.ids else None
        if self.bias is None:
            return place(vectors, Ids(self.kind, ids, wanted), missing), None
        biases = read_biases(self.bias, f"--{self.kind}-bias", len(vectors))
        both = place(np.column_stack([vectors, biases]), Ids(self.kind, ids, wanted), missing)
        return dataclasses.replace(both, rows=both.rows[:, :-1]), both.rows[:, -1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelImportRequest:
    """``recpress-edge model import``: user and item vectors whose product is the score."""

    name: str
    users: str
    """FILE or FILE:NAME of the user vectors (U, D): npy, npz, safetensors."""
    items: str
    """The same of the item vectors (I, D)."""
    user_ids: Path | None = None
    """The user of each row."""
    item_ids: Path | None = None
    user_bias: str | None = None
    item_bias: str | None = None
    cosine: bool = False
    """Whether the score is the cosine, so that rows are brought to length one."""
    in_order: bool = False
    """Whether rows without a file of ids are in the order of the data set's ids."""
    missing: Missing = "error"
    """What a user or item of the data set gets that has no vector."""
    data: str = "synthetic"
    threads: int = 1
    work: Path = Path()

    def run(self, on_event: OnEvent = silent) -> ModelImportResult:
        """Read, place, evaluate and write; ConfigError or DataError where something does not fit."""
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"--name {self.name!r}: a letter, then letters, digits and _ . -")
        if self.cosine and (self.user_bias or self.item_bias):
            raise ConfigError("--cosine has no biases: a cosine is the product of two rows of length one")
        for kind, ids in (("user", self.user_ids), ("item", self.item_ids)):
            if ids is None and not self.in_order:
                raise ConfigError(
                    f"whose vectors are in --{kind}s? Say so with --{kind}-ids FILE, or with --in-order "
                    f"if row n belongs to line n of the data set's {kind}s.txt."
                )
        data = load_data(self.data, self.work, on_event)
        sides = [
            _Side("user", self.users, self.user_ids, self.user_bias).placed(data.user_ids, self.missing),
            _Side("item", self.items, self.item_ids, self.item_bias).placed(data.item_ids, self.missing),
        ]
        (users, user_bias), (items, item_bias) = sides
        if users.rows.shape[1] != items.rows.shape[1]:
            raise ConfigError(
                f"--users has {users.rows.shape[1]} dimensions and --items {items.rows.shape[1]}: "
                "their product is no score. Are they of the same model, and none of them transposed?"
            )
        user, item = users.rows, items.rows
        if self.cosine:
            user, item = unit_rows(user), unit_rows(item)
        tables = Tables(*map(as_float32, with_biases(user, item, user_bias, item_bias)))
        return ModelImportResult(self._save(tables, data, users, items), users, items)

    def _save(
        self, tables: Tables, data: Dataset, users: PlacedVectors, items: PlacedVectors
    ) -> TrainedModel:
        from recpress_edge.training.judge import judged_tables  # torch only from here on

        arrays = {name: getattr(self, name) for name in ("users", "items", "user_bias", "item_bias")}
        files = {name: array_file(text) for name, text in arrays.items() if text}
        files |= {name: path for name in ("user_ids", "item_ids") if (path := getattr(self, name))}
        imported = {
            "files": {name: sha256_file(path) for name, path in files.items()},
            "cosine": self.cosine,
            "biases": [kind for kind in ("user", "item") if getattr(self, f"{kind}_bias")],
            "missing": self.missing,
            "users_without_vector": users.without,
            "items_without_vector": items.without,
            "vectors_left_out": users.left_out + items.left_out,
        }
        dataset = data.facts()
        key = digest_of({"name": self.name, "imported": imported, "dataset": dataset})
        facts = {
            "name": self.name,
            "method": "imported",
            "dim": tables.user_emb.shape[1],
            "seed": 0,
            "key": key,
            "n_users": data.n_users,
            "n_items": data.n_items,
            "cutoff": dataset_cutoff(data),
            "dataset": dataset,
            "teacher": None,
            "chosen_epoch": 0,
            "seconds": 0.0,
            "imported": imported,
            **judged_tables(tables, data, self.threads),
        }
        folder = model_folder(self.work / "models", self.name, 0, key)
        folder.mkdir(parents=True, exist_ok=True)
        return save_model(folder, facts, tables)
