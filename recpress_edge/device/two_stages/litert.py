"""The TFLite file of two stages by LiteRT on the CPU, with its built-in kernels: whole, and stage by stage.

A stage alone is the same file with fewer operators listed: those of the first stage come first, and vectors
of a flatbuffer can be cut in place (tensorflow/lite/schema/schema.fbs).
"""

import struct
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

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
from recpress_edge.artifacts.two_stages.second import PREFIX
from recpress_edge.artifacts.wire import flatbuffer
from recpress_edge.core.arrays import F32, I64
from recpress_edge.core.errors import ArtifactError
from recpress_edge.device.clicks.litert import litert_version
from recpress_edge.device.litert import SeenInput, artifact_errors, import_litert
from recpress_edge.device.two_stages.runtimes import StagedLists, StagedRequest

_RANKED: Final = (ITEMS_OUTPUT, SCORES_OUTPUT)
_FOUND: Final = (FIRST_ITEMS, FIRST_SCORES)
_SUBGRAPHS: Final = 2
_TENSORS, _INPUTS, _OUTPUTS, _OPERATORS = 0, 1, 2, 3  # of SubGraph
_NAME: Final = 3  # of Tensor
_OP_OUTPUTS: Final = 2


_failing = artifact_errors("the model failed")


def _loading(path: Path) -> AbstractContextManager[None]:
    return artifact_errors(f"ai-edge-litert {litert_version()} cannot load {path}")


class _Interpreter:
    """A model, or a stage of one, with its tensors by name."""

    def __init__(self, path: Path, wanted: dict[str, str], threads: int, data: bytes | None = None) -> None:
        tflite = import_litert()
        kernels = tflite.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        source = {"model_path": str(path)} if data is None else {"model_content": data}
        with _loading(path):
            self.own = tflite.Interpreter(
                **source, num_threads=threads, experimental_op_resolver_type=kernels
            )
            self.own.allocate_tensors()
            sides = (*self.own.get_input_details(), *self.own.get_output_details())
        found = {side["name"]: np.dtype(side["dtype"]).name for side in sides}
        if found != wanted:
            raise ArtifactError(
                f"{path} does not fit its contract: it has {found}, the contract says {wanted}", fault="model"
            )
        self.numbers = {side["name"]: side["index"] for side in sides}
        # Calls that give a view. None may live while the model runs: the interpreter would refuse.
        self.view = {name: self.own.tensor(number) for name, number in self.numbers.items()}

    def found(self, names: tuple[str, str]) -> tuple[I64, F32]:
        items, scores = (self.view[name]() for name in names)
        return items.astype(np.int64), scores.copy()


def _types(*names: str) -> dict[str, str]:
    return {name: "float32" if name in (SCORES_OUTPUT, FIRST_SCORES) else "int32" for name in names}


class LiteRTStages:
    """A model file in an interpreter, which maps the file."""

    name = "ai-edge-litert"

    def __init__(self, path: Path, contract: TwoStageContract, threads: int = 1) -> None:
        self.version, first = litert_version(), contract.first
        asked = (*_who(contract), first.seen_input, RETRIEVE_INPUT, ROWS_INPUT, K_INPUT)
        self._model = _Interpreter(path, _types(*asked, *_RANKED, *_FOUND), threads)
        with _loading(path):
            self._seen = _seen_of(self._model, contract)
        self._user = self._model.view.get(first.user_input)

    @_failing
    def lists(self, asked: StagedRequest) -> StagedLists:
        self._run(asked)
        return StagedLists(*self._model.found(_RANKED), *self._model.found(_FOUND))

    @_failing
    def rank(self, asked: StagedRequest) -> tuple[I64, F32]:
        self._run(asked)
        return self._model.found(_RANKED)

    def _run(self, asked: StagedRequest) -> None:
        view = self._model.view
        self._seen.fill(asked.seen.astype(np.int32))
        if self._user is not None:
            self._user()[0] = asked.user
        view[ROWS_INPUT]()[:] = asked.row
        view[RETRIEVE_INPUT]()[0], view[K_INPUT]()[0] = asked.retrieve, asked.k
        self._model.own.invoke()


