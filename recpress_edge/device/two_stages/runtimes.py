"""What computes the file of two stages: onnxruntime, or numpy from the numbers in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from recpress_edge.artifacts.two_stages.contract import (
    FIRST_ITEMS,
    FIRST_SCORES,
    ITEMS_OUTPUT,
    K_INPUT,
    RETRIEVE_INPUT,
    ROWS_INPUT,
    SCORES_OUTPUT,
    TwoStageContract,
)
from recpress_edge.artifacts.two_stages.second import PREFIX, SecondStage, ranked
from recpress_edge.core.arrays import F32, I32, I64
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.onnx_file import onnx_tensors
from recpress_edge.device.onnx_runtime import open_session
from recpress_edge.device.reference_file import FileReference

USER_ROWS: Final = "user_rows"


@dataclass(frozen=True, slots=True, eq=False)
class StagedRequest:
    """One request, checked."""

    user: int
    seen: I64
    """Item indices never to recommend (n,)."""
    row: I32
    """What is stated, as rows of the fields' tables (W,)."""
    retrieve: int
    k: int


class TwoStageRuntime(Protocol):
    """What computes a model file."""

    def rank(self, asked: StagedRequest) -> tuple[I64, F32]:
        """The best k items and what they are ranked by."""

    def first(self, asked: StagedRequest) -> tuple[I64, F32]:
        """What the first stage finds (retrieve,), and its scores."""


class OnnxTwoStages:
    """A model file in an onnxruntime session of one thread."""

    def __init__(self, path: Path, contract: TwoStageContract) -> None:
        self._session, self._first = open_session(path, threads=1), contract.first

    def rank(self, asked: StagedRequest) -> tuple[I64, F32]:
        return self._run((ITEMS_OUTPUT, SCORES_OUTPUT), asked)

    def first(self, asked: StagedRequest) -> tuple[I64, F32]:
        return self._run((FIRST_ITEMS, FIRST_SCORES), asked)

    def _run(self, outputs: tuple[str, str], asked: StagedRequest) -> tuple[I64, F32]:
        feed = {
            self._first.user_input: np.array([asked.user], np.int64),
            self._first.seen_input: asked.seen,
            ROWS_INPUT: asked.row.astype(np.int64),
            RETRIEVE_INPUT: np.array([asked.retrieve], np.int64),
            K_INPUT: np.array([asked.k], np.int64),
        }
        try:
            items, scores = self._session.run(list(outputs), feed)
        except Exception as error:  # onnxruntime's exceptions share no base class of their own
            raise ArtifactError(f"the model failed for user {asked.user}: {error}", fault="model") from None
        return items, scores


class NumpyTwoStages:
    """The reference: both stages from the numbers of a model file."""

    def __init__(self, path: Path, contract: TwoStageContract) -> None:
        self._first = FileReference(path, contract.first)
        found = onnx_tensors(path.read_bytes())
        own = {name.removeprefix(PREFIX): array for name, array in found.items() if name.startswith(PREFIX)}
        try:
            self._user_rows = own.pop(USER_ROWS).astype(np.int32) if contract.of_users else None
            self._second = SecondStage((*contract.of_users, *contract.fields), own)
            self._second.check(contract.n_items)
        except (KeyError, ValueError) as error:
            raise ArtifactError(
                f"{path} does not hold its contract's tables: {error}", fault="model"
            ) from None
        if self._user_rows is not None and len(self._user_rows) != contract.n_users:
            raise ArtifactError(f"{path} has rows of {len(self._user_rows)} users", fault="model")

    def rank(self, asked: StagedRequest) -> tuple[I64, F32]:
        items, scores = self.first(asked)
        own = () if self._user_rows is None else self._user_rows[asked.user]
        z = self._second.z(np.concatenate([np.array(own, np.int32), asked.row]), items, scores)
        best = ranked(z, asked.k)
        return items[best], z[best]

    def first(self, asked: StagedRequest) -> tuple[I64, F32]:
        return self._first.recommend(asked.user, asked.seen, asked.retrieve)
