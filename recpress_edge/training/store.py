"""Trained models on disk: tables or rankings in safetensors, everything else in JSON. No torch here."""

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as parse_arrays
from safetensors.numpy import save as format_arrays

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import read_json, sha256_bytes, storage_errors, write_atomic, write_json
from recpress_edge.models.outputs import Rankings, Tables
from recpress_edge.models.teacher import Teacher

F32 = NDArray[np.float32]

SCHEMA: Final = "recpress.model/1"
TENSORS: Final = "model.safetensors"
METADATA: Final = "model.json"
LOCK: Final = ".lock"
FIELDS: Final[Mapping[str, tuple[type, ...]]] = MappingProxyType(
    {"name": (str,), "seed": (int,), "dataset": (dict,), "metrics": (dict,), "teacher": (dict, type(None))}
)
"""What every model.json says, and of which type."""
NETWORK: Final = "network/"
"""Of the names of a network's parameters among the tensors."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model folder, read and verified: two tables, or rankings where no two tables make them."""

    folder: Path
    metadata: dict[str, Any]
    tables: Tables | None
    rankings: Rankings | None = None
    features: Tables | None = None
    """A network's rows for its users and items; their product is no score."""

    @property
    def user_emb(self) -> F32:
        """(U, D); a model without tables is an :class:`ArtifactError`."""
        return self._tables().user_emb

    @property
    def item_emb(self) -> F32:
        """(I, D); a model without tables is an :class:`ArtifactError`."""
        return self._tables().item_emb

    @property
    def teacher(self) -> Teacher:
        """What a student is given of it."""
        return Teacher(self.name, self.tables, self.rankings, features=self.features)

    def _tables(self) -> Tables:
        if self.tables is None:
            raise ArtifactError(
                f"{self.name} in {self.folder} has rankings and no tables: it is no product of a user and an "
                "item vector. Distil a student from it."
            )
        return self.tables

    @property
    def name(self) -> str:
        return str(self.metadata["name"])

    @property
    def digest(self) -> str:
        """SHA-256 of the file of numbers."""
        return str(self.metadata["sha256"])


def save_model(
    folder: Path,
    metadata: dict[str, Any],
    tables: Tables | None,
    rankings: Rankings | None = None,
    network: Mapping[str, F32] = MappingProxyType({}),
) -> TrainedModel:
    """Write the numbers, then model.json, which makes the model complete: a kill in between leaves none.

    ``network``: parameters by name, of a model whose metadata state its architecture.
    """
    arrays: dict[str, NDArray[Any]] = {f"{NETWORK}{name}": array for name, array in network.items()}
    if tables:
        arrays |= {"user_emb": tables.user_emb, "item_emb": tables.item_emb}
    if rankings:
        arrays |= {"ranking_items": rankings.items, "ranking_scores": rankings.scores}
    data = format_arrays(arrays)
    complete = {"schema": SCHEMA, **metadata, "sha256": sha256_bytes(data)}
    write_atomic(folder / TENSORS, data)
    write_json(folder / METADATA, complete)
    return TrainedModel(folder, complete, tables, rankings, _features(complete, arrays))


def model_folder(models: Path, name: str, seed: int, key: str) -> Path:
    """Where a model is kept: in letters that every file system takes, so without an ensemble's : and +.

    One that an earlier release made, under the very name, is found there.
    """
    suffix = f"-s{seed}-{key[:8]}"
    former = models / f"{name}{suffix}"
    return former if is_complete(former) else models / f"{re.sub('[^A-Za-z0-9_.-]', '-', name)}{suffix}"


def is_complete(folder: Path) -> bool:
    """Whether a model was written here to the end."""
    return (folder / METADATA).exists()


OF_A_USER: Final = "It was not touched. Give another folder, or bring it here again whole."
"""Advice for a model folder that was given by the user."""


def load_model(folder: Path, advice: str = "Delete its folder, or train with --restart.") -> TrainedModel:
    """Read a model folder; a wrong digest, shape, type or number is an :class:`ArtifactError`.

    ``advice`` ends its message: what helps with a folder that was made here is no advice for a user's own.
    """
    try:
        return _load(folder)
    except ArtifactError as error:
        raise ArtifactError(f"{error} {advice}") from None


def _load(folder: Path) -> TrainedModel:
    try:
        metadata = read_json(folder / METADATA)
    except ArtifactError as error:
        raise _damaged(folder, str(error)) from None
    if metadata.get("schema") != SCHEMA:
        raise _damaged(folder / METADATA, f"its schema is {metadata.get('schema')!r}, expected {SCHEMA!r}")
    for field, kinds in FIELDS.items():
        if field not in metadata or not isinstance(metadata[field], kinds):
            raise _damaged(folder / METADATA, f"field {field!r} is missing or not {kinds[0].__name__}")
    file = folder / TENSORS
    try:
        data = file.read_bytes()
        if sha256_bytes(data) != metadata["sha256"]:
            raise _damaged(file, "its SHA-256 is not the one in model.json")
        arrays = parse_arrays(data)
        rankings = _rankings(file, arrays) if "ranking_items" in arrays else None
        tables = _tables(file, arrays, metadata["dim"]) if "user_emb" in arrays or not rankings else None
        features = _features(metadata, arrays)
    except KeyError as error:
        raise _damaged(folder, f"{error} is missing") from None
    except (OSError, SafetensorError) as error:
        raise _damaged(file, str(error)) from None
    return TrainedModel(folder, metadata, tables, rankings, features)


def _features(metadata: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Tables | None:
    """What a network's architecture names as the rows of its users and items, side by side."""
    architecture = metadata.get("architecture", {})
    if "user_rows" not in architecture:
        return None
    users, items = (
        np.hstack([arrays[f"{NETWORK}{name}"] for name in architecture[side]])
        for side in ("user_rows", "item_rows")
    )
    return Tables(users, items)


def _tables(file: Path, arrays: Mapping[str, NDArray[Any]], dim: int) -> Tables:
    for name in ("user_emb", "item_emb"):
        table = arrays[name]
        if table.dtype != np.float32 or table.ndim != 2 or table.shape[1] != dim:
            raise _damaged(file, f"{name} is {table.dtype} {table.shape}, expected float32 (rows, {dim})")
        if not np.isfinite(table).all():
            raise _damaged(file, f"{name} holds values that are not finite")
    return Tables(arrays["user_emb"], arrays["item_emb"])


def _rankings(file: Path, arrays: Mapping[str, NDArray[Any]]) -> Rankings:
    items, scores = arrays["ranking_items"], arrays["ranking_scores"]
    if (
        items.dtype != np.int32
        or scores.dtype != np.float32
        or items.ndim != 2
        or items.shape != scores.shape
    ):
        raise _damaged(
            file,
            f"its rankings are {items.dtype} {items.shape} and {scores.dtype} {scores.shape}, "
            "expected int32 and float32 (users, length)",
        )
    return Rankings(items, scores)


def _damaged(path: Path, why: str) -> ArtifactError:
    return ArtifactError(f"the model at {path} cannot be used: {why}.")


def remove_strays(folder: Path) -> None:
    """Delete half-written files of killed runs; only for the holder of the folder's lock."""
    for stray in folder.glob(".*"):
        if stray.name != LOCK:
            stray.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Only one process at a time trains in a folder; ``on_wait`` is called before waiting for another.

    The kernel drops the lock when a process dies, however it dies.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
