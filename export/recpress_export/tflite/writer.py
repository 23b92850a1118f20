"""Graph to TFLite: a flatbuffer of built-in operators, the same bytes every time.

Exact on the built-in kernels: a user's int8 row goes in as float32 whole numbers up to 127, which the
hybrid FULLY_CONNECTED turns back into the same int8 (scale 1), sums in int32 and returns as float32;
sums below 2^24 are exact there. XNNPACK quantises the row again, asymmetrically, and is not exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.integers import EXACT_FLOAT32, QMAX, unpack_int4
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.cores import PADDED, PADDED_TO
from recpress_export import graph as steps
from recpress_export.graph import Graph, Step
from recpress_export.tflite.flatbuffer import FlatModel
from recpress_export.tflite.history import add_fold, add_peak_scale
from recpress_export.tflite.network import add_tokens
from recpress_export.tflite.tanh import add_tanh
from recpress_export.tflite.topk import TWO_LEVEL_ITEMS, TableLayout, add_top, add_two_level_top, layout_of

NO_TENSOR: Final = -1


@dataclass(slots=True)
class _TfliteDraft:
    """The model so far, and the tensor that the next step works on."""

    graph: Graph
    layout: TableLayout
    inputs: Mapping[str, int]
    model: FlatModel
    outputs: dict[str, int] = field(default_factory=dict)
    current: int = NO_TENSOR
    peak: int = NO_TENSOR
    """Largest size of a dimension of a history's sum, where the row is made from one."""

    @property
    def seen(self) -> int:
        return self.inputs[self.graph.contract.seen_input]

    def op(self, name: str, inputs: list[int], output: int, *, version: int = 1, **options: Any) -> int:
        self.model.operator(name, inputs, [output], version=version, **options)
        return output


def to_tflite(graph: Graph, metadata: Mapping[str, str], two_level_items: int = TWO_LEVEL_ITEMS) -> bytes:
    """The file's bytes. They depend on the graph, the metadata and the release of TFLite's schema only.

    From ``two_level_items`` items on, the best are chosen in two levels (tflite_top.py); same answers.
    ConfigError: the tables do not fit what the built-in kernels compute exactly.
    """
    model = FlatModel()
    inputs, outputs = add_graph(graph, model, two_level_items)
    return model.to_bytes(inputs, outputs, metadata)


def add_graph(
    graph: Graph, model: FlatModel, two_level_items: int = TWO_LEVEL_ITEMS
) -> tuple[dict[str, int], dict[str, int]]:
    """The same in a model that others may add to: the tensors that go in and come out, by name."""
    contract = graph.contract
    inputs = {name: model.tensor(name, [1], np.int32) for name in (contract.user_input,) if name}
    inputs |= {
        contract.seen_input: model.tensor(
            contract.seen_input, [contract.seen_capacity], np.int32, any_length=0
        ),
        contract.k_input: model.tensor(contract.k_input, [1], np.int32),
    }
    # A network's scores come in the items' own order: their top is chosen in one level.
    two_level = contract.n_items >= two_level_items and not graph.traced
    draft = _TfliteDraft(graph, layout_of(contract.n_items, two_level=two_level), inputs, model)
    given = _pinned(graph.steps)
    for step in _padded(given) if graph.arrangement == PADDED else given:
        _add(draft, step)
    return inputs, draft.outputs


def network_rows(n_items: int) -> int:
    """Scores that a traced network must give in a TFLite file: those behind the items are never returned."""
    return layout_of(n_items, two_level=False).size


def _pinned(given: tuple[Step, ...]) -> tuple[Step, ...]:
    """With one more dimension, 127 for users and 0 for items, where a user's largest value is not 127.

    The kernel divides a row by its largest value and multiplies by 127: whole numbers come back only
    when that is 127 already (or all are zero).
    """
    match given:
        case (steps.FoldHistory() | steps.FoldTanh(), steps.ScoreAll(items), *_) if items.dtype == np.int8:
            _check_sums(np.full((1, items.shape[1]), QMAX), items)
        case (steps.LookUp(users), steps.ScoreAll(items), *rest) if users.dtype == np.int8:
            _check_sums(users, items)
            peaks = np.abs(users.astype(np.int16)).max(axis=1)
            if not np.isin(peaks, (0, QMAX)).all():
                pin = np.full((len(users), 1), QMAX, np.int8)
                unpinned = np.zeros((len(items), 1), np.int8)
                wider: NDArray[np.int8] = np.hstack([users.astype(np.int8), pin])
                longer: NDArray[np.int8] = np.hstack([items.astype(np.int8), unpinned])
                return (steps.LookUp(wider), steps.ScoreAll(longer), *rest)
    return given


