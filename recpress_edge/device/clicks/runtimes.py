"""What computes a click model's file: the runtime of its format, or numpy from the tables in it."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from recpress_edge.artifacts.clicks.contract import (
    CANDIDATES_INPUT,
    ITEMS_OUTPUT,
    K_INPUT,
    ROWS_INPUT,
    SCORES_OUTPUT,
    ClickContract,
)
from recpress_edge.artifacts.clicks.folded import FoldedModel, read_folded
from recpress_edge.artifacts.formats import FORMATS
from recpress_edge.core.arrays import F32, I32, I64
from recpress_edge.core.errors import ArtifactError, unknown_name
from recpress_edge.core.registry import named
from recpress_edge.device.onnx_runtime import import_onnxruntime, open_session

NUMPY: Final = "numpy"
ONNXRUNTIME: Final = "onnxruntime"


class ClickRuntime(Protocol):
    """What computes a model file; FoldedModel does in numpy."""

    def rank(self, row: I32, candidates: I64, k: int) -> tuple[I64, F32]:
        """The best k of the candidates (n,), ascending and distinct, for a row (W,): items and logits."""


class NamedClicks(ClickRuntime, Protocol):
    """A runtime of a format."""

    name: str
    version: str


class OnnxClicks:
    """A model file in an onnxruntime session."""

    name = ONNXRUNTIME

    def __init__(self, path: Path, contract: ClickContract | None = None, threads: int = 1) -> None:
        self.version: str = import_onnxruntime().__version__
        self._session = open_session(path, threads)

    def rank(self, row: I32, candidates: I64, k: int) -> tuple[I64, F32]:
        feed = {
            ROWS_INPUT: row.astype(np.int64),
            CANDIDATES_INPUT: candidates,
            K_INPUT: np.array([k], np.int64),
        }
        try:
            items, scores = self._session.run([ITEMS_OUTPUT, SCORES_OUTPUT], feed)
        except Exception as error:  # onnxruntime's exceptions share no base class of their own
            raise ArtifactError(f"the model failed on row {row.tolist()}: {error}", fault="model") from None
        return items, scores


def numpy_clicks(path: Path, contract: ClickContract) -> FoldedModel:
    """The reference: the numbers of a model file, computed by numpy."""
    try:
        tensors = named(FORMATS[contract.format].click_tables)(path.read_bytes())
        model = read_folded(tensors, contract.fields, pairs=contract.pairs, dim=contract.dim)
    except (KeyError, ValueError, IndexError, TypeError, struct.error) as error:
        raise ArtifactError(f"{path} does not hold its contract's tables: {error}", fault="model") from None
    wanted = (sum(field.size for field in contract.fields), contract.n_items)
    if (len(model.request.weight), len(model.items.linear)) != wanted:
        raise ArtifactError(f"{path} has tables of another size than its contract says", fault="model")
    return model


@dataclass(frozen=True, slots=True, eq=False)
class OpenedClicks:
    """A model file, ready to answer."""

    model: ClickRuntime
    name: str
    """Of the runtime."""
    version: str


def import_library(file_format: str, runtime: str | None = None) -> None:
    """Load what computes files of a format; MissingExtraError in one line where it is not installed."""
    if runtime is None:
        named(FORMATS[file_format].load_library)()


def ranker_runtime(library: Any, file_format: str, runtime: str | None) -> Any:
    """The class that runs a file, with its library loaded: ``library``, the format's own; None for numpy.

    ConfigError for a ``runtime`` of another name, MissingExtraError where its library is not installed.
    """
    if runtime not in (None, library.name, NUMPY):
        raise unknown_name(f"runtime of a {file_format} bundle", str(runtime), (library.name, NUMPY))
    if runtime == NUMPY:
        return None
    import_library(file_format)
    return library


def open_clicks(
    path: Path, contract: ClickContract, runtime: str | None = None, threads: int = 1
) -> OpenedClicks:
    """The file by its format's runtime, or by the ``runtime`` of this name: ``numpy`` reads any format.

    ConfigError for another name, ArtifactError where the file cannot be loaded.
    """
    library = ranker_runtime(named(FORMATS[contract.format].click_runtime), contract.format, runtime)
    if library is None:
        return OpenedClicks(numpy_clicks(path, contract), "numpy-reference", np.__version__)
    opened: NamedClicks = library(path, contract, threads)
    return OpenedClicks(opened, opened.name, opened.version)
