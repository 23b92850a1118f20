"""Trained models as training keeps them: tables or rankings, and the record. No torch here."""

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from numpy.typing import NDArray

from recpress_edge.artifacts.model_folder import (
    MODEL_FACTS,
    NEAR,
    NETWORK_PREFIX,
    RANKINGS,
    TABLES,
    network_parameters,
    network_rows,
    read_model,
    write_model,
)
from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import storage_errors
from recpress_edge.data.interactions import Dataset
from recpress_edge.distill.methods import METHODS
from recpress_edge.distill.students import ModelName, check_pair, parse_name
from recpress_edge.models.outputs import Rankings, StoredNetwork, Tables
from recpress_edge.models.teacher import Knowledge, Teacher

LOCK: Final = ".lock"
CHECKPOINT: Final = "checkpoint.json"
"""Of a run that is not done: it names the newest checkpoint."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """A model folder, read and verified: two tables, or rankings where no two tables make them."""

    folder: Path
    metadata: Mapping[str, Any]
    tables: Tables | None
    rankings: Rankings | None = None
    features: Tables | None = None
    """A network's rows for its users and items; their product is no score."""
    near: Tables | None = None
    """Two tables near to the scores of an ensemble."""
    network: Mapping[str, F32] = field(default_factory=dict)
    """A network's parameters by name."""

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
        """The model as a student learns from it."""
        return Teacher(
            self.name,
            self.tables,
            self.rankings,
            features=self.features,
            near=self.near,
            sequence=self._network_that("sequences"),
            catalogue=self._network_that("scores"),
        )

    def _network_that(self, gives: Knowledge) -> StoredNetwork | None:
        """The network of a model that gives, by its stored parameters, what no tables or rankings hold."""
        method = METHODS.get(str(self.metadata["method"]))
        if method is None or method.gives != gives:
            return None
        return StoredNetwork(self.metadata["architecture"], self.network)

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
    def config(self) -> Mapping[str, Any]:
        """Settings of its method; none of a model that was brought."""
        found: Mapping[str, Any] = self.metadata.get("config", {})
        return found

    @property
    def digest(self) -> str:
        """SHA-256 of the file of numbers."""
        return str(self.metadata["sha256"])


def save_model(
    folder: Path,
    metadata: Mapping[str, Any],
    tables: Tables | None,
    rankings: Rankings | None = None,
    network: Mapping[str, F32] = MappingProxyType({}),
    near: Tables | None = None,
) -> TrainedModel:
    """Write a model folder.

    ``network``: parameters by name, of a model whose metadata state its architecture. ``near``: tables near
    to the scores of one that is not two tables.
    """
    arrays: dict[str, NDArray[Any]] = {f"{NETWORK_PREFIX}{name}": array for name, array in network.items()}
    if tables:
        arrays |= zip(TABLES, (tables.user_emb, tables.item_emb), strict=True)
    if rankings:
        arrays |= zip(RANKINGS, (rankings.items, rankings.scores), strict=True)
    if near:
        arrays |= zip(NEAR, (near.user_emb, near.item_emb), strict=True)
    facts = write_model(folder, metadata, arrays)
    return TrainedModel(folder, facts, tables, rankings, _features(facts, arrays), near, network)


def load_model(folder: Path, advice: str = "Delete its folder, or train with --restart.") -> TrainedModel:
    """Read a model folder; a wrong digest, shape, type or number is an :class:`ArtifactError`.

    ``advice`` ends its message: what helps with a folder that was made here is no advice for a user's own.
    """
    facts, arrays = read_model(folder, advice)
    tables, rankings, near = (
        [arrays[name] for name in names] if names[0] in arrays else None for names in (TABLES, RANKINGS, NEAR)
    )
    return TrainedModel(
        folder,
        facts,
        Tables(*tables) if tables else None,
        Rankings(*rankings) if rankings else None,
        _features(facts, arrays),
        Tables(*near) if near else None,
        network_parameters(arrays),
    )


def _features(facts: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Tables | None:
    rows = network_rows(facts, arrays)
    return Tables(*rows) if rows else None


def model_folder(models: Path, name: str, seed: int, key: str) -> Path:
    """Where a model is kept: in letters that every file system takes, so without an ensemble's : and +."""
    return models / f"{re.sub('[^A-Za-z0-9_.-]', '-', name)}-s{seed}-{key[:8]}"


def seed_of(model: ModelName, seed: int) -> int:
    """0 for a closed form, and for an ensemble of closed forms alone."""
    fixed = all(seed_of(member, 1) == 0 for member in model.members)
    return 0 if model.entry.closed_form and fixed else seed


def is_complete(folder: Path) -> bool:
    """Whether a model was written here to the end."""
    return (folder / MODEL_FACTS).exists()


OF_A_USER: Final = "It was not touched. Give another folder, or bring it here again whole."
"""Advice for a model folder that was given by the user."""


def fitting(teacher: TrainedModel, student: ModelName) -> TrainedModel:
    """The same teacher, when it has what the student learns from."""
    if teacher.tables is None and teacher.metadata["method"] == "imported":
        if student.entry.needs != "rankings":
            raise ConfigError(
                f"{student} learns from a teacher's {student.entry.needs}, and {teacher.name}, a network "
                f"that was brought, has rankings alone. From rankings learns soft_dim{student.dim}."
            )
    elif teacher.tables is None:
        check_pair(student, parse_name(teacher.name, "teacher"))
    return teacher


def model_in(folder: Path, data: Dataset) -> TrainedModel:
    """The model in a user's folder, trained on this data; anything else is a :class:`ConfigError`."""
    if not is_complete(folder):
        raise ConfigError(f"{folder}: no trained model there ({MODEL_FACTS} is missing)")
    teacher = load_model(folder, OF_A_USER)
    wanted = {"digest": data.digest(), **data.click_digests()}
    trained = teacher.metadata["dataset"]
    if any(trained[key] != digest for key, digest in wanted.items() if key in trained):
        if "refit_of" in teacher.metadata:
            raise ConfigError(
                f"{folder} was trained on validation too (--refit), so nothing can be chosen on validation "
                f"with it. Give the model of the same name that was trained without --refit."
            )
        raise ConfigError(
            f"{folder} was trained on {trained['name']!r} and a split that differs from {data.name!r} "
            f"here. Train one on this data: "
            f"recpress-edge train --teacher {teacher.name} --data {data.name}"
        )
    return teacher


def is_model_folder(model: str) -> bool:
    """Whether a model is given by its folder rather than by name."""
    return "/" in model or is_complete(Path(model))


def given_members(
    model: ModelName, members: Collection[ModelName], folders: Sequence[str], data: Dataset
) -> dict[ModelName, TrainedModel]:
    """Members of an ensemble, or teachers of one student, that are taken from folders, by name."""
    given = {}
    for folder in folders:
        found = model_in(Path(folder), data)
        name = parse_name(found.name, "teacher")
        if name not in members:
            raise ConfigError(f"--member {folder} holds {name}, which is no member of {model}")
        given[name] = found
    return given


def is_click_model(facts: Mapping[str, Any]) -> bool:
    """Whether a model, of which these are the facts, is judged on rows with labels."""
    return any("auc" in found for found in facts.get("metrics", {}).values())


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