def _padded(given: tuple[Step, ...]) -> tuple[Step, ...]:
    """With zeros behind the dimensions, so that every row starts at a multiple of a vector register.

    The kernel copies each row of another length before it multiplies it.
    """
    match given:
        case (steps.LookUp(users), steps.ScoreAll(items), *rest):
            return (steps.LookUp(_wider(users)), steps.ScoreAll(_wider(items)), *rest)
        case (steps.FoldHistory(history, prior, weights), steps.ScoreAll(items), *rest):
            by_age = None if weights is None else _wider(weights)
            fold = steps.FoldHistory(_wider(history), _wider(prior[None])[0], by_age)
            return (fold, steps.ScoreAll(_wider(items)), *rest)
        case (steps.FoldTanh(tables), steps.ScoreAll(items), *rest):
            by_dim = [name for name in ("history_emb", "prior", "dim_weights") if name in tables]
            wider = {name: _wider(np.atleast_2d(tables[name])) for name in by_dim}
            rows = {name: wide if tables[name].ndim == 2 else wide[0] for name, wide in wider.items()}
            return (steps.FoldTanh({**tables, **rows}), steps.ScoreAll(_wider(items)), *rest)
    return given


def _wider(table: NDArray[Any]) -> NDArray[Any]:
    return np.pad(table, ((0, 0), (0, -table.shape[1] % PADDED_TO)))


def _check_sums(users: NDArray[Any], items: NDArray[Any]) -> None:
    largest = int((np.abs(users.astype(np.int64)) @ np.abs(items.astype(np.int64)).max(axis=0)).max())
    if largest >= EXACT_FLOAT32:
        raise ConfigError(
            f"dim {users.shape[1]} is too large for an exact int8 TFLite file: a score may reach {largest}, "
            f"float32 is exact below {EXACT_FLOAT32}. Write ONNX (--format onnx), or a student of lower dim."
        )


def _add(draft: _TfliteDraft, step: Step) -> None:
    match step:
        case steps.LookUp(table):
            _look_up(draft, table)
        case steps.FoldHistory():
            draft.current, draft.peak = add_fold(draft.model, step, draft.seen)
        case steps.FoldTanh(tables):
            draft.current, draft.peak = add_tanh(draft.model, tables, draft.seen)
        case steps.ScoreAll(table):
            _score_all(draft, table)
        case steps.ScorePacked(table, dim):
            # Unpacked once, when the file is loaded, to a float32 a value; the sums are exact in float32.
            levels = draft.model.constant_int4("item_emb", draft.layout.arrange(unpack_int4(table, dim)))
            wide = draft.model.tensor("wide_item_emb", [draft.layout.size, dim], np.float32)
            _multiply(draft, draft.op("DEQUANTIZE", [levels], wide, version=6), version=1)
        case steps.ScaleItems(scale):
            size = [1, draft.layout.size]
            wide = _float(draft, "item_scale", draft.layout.arrange(scale[:, None]).reshape(size))
            scaled = draft.model.tensor("scaled_scores", size, np.float32)
            draft.current = draft.op("MUL", [draft.current, wide], scaled)
        case steps.ExcludeSeen(_, retired):
            _exclude_seen(draft, retired)
        case steps.ReadTokens(n_items, length):
            draft.current = add_tokens(draft.model, draft.seen, n_items, length)
        case steps.RunNetwork(network):
            draft.current = draft.model.add_model(
                network,
                draft.current
                if draft.current != NO_TENSOR
                else draft.inputs[draft.graph.contract.user_input],
            )
        case steps.SelectTop():
            _select_top(draft)
        case steps.ScaleScores(scale):
            _scale_top(draft, _of_user(draft, draft.model.constant("user_scale", scale), "scale", [1]))
        case steps.KeepScores():
            _scale_top(draft, draft.model.constant("unit", np.ones(1, np.float32)))
        case steps.ScaleByPeak(factor):
            _scale_top(draft, add_peak_scale(draft.model, draft.peak, factor))


def _scale_top(draft: _TfliteDraft, scale: int) -> None:
    name = draft.graph.contract.scores_output
    scores = draft.model.tensor(name, [1], np.float32, any_length=0)
    draft.outputs[name] = draft.op("MUL", [draft.current, scale], scores)


def _of_user(
    draft: _TfliteDraft, table: int, name: str, shape: list[int], dtype: Any = np.float32, **options: Any
) -> int:
    """The user's row of a table; the table itself where it has one row and the file takes no user."""
    user = draft.graph.contract.user_input
    if not user:
        return table
    scale = 1.0 if dtype == np.int8 else None
    row = draft.model.tensor(name, shape, dtype, scale=scale)
    return draft.op("GATHER", [table, draft.inputs[user]], row, **options)


