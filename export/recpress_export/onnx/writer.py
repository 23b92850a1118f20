"""Graph to ONNX: opset 13, IR 8, so that any onnxruntime since 1.9 reads it; the same bytes every time.

A file with a traced network is of opset 18, IR 10, which onnxruntime reads since 1.18.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.integers import EXACT_FLOAT32, INT4_QMAX, INT4_ZERO_POINT, QMAX, ZERO_POINT
from recpress_edge.artifacts.wire.protobuf import fields, message
from recpress_edge.core.errors import ConfigError
from recpress_edge.core.registry import named
from recpress_edge.device.cores import FLOAT_CAST
from recpress_export import graph as steps
from recpress_export.graph import Graph, Step
from recpress_export.onnx import messages
from recpress_export.onnx.history import add_fold, add_peak_scale
from recpress_export.onnx.tanh import add_tanh
from recpress_export.onnx.topk import TWO_LEVEL_ITEMS, add_two_level, pad_count

OPSET: Final = 13
IR_VERSION: Final = 8
_GRAPH: Final = 7
"""ModelProto.graph."""
_NETWORK: Final = "recpress_export.onnx.network"
"""Traced networks: named, since the package onnx reads them, and tables need none."""


@dataclass(slots=True)
class _OnnxDraft:
    """Nodes and tensors so far, and the name of the tensor that the next step works on."""

    graph: Graph
    two_level_items: int = TWO_LEVEL_ITEMS
    nodes: list[bytes] = field(default_factory=list)
    tensors: list[bytes] = field(default_factory=list)
    current: str = ""
    in_blocks: bool = False
    """Whether the scores fill whole blocks, so that the best can be chosen in two levels."""

    @property
    def float_cast(self) -> bool:
        """Whether integers are multiplied as whole numbers of float32."""
        return self.graph.arrangement == FLOAT_CAST

    def node(self, operator: str, inputs: list[str], outputs: list[str], **attributes: Any) -> None:
        self.nodes.append(messages.node(operator, inputs, outputs, **attributes))

    def tensor(self, name: str, array: NDArray[Any]) -> str:
        self.tensors.append(messages.tensor(name, array))
        return name


def to_onnx(graph: Graph, metadata: Mapping[str, str], two_level_items: int = TWO_LEVEL_ITEMS) -> bytes:
    """The file's bytes. They depend on the graph and the metadata only.

    From ``two_level_items`` items on, the best are chosen in two levels (two_level.py); same answers.
    """
    contract = graph.contract
    draft = _OnnxDraft(graph, two_level_items)
    for step in graph.steps:
        _add(draft, step)
    user = [messages.value_info(contract.user_input, messages.INT64, [1])] if contract.user_input else []
    inputs = [
        *user,
        messages.value_info(contract.seen_input, messages.INT64, ["n_seen"]),
        messages.value_info(contract.k_input, messages.INT64, [1]),
    ]
    outputs = [
        messages.value_info(contract.items_output, messages.INT64, ["n_returned"]),
        messages.value_info(contract.scores_output, messages.FLOAT, ["n_returned"]),
    ]
    made = messages.model(
        messages.graph("recommend", draft.nodes, draft.tensors, inputs, outputs),
        ir_version=named(f"{_NETWORK}:NETWORK_IR_VERSION") if graph.traced else IR_VERSION,
        opset=_opset(graph),
        metadata=metadata,
    )
    _check(made)
    return made


def _check(made: bytes) -> None:
    """ONNX's own checker, where its package is installed: a board that writes its new version has none."""
    try:
        check = named("onnx.checker:check_model")
    except ImportError:
        return
    check(made, full_check=True)


def _opset(graph: Graph) -> int:
    """That of the network, if there is one; our own nodes mean the same in each."""
    networks = [step.network for step in graph.steps if isinstance(step, steps.RunNetwork)]
    return int(named(f"{_NETWORK}:opset_of")(networks[0])) if networks else OPSET


