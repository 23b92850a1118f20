"""An ONNX file from outside as bytes that need no other file; it is not trusted.

What it may hold is what a bundle's model may hold (:mod:`recpress_edge.artifacts.model_file`), and nothing
that our file could not take over. It is opened and run once in a process of its own, with limits.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from recpress_edge.artifacts.model_file import check_onnx
from recpress_edge.core.config import load_config
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.core.files import check_there
from recpress_edge.core.units import format_bytes
from recpress_edge.device.guard import STANDARD
from recpress_edge.device.process import ROOT, Program, ask
from recpress_edge.device.worker import answer
from recpress_export.networks.outside import open_onnx
from recpress_export.networks.wiring import ROLES, TYPES, Port, Wiring, feed

MAX_BYTES: Final = 2**31 - 1
"""Of a file with all its tensors: protobuf, and with it ONNX, takes no more."""
OPSETS: Final = range(13, 23)
"""Operator sets in which the nodes that we add mean the same, and which every supported onnxruntime reads."""


def self_contained(path: Path) -> bytes:
    """The model with all its tensors; ArtifactError where it may not be run, or could not be taken over."""
    check_there(path)
    _check_size(path, path.stat().st_size)
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except (DecodeError, OSError) as error:
        raise ArtifactError(f"{path} is not a readable ONNX file: {error}") from None
    if not model.graph.node:
        raise ArtifactError(f"{path} is not an ONNX model: it has no graph")
    total = path.stat().st_size
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            total += _bring_in(tensor, path)
            _check_size(path, total)
    _check_graph(path, model)
    data = bytes(model.SerializeToString(deterministic=True))
    try:
        check_onnx(memoryview(data))
        onnx.checker.check_model(model, full_check=True)
    except (ValueError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ArtifactError(f"{path} is refused: {str(error).strip().splitlines()[0]}") from None
    return data


def _check_size(path: Path, size: int) -> None:
    if size > MAX_BYTES:
        raise ArtifactError(
            f"{path} has {format_bytes(size)} with its tensors, more than ONNX files may have"
        )


def _bring_in(tensor: TensorProto, path: Path) -> int:
    """Read a tensor's values from the file next to the model that it names; their number of bytes."""
    where = {entry.key: entry.value for entry in tensor.external_data}
    name = where.get("location", "")
    folder = path.resolve().parent
    file = (folder / name).resolve()
    if not name or not file.is_relative_to(folder) or not file.is_file():
        raise ArtifactError(
            f"{path}: the values of {tensor.name!r} are in {name!r}, which is no file in the model's own "
            "folder. Bring that file there, or save the model in one file."
        )
    try:
        start, size = int(where.get("offset", "0")), int(where.get("length", file.stat().st_size))
    except ValueError:
        start = size = -1
    if not (start >= 0 and 0 <= size <= MAX_BYTES and start + size <= file.stat().st_size):
        raise ArtifactError(f"{path}: the values of {tensor.name!r} lie outside {name}")
    with file.open("rb") as stored:
        stored.seek(start)
        tensor.raw_data = stored.read(size)
    del tensor.external_data[:]
    tensor.ClearField("data_location")
    return size


def _check_graph(path: Path, model: onnx.ModelProto) -> None:
    """Operator set, domains and control flow."""
    foreign = [entry.domain for entry in model.opset_import if entry.domain not in ("", "ai.onnx")]
    used = {node.domain for node in model.graph.node}
    bad = sorted(used - {"", "ai.onnx"})
    if bad:
        raise ArtifactError(f"{path} needs operators of {bad[0]!r}; only ONNX's own are run")
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    if len(versions) != 1 or versions[0] not in OPSETS:
        raise ArtifactError(
            f"{path} is of opset {versions[0] if versions else 'none'}; {OPSETS[0]} to {OPSETS[-1]} are "
            "read. Export it again, for example with torch.onnx.export(…, opset_version=18)."
        )
    for node in model.graph.node:
        if any(part.HasField("g") or part.graphs for part in node.attribute):
            raise ArtifactError(
                f"{path}: node {node.name or node.output[0]!r} is control flow ({node.op_type}), which is "
                "not taken over. Export the network for one history at a time, without branches."
            )
    if model.graph.sparse_initializer:
        raise ArtifactError(f"{path} holds sparse tensors, which are not taken over")
    for domain in foreign:  # named, but not used
        kept = [entry for entry in model.opset_import if entry.domain != domain]
        del model.opset_import[:]
        model.opset_import.extend(kept)


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """What one request of an ONNX file showed."""

    wiring: Wiring
    """With what the file itself says: its only output, the length of its history."""
    shape: tuple[int, ...]
    """Of its output."""


