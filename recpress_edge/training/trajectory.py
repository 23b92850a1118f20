"""A teacher's trajectory on disk: rankings at a few epochs, not tables. No torch here.

While a model trains, every evaluated epoch and a few early ones leave a file trajectory-<epoch>.safetensors
in its folder, so that a run that is killed goes on with them. When it is done, a few of them, spread over the
epochs before the chosen one, and the chosen one itself become trajectory.safetensors.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as parse_arrays

from recpress_edge.artifacts.model_folder import tensor_bytes
from recpress_edge.core.arrays import F32, I32
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import sha256_file, storage_errors, write_atomic
from recpress_edge.data.interactions import Interactions
from recpress_edge.models.outputs import Trajectory

FILE: Final = "trajectory.safetensors"
STAGES: Final = 4
LENGTH: Final = 100
"""Items of each user and stage: at importance e^(−rank / 10) the next one would count 5e-5."""


def is_recorded(epoch: int, evaluate_every: int) -> bool:
    """Whether this epoch leaves a stage: the evaluated ones do, and between the first of them a few more.

    So that a model that was best at its first or second look has stages at quarters of that too.
    """
    early = (round(evaluate_every * part) for part in (0.25, 0.5, 0.75, 1.5))
    return epoch % evaluate_every == 0 or epoch in early


def spread(epochs: Sequence[int], chosen: int, stages: int = STAGES) -> list[int]:
    """The recorded epochs nearest to 1/n, 2/n, … of the chosen one, each once, and the chosen one last."""
    earlier = sorted(epoch for epoch in epochs if epoch < chosen)
    picked: list[int] = []
    for stage in range(1, stages):
        left = [epoch for epoch in earlier if epoch not in picked]
        if left:
            picked.append(min(left, key=lambda epoch: (abs(epoch - chosen * stage / stages), epoch)))
    return [*sorted(picked), chosen]


def observed_ranks(train: Interactions, scores: F32) -> I32:
    """Rank of each train pair's item among its user's train items, best 0, ties to the lower index.

    scores (nnz,) of the pairs, in the order of ``train.indices`` -> (nnz,).
    """
    users = train.users()
    order = np.lexsort((train.indices, -scores, users))
    ranks = np.empty(len(train), np.int32)
    ranks[order] = np.arange(len(train)) - train.indptr[users]
    return ranks


def write_stage(folder: Path, epoch: int, items: I32, observed: I32) -> None:
    """One evaluated epoch: items (U, L), observed (nnz,)."""
    data = tensor_bytes({"items": items, "observed": observed})
    write_atomic(_stage_file(folder, epoch), data)


def has_stage(folder: Path, epoch: int) -> bool:
    """Whether this epoch's stage was written."""
    return _stage_file(folder, epoch).exists()


def finish(folder: Path, chosen: int) -> None:
    """Keep some stages and the chosen one, which must have been written; delete the rest."""
    recorded = {int(path.stem.rpartition("-")[2]): path for path in folder.glob("trajectory-*.safetensors")}
    epochs = spread(sorted(recorded), chosen)
    stages = [parse_arrays(recorded[epoch].read_bytes()) for epoch in epochs]
    arrays = {name: np.stack([stage[name] for stage in stages]) for name in ("items", "observed")}
    write_atomic(folder / FILE, tensor_bytes({**arrays, "epochs": np.array(epochs, np.int64)}))
    with storage_errors(folder):
        for path in recorded.values():
            path.unlink(missing_ok=True)


def _stage_file(folder: Path, epoch: int) -> Path:
    return folder / f"trajectory-{epoch:06d}.safetensors"


def has_trajectory(folder: Path) -> bool:
    """Whether a model was trained with its trajectory."""
    return (folder / FILE).exists()


def trajectory_digest(folder: Path) -> str:
    """SHA-256 of the file; one that is missing is an :class:`ArtifactError`."""
    try:
        return sha256_file(folder / FILE)
    except OSError as error:
        raise _unusable(folder, error) from None


def _unusable(folder: Path, error: Exception) -> ArtifactError:
    return ArtifactError(
        f"the trajectory {folder / FILE} cannot be used: {error}. Delete {folder}, or train with --restart."
    )


def load_trajectory(folder: Path) -> Trajectory:
    """Read a trajectory; one that is damaged or missing is an :class:`ArtifactError`."""
    file = folder / FILE
    try:
        arrays = parse_arrays(file.read_bytes())
        items, observed, epochs = arrays["items"], arrays["observed"], arrays["epochs"]
    except (OSError, KeyError, SafetensorError) as error:
        raise _unusable(folder, error) from None
    if items.ndim != 3 or observed.ndim != 2 or not len(items) == len(observed) == len(epochs):
        raise ArtifactError(
            f"the trajectory {file} has items {items.shape}, observed {observed.shape} and "
            f"epochs {epochs.shape}: expected (stages, users, length), (stages, pairs), (stages,)."
        )
    return Trajectory(items, observed, tuple(epochs.tolist()))
