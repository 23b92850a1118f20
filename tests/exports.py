"""Students, sources and bundles by the exporter, and items files to update them: every table is known."""

import dataclasses
import inspect
import shutil
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from bundles import evaluation
from safetensors.numpy import save

from recpress_edge.artifacts.bundle import HISTORY, Bundle, Contract, Evaluation, open_bundle
from recpress_edge.artifacts.fold_in import FoldIn, QuantizedHistory, read_fold_in, write_fold_in
from recpress_edge.artifacts.formats import FORMATS, MODEL_FORMATS, writer_of
from recpress_edge.artifacts.integers import rounded_rows
from recpress_edge.artifacts.model_folder import MODEL_FACTS, MODEL_FILE, MODEL_SCHEMA, Student, read_student
from recpress_edge.artifacts.quantize import QuantizedTables
from recpress_edge.artifacts.recipes import RECIPES, Recipe
from recpress_edge.core.files import sha256_bytes, write_json
from recpress_edge.core.metrics import judging_cutoff
from recpress_edge.core.rng import stream
from recpress_edge.testing.tables import random_tables
from recpress_edge.testing.writer import contract_of
from recpress_edge.testing.writer import graph_of as make_graph
from recpress_export.build import build
from recpress_export.gates import Gate, HistoryGate
from recpress_export.student import StudentData
from recpress_export.subjects.all_users import AllUsers
from recpress_export.subjects.single_user import SingleUser

__all__ = ["evaluation", "make_graph", "random_tables"]

OPEN = Gate(min_overlap=0.0, max_recall_loss=1.0, max_ndcg_loss=1.0, max_item_shift=1.0, lost_users=70)
NO_GATE = dataclasses.replace(OPEN, lost_users=0)
ANY_HISTORY = HistoryGate(max_recall_share=9.0, max_ndcg_share=9.0, lost_users=0)

DIM, N_ITEMS = 6, 120

FILES = [(name, recipe) for name in MODEL_FORMATS for recipe in FORMATS[name].recipes]
"""What can be written: formats, each in its recipes."""


def has_profile(recipe: str, profile: str) -> bool:
    """Whether a recipe is available for a profile."""
    return profile != HISTORY or not RECIPES[recipe].bounds_scores


def write_student(folder: Path, user_emb: np.ndarray, item_emb: np.ndarray, **facts: Any) -> Path:
    """A model folder as training writes it."""
    data = save({"user_emb": user_emb, "item_emb": item_emb})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MODEL_FILE).write_bytes(data)
    known = {
        "schema": MODEL_SCHEMA,
        "name": f"htd_dim{user_emb.shape[1]}",
        "method": "htd",
        "dim": user_emb.shape[1],
        "seed": 0,
        "dataset": {"name": "toy", "digest": "d" * 64, "protocol": "leave-one-out at random, seed 0"},
        "teacher": {
            "name": "bpr_dim200",
            "metrics": {
                "valid": {"recall@20": 0.45, "recall@50": 0.5},
                "test": {"recall@20": 0.35, "recall@50": 0.4},
            },
        },
        "metrics": {
            "valid": {"recall@20": 0.25, "recall@50": 0.3},
            "test": {"recall@20": 0.15, "recall@50": 0.2},
        },
        "sha256": sha256_bytes(data),
    }
    write_json(folder / MODEL_FACTS, known | facts)
    return folder


def random_evaluation(n_users: int, n_items: int, purpose: str) -> Evaluation:
    """Every user has seen three items and holds one out."""
    rng = stream(0, purpose)
    drawn = [rng.permutation(n_items)[:4].tolist() for _ in range(n_users)]
    return evaluation(list(range(n_users)), [sorted(d[:3]) for d in drawn], [d[3:] for d in drawn])


def make_source(
    folder: Path, n_users: int = 70, n_items: int = 120, dim: int = 6, **facts: Any
) -> StudentData:
    student = read_student(write_student(folder, *random_tables(n_users, n_items, dim), **facts))
    return source_of(student)