def _add(draft: _OnnxDraft, step: Step) -> None:
    match step:
        case steps.LookUp(table):
            stored = table if draft.float_cast else _as_unsigned(table)
            row = _of_user(draft, "user_emb", stored, "stored_row" if _widens(draft, table) else "row")
            draft.current = _widened(draft, row, "row", table)  # (1, D)
        case steps.FoldHistory():
            seen = draft.graph.contract.seen_input
            draft.current = add_fold(draft, step, seen, as_float=draft.float_cast)
        case steps.FoldTanh(tables):
            seen = draft.graph.contract.seen_input
            draft.current = add_tanh(draft, tables, seen, as_float=draft.float_cast)
        case steps.ScoreAll(table):
            _score_all(draft, table)
        case steps.ScorePacked(table, dim):
            _score_packed(draft, table, dim)
        case steps.ScaleItems(scale):
            _scale_items(draft, scale)
        case steps.ExcludeSeen(value, retired):
            _exclude_seen(draft, value, retired)
        case steps.SelectTop():
            _select_top(draft)
        case steps.ScaleScores(scale):
            draft.node("Cast", [draft.current], ["top_float"], to=messages.FLOAT)
            _multiply_top(draft, _of_user(draft, "user_scale", scale, "scale"))
        case steps.KeepScores():
            contract = draft.graph.contract
            draft.node("Cast", [draft.current], [contract.scores_output], to=messages.FLOAT)
        case steps.ScaleByPeak(factor):
            draft.node("Cast", [draft.current], ["top_float"], to=messages.FLOAT)
            _multiply_top(draft, add_peak_scale(draft, factor))
        case steps.ReadTokens(start_token, length):
            named(f"{_NETWORK}:add_tokens")(draft, draft.graph.contract.seen_input, start_token, length)
        case steps.RunNetwork(network):
            contract = draft.graph.contract
            named(f"{_NETWORK}:add_network")(
                draft, network, draft.current or contract.user_input or contract.seen_input
            )


def _of_user(draft: _OnnxDraft, name: str, table: NDArray[Any], row: str) -> str:
    """The user's row of a table; the table itself where it has one row and the file takes no user."""
    stored, user = draft.tensor(name, table), draft.graph.contract.user_input
    if not user:
        return stored
    draft.node("Gather", [stored, user], [row])
    return row


def _multiply_top(draft: _OnnxDraft, scale: str) -> None:
    draft.node("Mul", ["top_float", scale], [draft.graph.contract.scores_output])


def _as_unsigned(table: NDArray[Any]) -> NDArray[Any]:
    """int8 as uint8 around 128.

    With signed activations x86 has no fast kernel (6-18 times slower), and unsigned times signed
    saturates on AVX2 without VNNI. Unsigned times unsigned is exact and fast everywhere.
    """
    return (table.astype(np.int16) + ZERO_POINT).astype(np.uint8) if table.dtype == np.int8 else table


def _widens(draft: _OnnxDraft, table: NDArray[Any]) -> bool:
    return table.dtype == np.float16 or (draft.float_cast and table.dtype == np.int8)


def _widened(draft: _OnnxDraft, name: str, wide: str, table: NDArray[Any]) -> str:
    """What is to be widened as float32. Of a constant table onnxruntime does this once, at load."""
    if not _widens(draft, table):
        return name
    draft.node("Cast", [name], [wide], to=messages.FLOAT)
    return wide


def _in_whole_blocks(draft: _OnnxDraft, rows: NDArray[Any]) -> NDArray[Any]:
    """(I, ...) with rows that fill the last block, where the best are chosen in two levels."""
    draft.in_blocks = len(rows) >= draft.two_level_items
    if not draft.in_blocks:
        return rows
    return np.pad(rows, [(0, pad_count(len(rows)))] + [(0, 0)] * (rows.ndim - 1))


def _score_all(draft: _OnnxDraft, table: NDArray[Any]) -> None:
    # Stored (D, I): the runtime packs it once at load; (I, D) would be 3-6 times slower at batch 1.
    table = _in_whole_blocks(draft, table)
    if draft.float_cast:
        _check_sums(table.shape[1], QMAX)
    stored = table if draft.float_cast else _as_unsigned(table)
    items = _widened(draft, draft.tensor("item_emb", stored.T), "wide_item_emb", table)
    if table.dtype == np.int8 and not draft.float_cast:
        zero = draft.tensor("zero_point", np.array(ZERO_POINT, np.uint8))
        draft.node("MatMulInteger", [draft.current, items, zero, zero], ["product"])
    else:
        draft.node("MatMul", [draft.current, items], ["product"])
    _flatten(draft)


