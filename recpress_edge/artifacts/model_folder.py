"""A trained model's folder, written and read as plain arrays: names, shapes, digest. Never torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import read_json, sha256_bytes, sha256_file, write_atomic, write_json

MODEL_SCHEMA: Final = "recpress.model/1"
MODEL_FILE: Final = "model.safetensors"
MODEL_FACTS: Final = "model.json"
TABLES: Final = ("user_emb", "item_emb")
"""float32 (rows, dim): score = user · item."""
RANKINGS: Final = ("ranking_items", "ranking_scores")
"""int32 and float32 (users, length): a user's best unobserved items, best first."""
NEAR: Final = ("near_user_emb", "near_item_emb")
"""float32 (rows, width): their product is near to the scores of a model that has rankings."""
NETWORK_PREFIX: Final = "network/"
"""A network's parameters are named network/<parameter>."""
FIELD_PREFIX: Final = "vocabulary/"
"""Of a click model: vocabulary/<field> is its values as UTF-8 text, one a line, in uint8."""
FIELDS: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {
        "name": (str,),
        "seed": (int,),
        "dim": (int,),
        "sha256": (str,),
        "dataset": (dict,),
        "metrics": (dict,),
        "teacher": (dict, type(None)),
    }
)
"""What every model.json says, and of which type."""
_ADVICE: Final = "It was not touched. Train it again, or bring the folder again whole."

Arrays = Mapping[str, NDArray[Any]]


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


def tensor_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Arrays as a safetensors file, row by row in the memory of each.

    ``save`` writes memory as it lies, so that an array by columns, or a part of another, would be read as
    other numbers.
    """
    return bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def write_model(folder: Path, facts: Mapping[str, Any], arrays: Arrays) -> dict[str, Any]:
    """Write the numbers, then model.json, which makes the model complete: a kill in between leaves none.

    Returns model.json as it is written.
    """
    data = tensor_bytes(arrays)
    complete = {"schema": MODEL_SCHEMA, **facts, "sha256": sha256_bytes(data)}
    write_atomic(folder / MODEL_FILE, data)
    write_json(folder / MODEL_FACTS, complete)
    return complete


def read_student(folder: Path) -> Student:
    """Read and verify the folder of a model with tables; ArtifactError for one without."""
    facts, arrays = read_model(folder)
    where = folder / MODEL_FILE
    if RANKINGS[0] in arrays and TABLES[0] not in arrays:
        raise ArtifactError(
            f"{where} holds rankings, not tables: the model is no product of a user and an item vector and "
            "cannot be exported. What can: models that are two tables, and students distilled from this one "
            f"(recpress-edge distill --student soft_dim32 --teacher {folder})."
        )
    _check_names(where, TABLES, arrays)
    user_emb, item_emb = (arrays[name] for name in TABLES)
    return Student(user_emb, item_emb, facts["name"], facts["seed"], facts["sha256"], facts)


def read_model(folder: Path, advice: str = _ADVICE) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """model.json and the arrays of model.safetensors, verified: digest, shapes, types, finite tables.

    An ArtifactError ends with ``advice``.
    """
    try:
        facts = _read_facts(folder / MODEL_FACTS)
        arrays = _read_arrays(folder / MODEL_FILE, facts["sha256"])
        _check_arrays(folder / MODEL_FILE, facts, arrays)
    except ArtifactError as error:
        raise ArtifactError(
            f"the model at {folder} cannot be used: {str(error).rstrip('.')}. {advice}"
        ) from None
    return facts, arrays


def verified_facts(folder: Path) -> dict[str, Any]:
    """model.json, once the file of numbers is the one that it describes; nothing of that is taken apart."""
    facts, where = _read_facts(folder / MODEL_FACTS), folder / MODEL_FILE
    if not where.is_file():
        raise ArtifactError(f"no such file: {where}", fault="missing")
    _check_digest(where, sha256_file(where), facts["sha256"])
    return facts


def _check_digest(path: Path, found: str, stated: str) -> None:
    if found != stated:
        raise ArtifactError(
            f"{path} is not the file that {MODEL_FACTS} describes: SHA-256 {found}, expected {stated}"
        )


def _read_facts(path: Path) -> dict[str, Any]:
    facts = read_json(path)
    if facts.get("schema") != MODEL_SCHEMA:
        raise ArtifactError(f"{path} has schema {facts.get('schema')!r}; this version reads {MODEL_SCHEMA!r}")
    for field, kinds in FIELDS.items():
        if field not in facts or not isinstance(facts[field], kinds):
            raise ArtifactError(f"{path}: field {field!r} is missing or not {kinds[0].__name__}")
    return facts


def _read_arrays(path: Path, sha256: str) -> dict[str, NDArray[Any]]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror or error}") from None
    _check_digest(path, sha256_bytes(data), sha256)
    try:
        return dict(sorted(load(data).items()))  # load gives them in any order
    except (SafetensorError, ValueError) as error:
        raise ArtifactError(f"{path} is not a readable safetensors file: {error}") from None


def _check_arrays(path: Path, facts: Mapping[str, Any], arrays: Arrays) -> None:
    """Tables, rankings or a network's parameters must be there; tables and rankings in their shapes."""
    if TABLES[0] in arrays or not network_parameters(arrays).keys() | (arrays.keys() & {RANKINGS[0]}):
        _check_names(path, TABLES, arrays)
        for name in TABLES:
            check_table(f"{path}: {name}", arrays[name], facts["dim"])
    if RANKINGS[0] in arrays:
        _check_names(path, RANKINGS, arrays)
        _check_rankings(path, *(arrays[name] for name in RANKINGS))
    if NEAR[0] in arrays:
        _check_names(path, NEAR, arrays)
        for name in NEAR:
            check_table(f"{path}: {name}", arrays[name], arrays[NEAR[0]].shape[-1])


def _check_names(path: Path, names: Sequence[str], arrays: Arrays) -> None:
    for name in names:
        if name not in arrays:
            raise ArtifactError(
                f"{path} holds no {name!r}; it holds {', '.join(sorted(arrays)) or 'nothing'}"
            )


def _check_rankings(path: Path, items: NDArray[Any], scores: NDArray[Any]) -> None:
    types = items.dtype == np.int32 and scores.dtype == np.float32
    if not types or items.ndim != 2 or items.shape != scores.shape:
        raise ArtifactError(
            f"{path}: its rankings are {items.dtype} {items.shape} and {scores.dtype} {scores.shape}, "
            "expected int32 and float32 (users, length)"
        )


def network_parameters(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """A network's parameters by name; empty for other models."""
    return {
        name.removeprefix(NETWORK_PREFIX): array
        for name, array in arrays.items()
        if name.startswith(NETWORK_PREFIX)
    }


def network_rows(facts: Mapping[str, Any], arrays: Arrays) -> tuple[F32, F32] | None:
    """The rows (U, K) and (I, K) that stand for a network's users and items; None without an architecture.

    Its architecture names the parameters that are put side by side.
    """
    architecture = facts.get("architecture", {})
    if "user_rows" not in architecture:
        return None
    parameters = network_parameters(arrays)
    for name in (*architecture["user_rows"], *architecture["item_rows"]):
        if name not in parameters:
            raise ArtifactError(f"the network's architecture names {name!r}, and no parameter is called so")
    users, items = (
        np.hstack([parameters[name] for name in architecture[side]]) for side in ("user_rows", "item_rows")
    )
    return users, items


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
