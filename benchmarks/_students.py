"""One cell of the students' table: a model of so many bytes an item, quantised, and what it finds."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from _models import dequantised

from recpress_edge.artifacts.recipes import recipe_named
from recpress_edge.core.arrays import F32
from recpress_edge.core.progress import Event, TrainingEvent
from recpress_edge.core.registry import named
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.students import parse_name, teacher_name
from recpress_edge.models.outputs import Tables
from recpress_edge.training.ensure import ensure_model
from recpress_edge.training.evaluate import evaluate, splits_of
from recpress_edge.training.plan import ModelRequest, TrainOptions
from recpress_edge.training.store import TrainedModel

RECIPES: Final = ("int8-dim", "int4-item")
PQ: Final = "pq"
STUDENT: Final = "soft"
TABLES: Final = "soft_dim200"
"""A teacher that is two tables."""
CENTROIDS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way to make two tables."""

    title: str
    method: str
    teachers: tuple[str | None, ...] = (None,)
    """Of several the one whose student is best on validation, at each size."""
    seeded: bool = False


ROWS: Final[Mapping[str, Row]] = {
    "default": Row(title="our default student", method=STUDENT, seeded=True),
    "svd": Row(title="SVD of the teacher", method="svd", teachers=(None, TABLES)),
    "svd-ease": Row(title="SVD of EASE", method="svd", teachers=("ease",)),
    "als": Row(title="ALS", method="als"),
    "puresvd": Row(title="PureSVD", method="puresvd"),
    PQ: Row(title="product quantisation of a teacher", method=PQ, teachers=(TABLES,)),
}


def teachers_of(name: str, data: Dataset) -> tuple[str | None, ...]:
    """Those of a row; of product quantisation our student's own one too, where that is two tables."""
    usual = teacher_name(parse_name(f"{STUDENT}_dim1"), None, min(data.n_users, data.n_items))
    more = (usual,) if name == PQ and usual and parse_name(usual, "teacher").dim else ()
    return ROWS[name].teachers + more


def dim_of(recipe: str, n_bytes: int) -> int:
    """The most dimensions of which an item's row takes at most so many bytes."""
    row = recipe_named(recipe).item_row_bytes
    return max(dim for dim in range(1, 2 * n_bytes + 1) if row(dim) <= n_bytes)


class Watch:
    """CPU seconds of training a model and its parts, apart from those that were found."""

    def __init__(self) -> None:
        self.trained: list[str] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, TrainingEvent) and event.kind in ("train", "resume"):
            self.trained.append(event.name)


def trained(
    name: str, role: Any, teacher: str | None, seed: int, data: Dataset, work: Path
) -> tuple[TrainedModel, float | None]:
    """A model found in ``work`` or trained, and the CPU seconds that it took, None where it was found."""
    if teacher:
        trained(teacher, "teacher", None, 0, data, work)
    watch, started = Watch(), time.process_time()
    request = ModelRequest(name=name, role=role, seed=seed, options=TrainOptions(teacher=teacher))
    model = ensure_model(request, data, work, watch)
    return model, time.process_time() - started if name in watch.trained else None


@dataclass(frozen=True, slots=True)
class Cell:
    """A row at one size."""

    row: str
    recipe: str
    n_bytes: int
    """Of an item's row."""
    teacher: str | None
    seed: int

    def __str__(self) -> str:
        return "-".join(str(part) for part in (self.row, self.recipe, self.n_bytes, self.teacher, self.seed))


def measured(cell: Cell, data: Dataset, work: Path) -> dict[str, Any]:
    """What its tables find, as they are stored."""
    method, seed = ROWS[cell.row].method, cell.seed
    if method == PQ:
        return _quantised_teacher(str(cell.teacher), cell.n_bytes, data, work)
    dim, recipe = dim_of(cell.recipe, cell.n_bytes), recipe_named(cell.recipe)
    size = min(data.n_users, data.n_items)
    teacher = teacher_name(parse_name(f"{method}_dim{dim}"), cell.teacher, size)
    model, cpu = trained(f"{method}_dim{dim}", "student", teacher, seed, data, work)
    return {
        "model": model.name,
        "teacher": teacher,
        "seed": seed,
        "cpu_s": cpu,
        "chosen": dict(model.metadata.get("chosen_settings", {})),
        "bytes": data.n_items * recipe.item_row_bytes(dim) + data.n_users * recipe.user_row_bytes(dim),
        **_found(*dequantised(cell.recipe, Tables(model.user_emb, model.item_emb)), data),
    }


def _quantised_teacher(name: str, n_bytes: int, data: Dataset, work: Path) -> dict[str, Any]:
    """Product quantisation (Jégou et al., PAMI 2011) of both tables, a byte a part, in an optimised rotation
    (Ge et al., CVPR 2013) of the items: a product does not feel it, so the file need not hold it. The
    codebooks count with one byte a number.
    """
    model, _ = trained(name, "teacher", None, 0, data, work)
    started = time.process_time()
    width = -(-model.item_emb.shape[1] // n_bytes) * n_bytes
    rotation = named("faiss:OPQMatrix")(model.item_emb.shape[1], n_bytes, width)
    rotation.train(model.item_emb)
    tables = [_coded(rotation.apply(table), n_bytes) for table in (model.user_emb, model.item_emb)]
    return {
        "model": f"{PQ} of {name}",
        "teacher": name,
        "seed": 0,
        "cpu_s": time.process_time() - started,
        "chosen": {},
        "bytes": n_bytes * (data.n_users + data.n_items) + 2 * CENTROIDS * width,
        **_found(torch.from_numpy(tables[0]), torch.from_numpy(tables[1]), data),
    }


def _coded(table: F32, parts: int) -> F32:
    coder = named("faiss:ProductQuantizer")(table.shape[1], parts, 8)
    coder.train(table)
    decoded: F32 = coder.decode(coder.compute_codes(table))
    return np.ascontiguousarray(decoded)


def _found(user_emb: torch.Tensor, item_emb: torch.Tensor, data: Dataset) -> dict[str, Any]:
    return {split: evaluate(user_emb, item_emb, data, split).means() for split in splits_of(data)}
