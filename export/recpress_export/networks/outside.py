"""A network from outside: its ONNX file, its wiring and where it keeps the items, in a model's folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.model_folder import MODEL_FACTS, MODEL_FILE, network_parameters, read_model
from recpress_edge.core.arrays import F32, F64, I64
from recpress_edge.core.config import load_config
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.device.onnx_runtime import import_onnxruntime
from recpress_edge.device.query import Query
from recpress_export.networks.kinds import KINDS, NetworkKind
from recpress_export.networks.wiring import Places, Port, Wiring, feed, read
from recpress_export.reference import Reference, Scores

OF_HISTORIES: Final = "onnx-history"
OF_USERS: Final = "onnx-user"
BY_PROFILE: Final[Mapping[str, str]] = {KINDS[kind].profile: kind for kind in (OF_HISTORIES, OF_USERS)}
"""The kind of a network from outside that has a profile."""

Run = Callable[[Mapping[str, Any]], NDArray[Any]]
"""Inputs by name -> the output, (B, ...) each."""
Row = tuple[int, I64]
"""A user's index (0 where the network takes none) and a history, in the data set's indices."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A network as it was given, asked in the data set's indices."""

    wiring: Wiring
    places: Places
    ports: Mapping[str, Port]
    run: Run
    popularity: F32
    """(I,) the answer to an empty history."""

    def scores(self, rows: Sequence[Row]) -> F64:
        """Scores (B, I) of one batch; unknown items get -inf."""
        places, histories = self.places, [self.history(seen) for _, seen in rows]
        users = [int(places.user_index[user]) if places.user_index.size else 0 for user, _ in rows]
        asked = list(zip(users, histories, strict=True))
        scores = read(self.wiring, places, self.run(feed(self.wiring, self.ports, asked)), asked)
        if "history" in self.wiring.inputs and self.wiring.empty == "popular":
            nothing = [row for row, history in enumerate(histories) if not history.size]
            scores[nothing] = self.popularity
            scores[:, places.unknown] = -np.inf
        return scores

    def history(self, seen: I64) -> I64:
        """A history as the network's indices, without the items that it does not know."""
        known = self.places.item_index[seen]
        return known[known >= 0]


@dataclass(frozen=True, slots=True, eq=False)
class OutsideNetwork:
    """A network from outside, as it was brought."""

    kind: str
    onnx: bytes
    wiring: Wiring
    places: Places
    popularity: F32
    """(I,)"""
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
        return int(self.places.user_index.size)

    @property
    def n_items(self) -> int:
        return int(self.places.item_column.size)

    @property
    def dim(self) -> int:
        return int(self.facts["dim"])

    @property
    def table_bytes(self) -> int:
        """Of the file, and of the item table where the network gives a vector."""
        table = self.places.item_table
        return len(self.onnx) + (0 if table is None else table.nbytes)

    @property
    def items_read(self) -> int:
        """Items of a history that it reads; 0 for one that knows its users."""
        return self.wiring.history_length

    @property
    def retired(self) -> tuple[int, ...]:
        """Items that it does not know."""
        return tuple(self.places.unknown.tolist())


def parts_of(onnx: bytes, places: Places, popularity: F32) -> dict[str, NDArray[Any]]:
    """The arrays of a network's folder, by name."""
    parts: dict[str, NDArray[Any]] = {
        "graph": np.frombuffer(onnx, np.uint8),
        "item_index": places.item_index,
        "item_column": places.item_column,
        "user_index": places.user_index,
        "popularity": popularity,
    }
    return parts if places.item_table is None else parts | {"item_table": places.item_table}


_PARTS: Final[Mapping[str, Any]] = {
    "graph": np.uint8,
    "item_index": np.int64,
    "item_column": np.int64,
    "user_index": np.int64,
    "popularity": np.float32,
}


def read_outside(folder: Path) -> OutsideNetwork:
    """Read and verify the folder of a network from outside; ArtifactError where something does not fit."""
    facts, stored = read_model(folder)
    parts, where = network_parameters(stored), folder / MODEL_FILE
    for name, kind in _PARTS.items():
        if name not in parts or parts[name].dtype != kind or parts[name].ndim != 1:
            raise ArtifactError(f"{where}: {name!r} is missing or no list of {np.dtype(kind)}")
    architecture = dict(facts["architecture"])
    kind = architecture.pop("kind")
    try:
        wiring = load_config(Wiring, architecture, f"{folder / MODEL_FACTS} architecture")
    except (ConfigError, TypeError) as error:
        raise ArtifactError(f"{folder / MODEL_FACTS}: {error}") from None
    places = Places(parts["item_index"], parts["item_column"], parts["user_index"], parts.get("item_table"))
    lengths = {places.item_index.size, places.item_column.size, parts["popularity"].size}
    if len(lengths) > 1 or KINDS[kind].profile != wiring.profile:
        raise ArtifactError(f"{where} holds the places of {sorted(lengths)} items for a {kind}")
    onnx = parts["graph"].tobytes()
    head = facts["name"], facts["seed"], facts["sha256"]
    return OutsideNetwork(kind, onnx, wiring, places, parts["popularity"], *head, facts)


@dataclass(frozen=True, slots=True)
class OpenNetwork:
    """An ONNX file in onnxruntime."""

    ports: Mapping[str, Port]
    """Its inputs."""
    output: str
    """The one that is read."""
    run: Run


def open_onnx(onnx: bytes, output: str, threads: int = 1) -> OpenNetwork:
    """A network by its output, "" for the only one; ArtifactError where onnxruntime cannot load it."""
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.load_model_format", "ONNX")  # what was checked
    try:
        session = ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        raise ArtifactError(f"onnxruntime cannot load the network: {error}") from None
    ports = {
        port.name: Port(
            _TYPE_NAMES.get(port.type, port.type),
            tuple(axis if isinstance(axis, int) else None for axis in port.shape),
        )
        for port in session.get_inputs()
    }
    names = [port.name for port in session.get_outputs()]
    read_one = output or names[0]
    if read_one not in names or (not output and len(names) > 1):
        raise ConfigError(
            f"which output holds the scores? The network gives {', '.join(names)}, and {output or 'none'!r} "
            "is named. Say so with --output scores=NAME or vector=NAME."
        )

    def run(inputs: Mapping[str, Any]) -> NDArray[Any]:
        try:
            found: NDArray[Any] = session.run([read_one], dict(inputs))[0]
        except Exception as error:
            raise ArtifactError(f"the network fails: {str(error).splitlines()[0]}") from None
        return found

    return OpenNetwork(ports, read_one, run)


_TYPE_NAMES: Final[Mapping[str, str]] = {
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(float)": "float32",
    "tensor(bool)": "bool",
}


def outside_reference(student: OutsideNetwork) -> Reference:
    """What the network as it was given answers: the file itself in onnxruntime, padded by numpy."""
    opened = open_onnx(student.onnx, student.wiring.output)
    asked = Asked(student.wiring, student.places, opened.ports, opened.run, student.popularity)

    def scores_of(query: Query) -> Scores:
        return asked.scores([(query.user, query.seen)])[0], np.float32(1)

    return Reference(
        student.n_users,
        student.n_items,
        scores_of,
        sequence=student.n_users == 0,
        retired=student.places.unknown,
    )
