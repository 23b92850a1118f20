"""What computes the file of two stages: the runtime of its format, or numpy from the numbers in it."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from recpress_edge.artifacts.formats import FORMATS
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
from recpress_edge.core.registry import named
from recpress_edge.device.clicks.runtimes import NUMPY, ONNXRUNTIME, ranker_runtime
from recpress_edge.device.onnx_runtime import import_onnxruntime, open_session
from recpress_edge.device.reference_file import FileReference

USER_ROWS: Final = "user_rows"
_ALL: Final = (ITEMS_OUTPUT, SCORES_OUTPUT, FIRST_ITEMS, FIRST_SCORES)


@dataclass(frozen=True, slots=True, eq=False)
class StagedRequest:
    """One request, checked."""

    user: int | None
    """None of a bundle without users."""
    seen: I64
    """Item indices never to recommend (n,), oldest first where the first stage reads them."""
    row: I32
    """What is stated, as rows of the fields' tables (W,)."""
    retrieve: int
    k: int


@dataclass(frozen=True, slots=True, eq=False)
class StagedLists:
    """What a model file answers."""

    items: I64
    """The best, best first (k,)."""
    scores: F32
    """What they are ranked by (k,)."""
    first_items: I64
    """What the first stage finds (retrieve,)."""
    first_scores: F32


class TwoStageRuntime(Protocol):
    """What computes a model file."""

    def lists(self, asked: StagedRequest) -> StagedLists:
        """Everything that one run of the file gives."""

    def rank(self, asked: StagedRequest) -> tuple[I64, F32]:
        """The best k items and what they are ranked by."""


class NamedStages(TwoStageRuntime, Protocol):
    """A runtime of a format."""

    name: str
    version: str


class StagesApart(Protocol):
    """The stages of a model file, each by itself."""

    def retrieve(self, asked: StagedRequest) -> tuple[I64, F32]:
        """What the first stage finds (retrieve,), and its scores."""

    def rerank(self, asked: StagedRequest, items: I64, scores: F32) -> tuple[I64, F32]:
        """The best k of what the first stage found, and what they are ranked by."""


def onnx_feed(asked: StagedRequest, contract: TwoStageContract) -> dict[str, Any]:
    """A request as the inputs of a session."""
    who = {} if asked.user is None else {contract.first.user_input: np.array([asked.user], np.int64)}
    return who | {
        contract.first.seen_input: asked.seen,
        ROWS_INPUT: asked.row.astype(np.int64),
        RETRIEVE_INPUT: np.array([asked.retrieve], np.int64),
        K_INPUT: np.array([asked.k], np.int64),
    }


def run_session(session: Any, outputs: tuple[str, ...], feed: dict[str, Any]) -> list[Any]:
    """What a session gives; ArtifactError where it fails."""
    try:
        found: list[Any] = session.run(list(outputs), feed)
    except Exception as error:  # onnxruntime's exceptions share no base class of their own
        raise ArtifactError(f"the model failed: {error}", fault="model") from None
    return found


class OnnxTwoStages:
    """A model file in an onnxruntime session."""

    name = ONNXRUNTIME

    def __init__(self, path: Path, contract: TwoStageContract, threads: int = 1) -> None:
        self.version: str = import_onnxruntime().__version__
        self._session, self._contract = open_session(path, threads), contract

    def lists(self, asked: StagedRequest) -> StagedLists:
        return StagedLists(*run_session(self._session, _ALL, onnx_feed(asked, self._contract)))

    def rank(self, asked: StagedRequest) -> tuple[I64, F32]:
        items, scores = run_session(self._session, _ALL[:2], onnx_feed(asked, self._contract))
        return items, scores


class NumpyTwoStages:
    """The reference: both stages from the numbers of a model file."""

    name, version = "numpy-reference", np.__version__

    def __init__(self, path: Path, contract: TwoStageContract, threads: int = 1) -> None:
        self._first = FileReference(path, contract.first)
        try:
            found = named(FORMATS[contract.format].click_tables)(path.read_bytes())
            own = {
                name.removeprefix(PREFIX): array for name, array in found.items() if name.startswith(PREFIX)
            }
            self._user_rows = own.pop(USER_ROWS).astype(np.int32) if contract.of_users else None
            self._second = SecondStage((*contract.of_users, *contract.fields), own)
            self._second.check(contract.n_items)
        except (KeyError, ValueError, IndexError, TypeError, struct.error) as error:
            raise ArtifactError(
                f"{path} does not hold its contract's tables: {error}", fault="model"
            ) from None
        if self._user_rows is not None and len(self._user_rows) != contract.n_users:
            raise ArtifactError(f"{path} has rows of {len(self._user_rows)} users", fault="model")

    def lists(self, asked: StagedRequest) -> StagedLists:
        found = self.retrieve(asked)
        return StagedLists(*self.rerank(asked, *found), *found)

    def rank(self, asked: StagedRequest) -> tuple[I64, F32]:
        return self.rerank(asked, *self.retrieve(asked))

    def retrieve(self, asked: StagedRequest) -> tuple[I64, F32]:
        return self._first.recommend(asked.user, asked.seen, asked.retrieve)

    def rerank(self, asked: StagedRequest, items: I64, scores: F32) -> tuple[I64, F32]:
        own = () if self._user_rows is None else self._user_rows[asked.user]
        z = self._second.z(np.concatenate([np.array(own, np.int32), asked.row]), items, scores)
        best = ranked(z, asked.k)
        return items[best], z[best]


def open_stages(
    path: Path, contract: TwoStageContract, runtime: str | None = None, threads: int = 1
) -> NamedStages:
    """The file by its format's runtime, or by the ``runtime`` of this name: ``numpy`` reads any format.

    ConfigError for another name, ArtifactError where the file cannot be loaded.
    """
    library = ranker_runtime(named(FORMATS[contract.format].stages_runtime), contract.format, runtime)
    if library is None:
        return NumpyTwoStages(path, contract)
    opened: NamedStages = library(path, contract, threads)
    return opened


def open_apart(
    path: Path, contract: TwoStageContract, runtime: str | None = None, threads: int = 1
) -> StagesApart:
    """The stages of the file, each by itself; raises as :func:`open_stages`."""
    if runtime == NUMPY:
        return NumpyTwoStages(path, contract)
    opened: StagesApart = named(FORMATS[contract.format].stages_apart)(path, contract, threads)
    return opened
