"""A trained model's folder as plain arrays. Needs numpy and safetensors; never torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import read_json, sha256_bytes

F32 = NDArray[np.float32]

MODEL_SCHEMA: Final = "recpress.model/1"
MODEL_FILE: Final = "model.safetensors"
MODEL_FACTS: Final = "model.json"
TABLES: Final = ("user_emb", "item_emb")


@dataclass(frozen=True, slots=True, eq=False)
class Student:
    """A factorised model: score(u, i) = user_emb[u] · item_emb[i]."""

    user_emb: F32
    """(U, D)"""
    item_emb: F32
    """(I, D)"""
    name: str
    seed: int
    sha256: str
    """Digest of model.safetensors."""
    facts: Mapping[str, Any]
    """model.json as it stands: method, data set, teacher, metrics."""

    @property
    def n_users(self) -> int:
        return int(self.user_emb.shape[0])

    @property
    def n_items(self) -> int:
        return int(self.item_emb.shape[0])

    @property
    def dim(self) -> int:
        return int(self.user_emb.shape[1])

    @property
    def table_bytes(self) -> int:
        return self.user_emb.nbytes + self.item_emb.nbytes


def read_student(folder: Path) -> Student:
    """Read and verify a model folder; anything that does not fit is an :class:`ArtifactError`."""
    facts, arrays, digest = read_model(folder)
    user_emb, item_emb = _tables(folder / MODEL_FILE, arrays, facts["dim"])
    return Student(user_emb, item_emb, facts["name"], facts["seed"], digest, facts)


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]], str]:
    """model.json, the arrays of model.safetensors and its digest, of any model; ArtifactError as above."""
    where = folder / MODEL_FACTS
    facts = read_json(where)
    if facts.get("schema") != MODEL_SCHEMA:
        raise ArtifactError(
            f"{where} has schema {facts.get('schema')!r}; this version reads {MODEL_SCHEMA!r}. "
            "Train it again."
        )
    for field, kind in (
        ("name", str),
        ("seed", int),
        ("dim", int),
        ("sha256", str),
        ("dataset", dict),
        ("metrics", dict),
    ):
        if not isinstance(facts.get(field), kind):
            raise ArtifactError(f"{where}: field {field!r} is missing or not a {kind.__name__}")
    if not isinstance(facts.get("teacher", 0), dict | None):
        raise ArtifactError(f"{where}: field 'teacher' is missing or neither an object nor null")
    path = folder / MODEL_FILE
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror or error}") from None
    found = sha256_bytes(data)
    if found != facts["sha256"]:
        raise ArtifactError(
            f"{path} is not the file that {MODEL_FACTS} describes: "
            f"SHA-256 {found}, expected {facts['sha256']}. "
            "It was not touched. Train it again, or bring the folder again whole."
        )
    try:
        return facts, dict(sorted(load(data).items())), found  # load gives them in any order
    except (SafetensorError, ValueError) as error:
        raise ArtifactError(f"{path} is not a readable safetensors file: {error}") from None


def _tables(path: Path, arrays: dict[str, NDArray[Any]], dim: int) -> tuple[F32, F32]:
    if "ranking_items" in arrays and TABLES[0] not in arrays:
        raise ArtifactError(
            f"{path} holds rankings, not tables: the model is no product of a user and an item vector and "
            "cannot be exported. What can: models that are two tables, and students distilled from this one "
            f"(recpress-edge distill --student soft_dim32 --teacher {path.parent})."
        )
    for name in TABLES:
        if name not in arrays:
            raise ArtifactError(
                f"{path} holds no {name!r}; it holds {', '.join(sorted(arrays)) or 'nothing'}"
            )
        check_table(f"{path}: {name}", arrays[name], dim)
    return arrays["user_emb"], arrays["item_emb"]


def check_table(where: str, table: NDArray[Any], dim: int) -> None:
    """A table must be float32, (rows, dim) with at least one row and one column, and finite."""
    if table.dtype != np.float32 or table.ndim != 2 or table.shape[1] != dim or 0 in table.shape:
        raise ArtifactError(f"{where} is {table.dtype} {table.shape}, expected float32 (rows, {dim})")
    bad = np.flatnonzero(~np.isfinite(table).all(axis=1))
    if bad.size:
        raise ArtifactError(
            f"{where} has {bad.size} rows with NaN or infinity, the first is row {bad[0]}. "
            "The training diverged: lower its learning rate."
        )
