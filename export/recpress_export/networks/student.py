"""A trained network's folder as plain arrays, its parameters by name. Never torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.model_folder import MODEL_FACTS, MODEL_FILE, network_parameters, read_model
from recpress_edge.core.errors import ArtifactError
from recpress_edge.core.files import read_json

F32 = NDArray[np.float32]
Kind = Literal["neumf", "sasrec"]


@dataclass(frozen=True, slots=True, eq=False)
class NetworkStudent:
    """A model whose score is computed by a network; recpress_edge.models has the names of its parameters."""

    kind: Kind
    arrays: Mapping[str, F32]
    """Its parameters by name."""
    heads: int
    """Attention heads of a sasrec; 0 for others."""
    name: str
    seed: int
    sha256: str
    """Digest of model.safetensors."""
    facts: Mapping[str, Any]
    """model.json as it stands."""

    @property
    def n_users(self) -> int:
        """0 for a network that reads a history instead."""
        return len(self.arrays["user_gmf"]) if self.kind == "neumf" else 0

    @property
    def n_items(self) -> int:
        return len(self.arrays["item_gmf"]) if self.kind == "neumf" else len(self.arrays["item_emb"]) - 1

    @property
    def dim(self) -> int:
        return int(self.facts["dim"])

    @property
    def table_bytes(self) -> int:
        """Of all parameters."""
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def history_length(self) -> int:
        """Tokens a sasrec reads, the start token included; 0 for others."""
        return len(self.arrays["position_emb"]) if self.kind == "sasrec" else 0


_SHAPES: Final[Mapping[Kind, Mapping[str, tuple[str, ...]]]] = {
    "neumf": {
        "user_gmf": ("U", "d"),
        "item_gmf": ("I", "d"),
        "user_mlp": ("U", "h"),
        "item_mlp": ("I", "h"),
        "hidden1_weight": ("h", "2h"),
        "hidden1_bias": ("h",),
        "hidden2_weight": ("d", "h"),
        "hidden2_bias": ("d",),
        "output_weight": ("h",),
        "output_bias": ("1",),
    },
    "sasrec": {
        "item_emb": ("I + 1", "d"),
        "position_emb": ("L", "d"),
        "final_gain": ("d",),
        "final_shift": ("d",),
    },
}
_LAYER_SHAPES: Final[Mapping[str, tuple[str, ...]]] = {
    "qkv_weight": ("3d", "d"),
    "qkv_bias": ("3d",),
    "mix_weight": ("d", "d"),
    "mix_bias": ("d",),
    "up_weight": ("w", "d"),
    "up_bias": ("w",),
    "down_weight": ("d", "w"),
    "down_bias": ("d",),
    "attention_gain": ("d",),
    "attention_shift": ("d",),
    "forward_gain": ("d",),
    "forward_shift": ("d",),
}


def network_kind(folder: Path) -> Kind | None:
    """What network a model folder holds; None for a model that is two tables, or only rankings."""
    architecture = read_json(folder / MODEL_FACTS).get("architecture")
    if architecture is None:
        return None
    kind: Kind | None = next((k for k in _SHAPES if k == architecture.get("kind")), None)
    if kind is None:
        raise ArtifactError(
            f"{folder / MODEL_FACTS}: architecture {architecture.get('kind')!r}; this version exports "
            f"{', '.join(_SHAPES)}. Install the recpress-edge that trained it."
        )
    return kind


def read_network(folder: Path) -> NetworkStudent:
    """Read and verify a network's folder; anything that does not fit is an :class:`ArtifactError`."""
    kind = network_kind(folder)
    if kind is None:
        raise ArtifactError(f"{folder} holds no network: {MODEL_FACTS} states no architecture")
    facts, stored = read_model(folder)
    arrays = network_parameters(stored)
    _check_shapes(folder / MODEL_FILE, kind, arrays)
    heads = int(facts["architecture"].get("heads", 0))
    if kind == "sasrec" and (heads < 1 or arrays["item_emb"].shape[1] % heads):
        raise ArtifactError(
            f"{folder / MODEL_FACTS}: {heads} heads do not divide {arrays['item_emb'].shape[1]}"
        )
    return NetworkStudent(kind, arrays, heads, facts["name"], facts["seed"], facts["sha256"], facts)


def n_layers(arrays: Mapping[str, F32]) -> int:
    """Transformer layers in these parameters."""
    return len({name.split(".")[1] for name in arrays if name.startswith("layers.")})


def _check_shapes(where: Path, kind: Kind, arrays: Mapping[str, F32]) -> None:
    """The same letter must stand for the same length in all shapes, and every number be finite."""
    wanted = dict(_SHAPES[kind])
    for layer in range(n_layers(arrays)):
        wanted |= {f"layers.{layer}.{name}": shape for name, shape in _LAYER_SHAPES.items()}
    if set(wanted) != set(arrays):
        odd = sorted(set(wanted) ^ set(arrays))
        raise ArtifactError(
            f"{where} does not hold the parameters of a {kind}: {odd[0]!r} is missing or unknown"
        )
    known: dict[str, int] = {"1": 1}
    for name, shape in wanted.items():
        array = arrays[name]
        if array.dtype != np.float32 or array.ndim != len(shape) or 0 in array.shape:
            raise ArtifactError(f"{where}: {name} is {array.dtype} {array.shape}, expected float32 {shape}")
        if not np.isfinite(array).all():
            raise ArtifactError(
                f"{where}: {name} holds values that are not finite. "
                "The training diverged: lower its learning rate."
            )
        for letter, length in zip(shape, array.shape, strict=True):
            if known.setdefault(letter, length) != length:
                raise ArtifactError(
                    f"{where}: {name} is {array.shape}, expected {shape} with {letter} = {known[letter]}"
                )