def _who(contract: TwoStageContract) -> tuple[str, ...]:
    """The input that says who asks, where there is one."""
    return (contract.first.user_input,) if contract.n_users else ()


def _seen_of(model: _Interpreter, contract: TwoStageContract) -> SeenInput:
    name, first = contract.first.seen_input, contract.first
    return SeenInput(model.own, model.numbers[name], first.seen_capacity, first.n_items)


class LiteRTApart:
    """Both stages of a model file, in an interpreter each."""

    def __init__(self, path: Path, contract: TwoStageContract, threads: int = 1) -> None:
        data, first = path.read_bytes(), contract.first
        stated, found = (ROWS_INPUT, K_INPUT), (*_who(contract), *_FOUND)
        whole = (*_who(contract), first.seen_input, RETRIEVE_INPUT, *stated)
        self._first = _Interpreter(path, _types(*whole, *_FOUND), threads, stage_of(data, _FOUND, whole))
        self._second = _Interpreter(
            path, _types(*found, *stated, *_RANKED), threads, stage_of(data, _RANKED, (*found, *stated))
        )
        with _loading(path):
            self._seen = _seen_of(self._first, contract)
        self._count = 1
        self._users = [one.view[first.user_input] for one in (self._first, self._second) if contract.n_users]

    @_failing
    def retrieve(self, asked: StagedRequest) -> tuple[I64, F32]:
        self._seen.fill(asked.seen.astype(np.int32))
        for user in self._users:
            user()[0] = asked.user
        self._first.view[RETRIEVE_INPUT]()[0] = asked.retrieve
        self._first.own.invoke()
        return self._first.found(_FOUND)

    @_failing
    def rerank(self, asked: StagedRequest, items: I64, scores: F32) -> tuple[I64, F32]:
        second = self._second
        if items.size != self._count:
            for name in _FOUND:
                second.own.resize_tensor_input(second.numbers[name], [items.size], strict=True)
            second.own.allocate_tensors()
            self._count = items.size
        second.view[FIRST_ITEMS]()[:], second.view[FIRST_SCORES]()[:] = items, scores
        for user in self._users:
            user()[0] = asked.user
        second.view[ROWS_INPUT]()[:] = asked.row
        second.view[K_INPUT]()[0] = asked.k
        second.own.invoke()
        return second.found(_RANKED)


def stage_of(data: bytes, outputs: tuple[str, str], inputs: tuple[str, ...]) -> bytes:
    """The file with the operators of one stage alone, and these tensors in and out."""
    cut = bytearray(data)
    graph = next(flatbuffer.root(data).tables(_SUBGRAPHS))
    names = [tensor.text(_NAME) for tensor in graph.tables(_TENSORS)]
    last = [names[int(one.numbers(_OP_OUTPUTS, np.int32)[0])] for one in graph.tables(_OPERATORS)]
    first = next(at for at, name in enumerate(last) if name.startswith(PREFIX))
    start, count = graph.vector(_OPERATORS)
    if outputs == _FOUND:
        struct.pack_into("<I", cut, start - 4, first)
    else:  # the vector begins where the last operator of the first stage was listed
        head = start + 4 * (first - 1)
        struct.pack_into("<I", cut, head, count - first)
        field = graph.field(_OPERATORS)
        assert field is not None, "a graph with operators lists them"
        struct.pack_into("<I", cut, field, head - field)
    for vector, wanted in ((_INPUTS, inputs), (_OUTPUTS, outputs)):
        at, size = graph.vector(vector)
        if len(wanted) > size:
            raise ArtifactError("the file has too few inputs or outputs to take it apart", fault="model")
        struct.pack_into("<I", cut, at - 4, len(wanted))
        struct.pack_into(f"<{len(wanted)}i", cut, at, *(names.index(name) for name in wanted))
    return bytes(cut)
