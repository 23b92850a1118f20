"""Checkpoints that survive being killed at any moment: numbers in safetensors, the rest in JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as format_tensors
from torch import Tensor

from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import read_json, sha256_bytes, storage_errors, write_atomic, write_json
from recpress_edge.training.store import CHECKPOINT

SCHEMA: Final = "recpress.checkpoint/1"
EVERY_S: Final = 15.0
"""Seconds between checkpoints, unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State at the end of an epoch: named tensors and a JSON-like rest."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


class CheckpointStore:
    """The one checkpoint of a run, in the run's folder.

    A new generation is complete on disk (checkpoint-<epoch>.safetensors) before checkpoint.json, which
    holds its name and SHA-256, is switched to it in one rename; only then is the older one deleted. At
    every moment checkpoint.json points to a whole file.
    """

    def __init__(self, folder: Path, key: str, every_s: float = EVERY_S) -> None:
        self.folder = folder
        self.every_s = every_s
        self._key = key

    @property
    def pointer(self) -> Path:
        return self.folder / CHECKPOINT

    def save(self, epoch: int, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; ``epoch`` is the number of epochs done."""
        data = format_tensors({name: t.detach().cpu().contiguous() for name, t in checkpoint.tensors.items()})
        file = self.folder / f"checkpoint-{epoch:06d}.safetensors"
        write_atomic(file, data)
        record = {
            "schema": SCHEMA,
            "key": self._key,
            "file": file.name,
            "sha256": sha256_bytes(data),
            "state": checkpoint.state,
        }
        write_json(self.pointer, record)
        for other in self.folder.glob("*checkpoint-*.safetensors*"):
            if other != file:
                other.unlink(missing_ok=True)

    def load(self) -> Checkpoint | None:
        """The checkpoint, None when there is none; a damaged one is an :class:`ArtifactError`."""
        if not self.pointer.exists():
            return None
        try:
            record = read_json(self.pointer)
        except ArtifactError as error:
            raise self._damaged(self.pointer, str(error)) from None
        if record.get("schema") != SCHEMA or record.get("key") != self._key:
            raise self._damaged(self.pointer, "it belongs to another run or version")
        try:
            file = self.folder / Path(record["file"]).name
            data = file.read_bytes()
            if sha256_bytes(data) != record["sha256"]:
                raise self._damaged(file, "its SHA-256 is not the recorded one")
            return Checkpoint(parse_tensors(data), dict(record["state"]))
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(self.pointer, f"it is incomplete ({error})") from None
        except (OSError, SafetensorError) as error:
            raise self._damaged(self.folder / str(record["file"]), str(error)) from None

    def clear(self) -> None:
        """Delete the checkpoint, the pointer first: a kill in between leaves no pointer to nothing."""
        with storage_errors(self.pointer):
            self.pointer.unlink(missing_ok=True)
            for file in self.folder.glob("*checkpoint*"):
                file.unlink(missing_ok=True)

    def _damaged(self, file: Path, why: str) -> ArtifactError:
        return ArtifactError(
            f"the checkpoint {file} cannot be used: {why}. Nothing was changed. To train from the start, "
            f"run the same command with --restart, or delete {self.folder}."
        )


def restore(state: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Set a method's state from a checkpoint's tensors; other names or shapes are an error."""
    for name, value in state.items():
        if name not in tensors or tensors[name].shape != value.shape:
            raise ArtifactError(
                f"the checkpoint holds no {name} of shape {tuple(value.shape)}, so it is of another model. "
                "To train from the start, add --restart."
            )
    with torch.no_grad():
        for name, value in state.items():
            value.copy_(tensors[name])