def _score_packed(draft: _OnnxDraft, table: NDArray[np.uint8], dim: int) -> None:
    # The table is constant, so onnxruntime unpacks it once, when it loads the file, and drops the packed
    # one: one byte a value in memory. Unpacking per request takes 5-40 times as long (ADR 0008).
    packed = draft.tensor("item_emb", _in_whole_blocks(draft, table).T)
    draft.node("Mod", [packed, draft.tensor("half_byte", np.array(16, np.uint8))], ["low_half"])
    draft.node(
        "BitShift",
        [packed, draft.tensor("half_bits", np.array(4, np.uint8))],
        ["high_half"],
        direction="RIGHT",
    )
    draft.node("Concat", ["low_half", "high_half"], ["halves"], axis=0)
    items = "halves"
    if dim % 2:
        first, last = (draft.tensor(n, np.array([v], np.int64)) for n, v in (("first", 0), ("end", dim)))
        draft.node("Slice", ["halves", first, last], ["all_dims"])
        items = "all_dims"
    if draft.float_cast:
        _check_sums(dim, INT4_QMAX)
        draft.node("Cast", [items], ["wide_halves"], to=messages.FLOAT)
        middle = draft.tensor("item_zero_point", np.array(INT4_ZERO_POINT, np.float32))
        draft.node("Sub", ["wide_halves", middle], ["wide_item_emb"])
        draft.node("MatMul", [draft.current, "wide_item_emb"], ["product"])
    else:
        zeros = [
            draft.tensor("zero_point", np.array(ZERO_POINT, np.uint8)),
            draft.tensor("item_zero_point", np.array(INT4_ZERO_POINT, np.uint8)),
        ]
        draft.node("MatMulInteger", [draft.current, items, *zeros], ["product"])
    _flatten(draft)


def _check_sums(dim: int, qmax: int) -> None:
    """ConfigError where a sum of ``dim`` products may be too large for a whole number of float32."""
    largest = dim * QMAX * qmax
    if largest >= EXACT_FLOAT32:
        raise ConfigError(
            f"dim {dim} is too large for integers that are multiplied as float32: a score may reach "
            f"{largest}, float32 is exact below {EXACT_FLOAT32}. Leave --core out."
        )


def _scale_items(draft: _OnnxDraft, scale: NDArray[np.float16]) -> None:
    stored = draft.tensor("item_scale", _in_whole_blocks(draft, scale))
    wide = _widened(draft, stored, "wide_item_scale", scale)
    draft.node("Cast", [draft.current], ["float_scores"], to=messages.FLOAT)
    draft.node("Mul", ["float_scores", wide], ["scaled_scores"])
    draft.current = "scaled_scores"


def _flatten(draft: _OnnxDraft) -> None:
    draft.node("Reshape", ["product", draft.tensor("flat", np.array([-1], np.int64))], ["all_scores"])
    draft.current = "all_scores"  # (I,)


def _exclude_seen(draft: _OnnxDraft, value: float, retired: tuple[int, ...]) -> None:
    integer = isinstance(value, int) and not draft.float_cast
    lowest = np.array([value], np.int32 if integer else np.float32)
    seen = draft.graph.contract.seen_input
    if draft.in_blocks:
        n_items = draft.graph.contract.n_items
        retired += tuple(range(n_items, n_items + pad_count(n_items)))
    if retired:
        constant = draft.tensor("retired_items", np.array(retired, np.int64))
        draft.node("Concat", [seen, constant], ["excluded"], axis=0)
        seen = "excluded"
    draft.node("Shape", [seen], ["n_seen_items"])
    draft.node("ConstantOfShape", ["n_seen_items"], ["lowest"], value=messages.tensor("", lowest))
    draft.node("ScatterElements", [draft.current, seen, "lowest"], ["unseen_scores"], axis=0)
    draft.current = "unseen_scores"


def _select_top(draft: _OnnxDraft) -> None:
    contract = draft.graph.contract
    values = draft.graph.chosen_scores
    # Top-k on the integers: cheaper than a cast of the whole catalogue, and exact.
    if draft.in_blocks:
        add_two_level(draft, draft.current, contract.k_input, values, contract.items_output)
    else:
        draft.node(
            "TopK",
            [draft.current, contract.k_input],
            [values, contract.items_output],
            axis=0,
            largest=1,
            sorted=1,
        )
    draft.current = values


def same_onnx(left: bytes, right: bytes) -> bool:
    """Whether two files hold the same graph, whatever their metadata say."""
    first, second = (
        [bytes(message(value)) for number, value in fields(memoryview(data)) if number == _GRAPH]
        for data in (left, right)
    )
    return first == second
