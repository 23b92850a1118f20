"""The stages of an ONNX file in a session each, cut out of it without the onnx package.

A file of two stages is one graph (onnx/onnx.proto): nodes, constants, inputs and outputs of the second stage
are known by their names. Each stage keeps its own, and what the first gives becomes an input of the second.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from recpress_edge.artifacts.two_stages.contract import (
    FIRST_ITEMS,
    FIRST_SCORES,
    ITEMS_OUTPUT,
    K_INPUT,
    ROWS_INPUT,
    SCORES_OUTPUT,
    TwoStageContract,
)
from recpress_edge.artifacts.two_stages.second import PREFIX
from recpress_edge.artifacts.wire.protobuf import Value, encoded, fields, message
from recpress_edge.core.arrays import F32, I64
from recpress_edge.device.onnx_runtime import open_session
from recpress_edge.device.two_stages.runtimes import StagedRequest, onnx_feed, run_session

_GRAPH: Final = 7
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12
_NODE_OUTPUT: Final = 2
_TENSOR_NAME: Final = 8
_VALUE_NAME: Final = 1
_FOUND: Final = (FIRST_ITEMS, FIRST_SCORES)
_RANKED: Final = (ITEMS_OUTPUT, SCORES_OUTPUT)


class OnnxApart:
    """Both stages of a model file, in onnxruntime sessions."""

    def __init__(self, path: Path, contract: TwoStageContract, threads: int = 1) -> None:
        data = path.read_bytes()
        first, second = (stage_of(data, contract, second=which) for which in (False, True))
        self._contract = contract
        self._first = open_session(path, threads, first)
        self._second = open_session(path, threads, second)
        self._takes = {node.name for node in self._first.get_inputs()}
        self._reads = {node.name for node in self._second.get_inputs()}

    def retrieve(self, asked: StagedRequest) -> tuple[I64, F32]:
        feed = {
            name: value for name, value in onnx_feed(asked, self._contract).items() if name in self._takes
        }
        items, scores = run_session(self._first, _FOUND, feed)
        return items, scores

    def rerank(self, asked: StagedRequest, items: I64, scores: F32) -> tuple[I64, F32]:
        given = {**onnx_feed(asked, self._contract), FIRST_ITEMS: items, FIRST_SCORES: scores}
        feed = {name: value for name, value in given.items() if name in self._reads}
        best, z = run_session(self._second, _RANKED, feed)
        return best, z


def stage_of(data: bytes, contract: TwoStageContract, *, second: bool) -> bytes:
    """A model of one stage of a file."""
    whole = memoryview(data)
    parts = (
        encoded(number, _graph(message(value), contract, second=second) if number == _GRAPH else value)
        for number, value in fields(whole)
    )
    return b"".join(parts)


def _graph(graph: memoryview, contract: TwoStageContract, *, second: bool) -> bytes:
    return b"".join(encoded(*part) for part in _kept(graph, contract, second=second))


def _kept(graph: memoryview, contract: TwoStageContract, *, second: bool) -> Iterator[tuple[int, Value]]:
    """The fields of a graph that a stage keeps."""
    own = {ROWS_INPUT, K_INPUT, *((contract.first.user_input,) if contract.of_users else ())}
    for number, value in fields(graph):
        if number == _NODE:
            kept = _is_second(_text(message(value), _NODE_OUTPUT)) == second
        elif number == _INITIALIZER:
            kept = _is_second(_text(message(value), _TENSOR_NAME)) == second
        elif number == _INPUT:
            name = _text(message(value), _VALUE_NAME)
            kept = name in own if second else name not in (ROWS_INPUT, K_INPUT)
        elif number == _OUTPUT:
            found = _text(message(value), _VALUE_NAME) in _FOUND
            kept = not (found and second) and (found or second)
            if found and second:  # what the first stage gives, the second takes
                yield _INPUT, value
        else:
            kept = True
        if kept:
            yield number, value


def _is_second(name: str) -> bool:
    return name.startswith(PREFIX) or name in _RANKED


def _text(stored: memoryview, wanted: int) -> str:
    """The first text of that number."""
    return next((str(message(value), "utf-8") for number, value in fields(stored) if number == wanted), "")