def _float(draft: _TfliteDraft, name: str, table: NDArray[Any]) -> int:
    """A constant in float32. A runtime widens float16 once, when it loads the file."""
    stored = draft.model.constant(name, table)
    if table.dtype != np.float16:
        return stored
    wide = draft.model.tensor(f"wide_{name}", table.shape, np.float32)
    return draft.op("DEQUANTIZE", [stored], wide, version=3)


def _look_up(draft: _TfliteDraft, table: NDArray[Any]) -> None:
    model, shape = draft.model, [1, table.shape[1]]
    if table.dtype != np.int8:
        draft.current = _of_user(draft, _float(draft, "user_emb", table), "row", shape)
        return
    stored = model.constant("user_emb", table, scale=1.0)
    row = _of_user(draft, stored, "row_int8", shape, np.int8, version=2)
    draft.current = draft.op("DEQUANTIZE", [row], model.tensor("row", shape, np.float32), version=2)


def _score_all(draft: _TfliteDraft, table: NDArray[Any]) -> None:
    arranged = draft.layout.arrange(table)
    if table.dtype == np.int8:
        _multiply(draft, draft.model.constant("item_emb", arranged, scale=1.0), version=3)
    else:
        _multiply(draft, _float(draft, "item_emb", arranged), version=1)


def _multiply(draft: _TfliteDraft, items: int, *, version: int) -> None:
    product = draft.model.tensor("product", [1, draft.layout.size], np.float32)
    draft.current = draft.op("FULLY_CONNECTED", [draft.current, items, NO_TENSOR], product, version=version)


def _exclude_seen(draft: _TfliteDraft, retired: tuple[int, ...]) -> None:
    """Add minus infinity where an item was seen, is retired or only fills the table; zero elsewhere.

    In float32, after the product: a penalty before it would take the whole range of int8.
    """
    model, layout, capacity = draft.model, draft.layout, draft.graph.contract.seen_capacity
    always = np.array([*retired, *range(layout.n_items, layout.size)], np.int32)
    count = capacity + always.size

    def integers(name: str) -> int:
        return model.tensor(name, [count], np.int32, any_length=0)

    items = draft.op(
        "CONCATENATION", [draft.seen, model.constant("retired_items", always)], integers("excluded"), axis=0
    )
    length = draft.op("SHAPE", [items], model.tensor("n_excluded", [1], np.int32), outType=2)  # INT32
    lowest = model.constant("lowest", np.array(-np.inf, np.float32))
    penalties = draft.op(
        "FILL", [length, lowest], model.tensor("penalties", [count], np.float32, any_length=0)
    )
    if layout.width > 1:  # item b · width + r is stored at r · n_blocks + b
        width = model.constant("width", np.array(layout.width, np.int32))
        stride = model.constant("n_blocks", np.array(layout.n_blocks, np.int32))
        within = draft.op("FLOOR_MOD", [items, width], integers("within_block"))
        offset = draft.op("MUL", [within, stride], integers("offset"))
        items = draft.op("ADD", [offset, draft.op("FLOOR_DIV", [items, width], integers("in_block"))],
                         integers("excluded_places"))  # fmt: skip
    places = draft.op(
        "EXPAND_DIMS",
        [items, model.constant("last_axis", np.array(1, np.int32))],
        model.tensor("places", [count, 1], np.int32, any_length=0),
    )
    size = model.constant("size", np.array([layout.size], np.int32))
    penalty = draft.op(
        "SCATTER_ND", [places, penalties, size], model.tensor("penalty", [layout.size], np.float32)
    )
    unseen = model.tensor("unseen_scores", layout.shape, np.float32)
    if layout.width > 1:
        penalty = _in_shape(draft, penalty, "all_penalties")
    scores = _in_shape(draft, draft.current, "all_scores")
    draft.current = draft.op("ADD", [scores, penalty], unseen)


def _in_shape(draft: _TfliteDraft, tensor: int, name: str) -> int:
    """A tensor of layout.size floats in the layout's shape, which every later step works on."""
    model, shape = draft.model, list(draft.layout.shape)
    wanted = model.constant(f"{name}_shape", np.array(shape, np.int32))
    return draft.op("RESHAPE", [tensor, wanted], model.tensor(name, shape, np.float32), newShape=shape)


def _select_top(draft: _TfliteDraft) -> None:
    contract, layout = draft.graph.contract, draft.layout
    values = draft.graph.chosen_scores
    add = add_top if layout.width == 1 else add_two_level_top
    top, items = add(
        draft.model, layout, draft.current, draft.inputs[contract.k_input], values, contract.items_output
    )
    draft.outputs[contract.items_output] = items
    if values == contract.scores_output:
        draft.outputs[contract.scores_output] = top
    draft.current = top
