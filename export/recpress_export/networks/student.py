"""A trained network's folder as plain arrays, its parameters by name. Never torch."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recpress_edge.artifacts.model_folder import MODEL_FACTS, MODEL_FILE, network_parameters, read_model
from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import read_json
from recpress_edge.core.registry import named
from recpress_export.networks.kinds import KINDS, NetworkKind, Shapes
from recpress_export.networks.outside import OutsideNetwork


@dataclass(frozen=True, slots=True, eq=False)
class NetworkStudent:
    """A model whose score is computed by a network; recpress_edge.models has the names of its parameters."""

    kind: str
    arrays: Mapping[str, F32]
    """Its parameters by name."""
    heads: int
    """Attention heads; 0 without attention."""
    name: str
    seed: int
    sha256: str
    """Digest of model.safetensors."""
    facts: Mapping[str, Any]
    """model.json as it stands."""

    @property
    def row(self) -> NetworkKind:
        """All that depends on its kind."""
        return KINDS[self.kind]

    @property
    def n_users(self) -> int:
        """0 for a network that reads a history."""
        return self._length("U")

    @property
    def n_items(self) -> int:
        return self._length("I") or self._length("I + 1") - 1

    @property
    def dim(self) -> int:
        return int(self.facts["dim"])

    @property
    def table_bytes(self) -> int:
        """Of all parameters."""
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def history_length(self) -> int:
        """Tokens that it reads, the start token included; 0 for one that knows its users."""
        if self.row.parts:
            return int(self.facts["architecture"]["history_length"])
        return self._length("L")

    @property
    def items_read(self) -> int:
        """Items of a history that it reads; 0 for one that reads all, or knows its users."""
        if self.row.tables:
            return int(self.facts["architecture"].get("history_length", 0))
        return max(self.history_length - 1, 0)

    @property
    def retired(self) -> tuple[int, ...]:
        """Items that it does not know: none."""
        return ()

    @property
    def n_layers(self) -> int:
        """Transformer layers."""
        return _n_layers(self.arrays)

    def _length(self, letter: str) -> int:
        """Length that a letter of the shapes names; 0 where no shape has it."""
        for name, shape in self.row.shapes.items():
            if letter in shape:
                return int(self.arrays[name].shape[shape.index(letter)])
        return 0


NetworkModel = NetworkStudent | OutsideNetwork
"""A model whose score is computed by a network, trained here or brought."""


def network_kind(folder: Path) -> str | None:
    """What network a model folder holds; None for a model that is two tables, or only rankings."""
    architecture = read_json(folder / MODEL_FACTS).get("architecture")
    if architecture is None:
        return None
    kind = architecture.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ArtifactError(
            f"{folder / MODEL_FACTS}: architecture {kind!r}; this version exports "
            f"{', '.join(KINDS)}. Install the recpress-edge that trained it."
        )
    return kind


def read_network(folder: Path) -> NetworkModel:
    """Read and verify a network's folder; anything that does not fit is an :class:`ArtifactError`."""
    kind = network_kind(folder)
    if kind is None:
        raise ArtifactError(f"{folder} holds no network: {MODEL_FACTS} states no architecture")
    model: NetworkModel = named(KINDS[kind].read)(folder)
    return model


def read_parameters(folder: Path) -> NetworkStudent:
    """A network that was trained here, from its parameters."""
    facts, stored = read_model(folder)
    arrays, kind = network_parameters(stored), str(facts["architecture"]["kind"])
    wanted = _shapes_in(folder, facts["architecture"], arrays)
    lengths = _check_shapes(folder / MODEL_FILE, kind, wanted, arrays)
    if KINDS[kind].check:
        with _of_facts(folder):
            named(KINDS[kind].check)(facts["architecture"], lengths)
    heads = int(facts["architecture"].get("heads", 0))
    if KINDS[kind].attention and (heads < 1 or lengths["d"] % heads):
        raise ArtifactError(f"{folder / MODEL_FACTS}: {heads} heads do not divide {lengths['d']}")
    if "decay" in arrays:
        _check_decays(folder, facts["architecture"], arrays)
    return NetworkStudent(kind, arrays, heads, facts["name"], facts["seed"], facts["sha256"], facts)


def _check_decays(folder: Path, architecture: Mapping[str, Any], arrays: Mapping[str, F32]) -> None:
    """ArtifactError where no history is read, or a decay is none: weights by age must not grow."""
    length, decay = architecture.get("history_length"), arrays["decay"]
    if type(length) is not int or length < 1:
        raise ArtifactError(f"{folder / MODEL_FACTS}: history_length {length!r}, expected 1 or more")
    if decay.min() < 0 or decay.max() > 1:
        raise ArtifactError(
            f"{folder / MODEL_FILE}: decays from {decay.min()} to {decay.max()}, expected 0 to 1"
        )


def _n_layers(arrays: Mapping[str, F32]) -> int:
    return len({name.split(".")[1] for name in arrays if name.startswith("layers.")})


@contextmanager
def _of_facts(folder: Path) -> Iterator[None]:
    """Turn what is wrong with an architecture into an error about the folder."""
    try:
        yield
    except ConfigError as error:
        raise ArtifactError(f"{folder / MODEL_FACTS}: {error}") from None


def _shapes_in(folder: Path, architecture: Mapping[str, Any], arrays: Mapping[str, F32]) -> Shapes:
    """Of all parameters, with as many layers as these parameters have."""
    kind = KINDS[architecture["kind"]]
    layers = range(_n_layers(arrays))
    found = dict(kind.shapes)
    with _of_facts(folder):
        found |= named(kind.parts)(architecture) if kind.parts else {}
    return found | {f"layers.{n}.{name}": shape for n in layers for name, shape in kind.layer_shapes.items()}


def _check_shapes(where: Path, kind: str, wanted: Shapes, arrays: Mapping[str, F32]) -> Mapping[str, int]:
    """Length of each letter of the shapes; ArtifactError where two differ or a number is not finite."""
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
    return known