def tried_apart(path: Path, wiring: Wiring, item: int) -> Trial:
    """Open the file and ask it once, in a process of its own; ``item``: an index that it must take."""
    home = str(Path(__file__).resolve().parents[2])
    size = path.stat().st_size + sum(other.stat().st_size for other in _beside(path))
    found = ask(
        Program(
            "trying",
            {"path": str(path), "wiring": wiring.facts(), "item": item},
            timeout_s=STANDARD.time(size),
            memory_bytes=STANDARD.memory(size),
            module=__name__,
            path=(str(ROOT), home),
        )
    )
    return Trial(load_config(Wiring, found["wiring"], "wiring"), tuple(found["shape"]))


def _beside(path: Path) -> list[Path]:
    """Files that may hold the model's tensors."""
    return [other for other in path.parent.glob(f"{path.name}*") if other != path and other.is_file()]


def main() -> int:
    """What the process runs."""
    return answer(_try)


def _try(request: dict[str, Any]) -> dict[str, Any]:
    wiring = load_config(Wiring, request["wiring"], "wiring")
    opened = open_onnx(self_contained(Path(request["path"])), wiring.output)
    wiring = dataclasses.replace(wiring, output=opened.output)
    wiring = _of_length(wiring, opened.ports)
    check_ports(wiring, opened.ports)
    asked = [(request["item"], np.array([request["item"]], np.int64))]
    return {"wiring": wiring.facts(), "shape": list(opened.run(feed(wiring, opened.ports, asked)).shape)}


def _of_length(wiring: Wiring, ports: Mapping[str, Port]) -> Wiring:
    """With the number of items that the history's input has, where no flag says it."""
    name = wiring.inputs.get("history", "")
    if wiring.history_length or name not in ports:
        return wiring
    length = _length(ports[name])
    if length is None:
        raise ConfigError(
            f"--input history={name} takes a history of any length. How many items, the last ones, does the "
            "network read? --history-length N"
        )
    return dataclasses.replace(wiring, history_length=length - wiring.tokens)


def _length(port: Port) -> int | None:
    return port.axes[0] if len(port.axes) == 1 else (*port.axes, None, None)[1]


def check_ports(wiring: Wiring, ports: Mapping[str, Port]) -> None:
    """ConfigError where an input is not there, is not fed, or takes another type or length."""
    for role, name in wiring.inputs.items():
        if name not in ports:
            raise ConfigError(
                f"--input {role}={name}: the network has no such input. It takes {', '.join(ports)}."
            )
    fed = set(wiring.inputs.values())
    for name, port in ports.items():
        if name not in fed:
            words = "; ".join(f"{role}: {text}" for role, text in ROLES.items())
            raise ConfigError(
                f"the network takes {name!r} ({port.type} {list(port.axes)}) too. What is it? "
                f"Say so with --input ROLE={name}, a role of: {words}."
            )
        if port.type not in TYPES:
            raise ConfigError(f"input {name!r} takes {port.type}; expected one of {', '.join(TYPES)}")
    for role, name in wiring.inputs.items():
        _check_axes(wiring, role, name, ports[name])


def _check_axes(wiring: Wiring, role: str, name: str, port: Port) -> None:
    listed = role in ("history", "mask")
    most = 3 if listed else 2
    axes = port.axes
    if len(axes) > most or (listed and not axes):
        raise ConfigError(f"--input {role}={name}: it has {len(axes)} axes; at most {most} can be fed")
    if len(axes) > 1 and axes[0] not in (None, 1):
        raise ConfigError(
            f"--input {role}={name} takes batches of exactly {axes[0]}: export the network for one history "
            "at a time, or for any number."
        )
    if not listed:
        return
    length = _length(port)
    if length is not None and (wiring.pad == "none" or length != wiring.tokens):
        raise ConfigError(
            f"--input {role}={name} takes exactly {length} tokens: give --history-length "
            f"{length - wiring.tokens + wiring.history_length}"
            + (" and a side of padding, --pad left or right" if wiring.pad == "none" else "")
            + f" (it is {wiring.history_length} now, start and end tokens not counted)."
        )
