"""Which runtime runs which file format. Importing this imports none of them."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol, SupportsIndex

from recpress_edge.core.contract import Contract
from recpress_edge.core.errors import ArtifactError, ConfigError
from recpress_edge.device.query import Answer, SeenItems

Feed = Any
"""A prepared request; only the runtime that made it knows what is inside."""


class Runtime(Protocol):
    """Answers from one model file."""

    name: str
    version: str
    exact: bool
    """Whether ids and scores are the very ones that the contract promises; else within a tolerance."""

    def prepare(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Feed: ...

    def run(self, feed: Feed) -> Answer: ...

    def recommend(self, user: SupportsIndex | None, seen: SeenItems, k: SupportsIndex) -> Answer: ...


# format -> module, its class, the function that imports the library
RUNTIMES: Final[Mapping[str, tuple[str, str, str]]] = {
    "onnx": ("recpress_edge.device.onnx_runtime", "OnnxRuntime", "import_onnxruntime"),
    "tflite": ("recpress_edge.device.litert", "LiteRT", "import_litert"),
}
REFERENCE: Final = "reference"
"""As --runtime: numpy on the file's own tables, whatever its format (reference_file.py)."""
_REFERENCE_MODULE: Final = "recpress_edge.device.reference_file"
DELEGATES: Final[Mapping[str, tuple[str, ...]]] = {"onnx": (), "tflite": ("xnnpack",)}


def check_format(file_format: str, where: Path, delegate: str | None = None) -> None:
    """ArtifactError for a format without a runtime, ConfigError for a delegate that its runtime lacks."""
    if file_format not in RUNTIMES:
        raise ArtifactError(
            f"{where} holds a {file_format!r} model; this device_bench runs "
            f"{', '.join(map(repr, RUNTIMES))}. Export the student as one of them, or install a newer "
            "recpress-edge.",
            fault="unsupported",
        )
    if delegate and delegate not in DELEGATES[file_format]:
        fitting = ", ".join(name for name, known in DELEGATES.items() if delegate in known) or "no"
        raise ConfigError(
            f"--delegate {delegate} is for {fitting} bundles; {where} is {file_format}. Leave it out."
        )


def import_runtime(file_format: str, runtime: str | None = None) -> None:
    """Load the library that runs the format; MissingExtraError in one line where it is not installed."""
    if runtime == REFERENCE:
        importlib.import_module(_REFERENCE_MODULE)
        return
    module, _, function = RUNTIMES[file_format]
    getattr(importlib.import_module(module), function)()


def open_runtime(
    model_path: Path,
    contract: Contract,
    threads: int = 1,
    delegate: str | None = None,
    runtime: str | None = None,
) -> Runtime:
    """The runtime of the contract's format, or the one that is named, with the model loaded."""
    check_format(contract.format, model_path, delegate)
    module, name, _ = (
        RUNTIMES[contract.format] if runtime is None else (_REFERENCE_MODULE, "FileReference", "")
    )
    options = {"delegate": delegate} if delegate else {}
    opened: Runtime = getattr(importlib.import_module(module), name)(model_path, contract, threads, **options)
    return opened