def source_of(student: Student) -> StudentData:
    n_users, n_items = student.n_users, student.n_items
    return StudentData(
        model=student,
        user_ids=[f"user {n}" for n in range(n_users)],
        item_ids=[f"item-{n}" for n in range(n_items)],
        valid=random_evaluation(n_users, n_items, "valid"),
        test=random_evaluation(n_users, n_items, "test"),
        licence="public domain",
        definition={"valid": "hits / |relevant|, valid", "test": "hits / |relevant|, test"},
        teacher_bytes=4 * 200 * (n_users + n_items),
        item_counts=np.arange(n_items)[::-1] // 3,
        cutoff=judging_cutoff(np.array([n_items - 3])),
        command="recpress-edge export --student htd_dim6",
    )


def make_contract(
    recipe: Recipe, user_emb: np.ndarray, item_emb: np.ndarray, file_format: str = "onnx"
) -> Contract:
    return contract_of(recipe.name, user_emb, item_emb, file_format)


def levels(file_format: str, two_level_items: int) -> dict[str, int]:
    """The writer's option of that name; nothing for a writer that chooses the best in one way only."""
    takes = "two_level_items" in inspect.signature(writer_of(file_format)).parameters
    return {"two_level_items": two_level_items} if takes else {}


def with_histories(
    tables: QuantizedTables, history: QuantizedHistory, histories: Sequence[np.ndarray]
) -> QuantizedTables:
    """The tables as if row b of the users were what the file makes of history b."""
    sums = np.stack([history.prior_q + history.history_q[h].sum(axis=0, dtype=np.int64) for h in histories])
    rows, peaks = rounded_rows(sums)
    scale = peaks.astype(np.float32) * history.step
    return dataclasses.replace(tables, user_q=rows.astype(np.int8), user_scale=scale)


def with_fold_in(folder, source):
    """A drawn fold-in in the model's folder, as training would leave it."""

    rng, student = stream(0, "test fold-in"), source.model
    learned = FoldIn(
        rng.standard_normal((student.n_items, student.dim), np.float32),
        rng.standard_normal(student.dim, np.float32),
    )
    write_fold_in(folder, learned, {"model_sha256": student.sha256, "key": "test"})
    return read_fold_in(folder, student)


def exported(
    folder: Path, recipe: str = "int8-dim", file_format: str = "onnx", user: str | None = None
) -> Bundle:
    """A bundle of 70 users, or of one, and 120 items 'item-0' … 'item-119', and its model beside it.

    Each is made once in a process, and copied.
    """
    made = Path(_exported(folder.name, recipe, file_format, user).name)
    shutil.copytree(made, folder.parent, dirs_exist_ok=True)
    return open_bundle(folder)


@cache
def _exported(name: str, recipe: str, file_format: str, user: str | None) -> TemporaryDirectory[str]:
    made = TemporaryDirectory(prefix="recpress-exported-")
    folder = Path(made.name)
    source = make_source(folder / f"{name}-model", n_items=N_ITEMS, dim=DIM)
    source = dataclasses.replace(source, file_format=file_format)
    build(
        SingleUser(source, user) if user else AllUsers(source), RECIPES[recipe], folder / name, gate=NO_GATE
    )
    return made


def rows(count: int, purpose: str = "new rows") -> np.ndarray:
    return stream(0, purpose).standard_normal((count, DIM), dtype=np.float32)


def items_file(path: Path, **arrays: Any) -> Path:
    """Lists of ids become text arrays; an ``*_ids`` without its ``*_emb`` gets random rows."""
    for name in ("append", "replace"):
        if f"{name}_ids" in arrays and f"{name}_emb" not in arrays:
            arrays[f"{name}_emb"] = rows(len(arrays[f"{name}_ids"]), name)
    np.savez(path, **{k: np.array(v, np.str_) if isinstance(v, list) else v for k, v in arrays.items()})
    return path
