"""What computes a click model's file: onnxruntime, or numpy from the tables in it."""

from pathlib import Path
from typing import Protocol

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
from recpress_edge.core.arrays import F32, I32, I64
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.onnx_file import onnx_tensors
from recpress_edge.device.onnx_runtime import open_session


class ClickRuntime(Protocol):
    """What computes a model file; FoldedModel does in numpy."""

    def rank(self, row: I32, candidates: I64, k: int) -> tuple[I64, F32]:
        """The best k of the candidates (n,), ascending and distinct, for a row (W,): items and logits."""


class OnnxClicks:
    """A model file in an onnxruntime session of one thread."""

    def __init__(self, path: Path) -> None:
        self._session = open_session(path, threads=1)

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
        model = read_folded(onnx_tensors(path.read_bytes()), contract.fields, pairs=contract.pairs)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise ArtifactError(f"{path} does not hold its contract's tables: {error}", fault="model") from None
    wanted = (sum(field.size for field in contract.fields), contract.n_items)
    if (len(model.request.weight), len(model.items.linear)) != wanted:
        raise ArtifactError(f"{path} has tables of another size than its contract says", fault="model")
    return model
