"""A network from outside as a model of one input and one output, in the data set's indices.

``network_input`` (n,) is a history, oldest first, or (1,) a user; ``network_scores`` (I,) has a score for
each item. :mod:`recpress_export.networks.wiring` says what is computed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from recpress_edge.core.arrays import F32, I64
from recpress_export.networks.outside import OutsideNetwork, open_onnx
from recpress_export.networks.tied_table import store_once
from recpress_export.networks.wiring import Port, feed
from recpress_export.onnx.network import NETWORK_INPUT, NETWORK_IR_VERSION, NETWORK_OUTPUT, opset_of

_OURS: Final = "outside/"
"""In front of the names of what is added; the network's own get another."""
_OWN: Final = "own/"
_TYPES: Final = {
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "float32": TensorProto.FLOAT,
    "bool": TensorProto.BOOL,
}
_LAST: Final = int(np.iinfo(np.int64).max)


def wrapped(student: OutsideNetwork) -> bytes:
    """The network with nodes around it; what its output does not need is left out."""
    wiring = student.wiring
    model = onnx.load_model_from_string(student.onnx)
    opened, known = open_onnx(student.onnx, wiring.output), student.places.item_index
    asked = [(0, known[known >= 0][:1])]
    shown = opened.run(feed(wiring, opened.ports, asked))  # its rank, which files need not state
    nodes = _Nodes(student)
    own = _own_graph(model.graph, wiring.output)
    feeds = nodes.inputs(opened.ports)
    nodes.scores(f"{_OWN}{wiring.output}", shown, own)
    graph = helper.make_graph(
        store_once([*feeds, *own.node, *nodes.nodes], own),
        "network",
        [helper.make_tensor_value_info(NETWORK_INPUT, TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info(NETWORK_OUTPUT, TensorProto.FLOAT, [student.n_items])],
        [*own.initializer, *nodes.tensors],
    )
    made = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset_of(student.onnx))], ir_version=NETWORK_IR_VERSION
    )
    return bytes(made.SerializeToString())


def _own_graph(graph: onnx.GraphProto, output: str) -> onnx.GraphProto:
    """The nodes and constants that an output needs, under names that ours cannot meet."""
    wanted, kept = {output}, []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            wanted.update(node.input)
            kept.append(node)
    made = onnx.GraphProto()
    for node in reversed(kept):
        value = next((part for part in node.attribute if part.name == "value"), None)
        if node.op_type == "Constant" and value is not None:  # where the quantiser looks for factors
            made.initializer.append(value.t)
            made.initializer[-1].name = _own(node.output[0])
            continue
        copied = made.node.add()
        copied.CopyFrom(node)
        for names in (copied.input, copied.output):
            renamed = [_own(name) for name in names]
            del names[:]
            names.extend(renamed)
    for tensor in graph.initializer:
        if tensor.name in wanted:
            made.initializer.append(tensor)
            made.initializer[-1].name = _own(tensor.name)
    return made


def _own(name: str) -> str:
    return f"{_OWN}{name}" if name else ""  # an empty name is an optional input that is not given


def _consecutive(places: I64) -> bool:
    """Whether the first place is known and each other one is the next."""
    return bool(places[0] >= 0 and (np.diff(places) == 1).all())


class _Nodes:
    """The nodes in front of the network and behind it."""

    def __init__(self, student: OutsideNetwork) -> None:
        self.student, self.wiring = student, student.wiring
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.count = ""
        """Number of tokens (1,)."""
        self.n_known = ""
        """Number of known items in the history (1,)."""

    def constant(self, name: str, array: NDArray[Any] | Sequence[int]) -> str:
        """The name of a constant."""
        stored = np.ascontiguousarray(array) if isinstance(array, np.ndarray) else np.array(array, np.int64)
        if not any(tensor.name == _OURS + name for tensor in self.tensors):
            self.tensors.append(numpy_helper.from_array(stored, _OURS + name))
        return _OURS + name

    def node(self, operator: str, inputs: Iterable[str], output: str, **attributes: Any) -> str:
        """The name of its output."""
        name = output if output.startswith(_OWN) else _OURS + output
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def inputs(self, ports: Mapping[str, Port]) -> list[onnx.NodeProto]:
        """The nodes in front of the network: they feed each of its inputs."""
        places, roles = self.student.places, self.wiring.inputs
        made: dict[str, str] = {}
        if "user" in roles:
            table = self.constant("user_index", places.user_index)
            made["user"] = self.node("Gather", [table, NETWORK_INPUT], "user")
        if "history" in roles:
            made |= self._history()
        for role, name in roles.items():
            self._fit(made[role], ports[name], name, vector=role in ("history", "mask"))
        feeds, self.nodes = self.nodes, []
        return feeds

    def _fit(self, made: str, port: Port, name: str, *, vector: bool) -> None:
        """Give an input its type and axes: (L,), (1, L), (1, L, 1), or (), (1,), (1, 1)."""
        shape = ([-1] if vector else [1]) if len(port.axes) <= 1 else [1, -1, *[1] * (len(port.axes) - 2)]
        if not port.axes:
            shape = []
        axes = self.constant(f"shape_{len(shape)}_{shape[:1] == [1]}", shape)
        made = self.node("Reshape", [made, axes], f"{name}_shaped")
        self.node("Cast", [made], f"{_OWN}{name}", to=_TYPES[port.type])

    def _history(self) -> dict[str, str]:
        """The tokens, their number and their mask."""
        wiring, index = self.wiring, self.student.places.item_index
        zero, axis = self.constant("zero", [0]), 0
        if _consecutive(index):
            known = self.node("Add", [NETWORK_INPUT, self.constant("first_item", index[:1])], "ids")
        else:
            known = self.node("Gather", [self.constant("item_index", index), NETWORK_INPUT], "ids")
        if (index < 0).any():
            is_known = self.node("GreaterOrEqual", [known, zero], "is_known")
            known = self.node("Compress", [known, is_known], "known", axis=axis)
        self.n_known = self.node("Shape", [known], "n_known")
        first, last = self.constant("first", [-wiring.history_length]), self.constant("last", [_LAST])
        tokens = self.node("Slice", [known, first, last, zero], "read")
        ends = [
            [] if token is None else [self.constant(f"{name}_token", [token])]
            for name, token in (("start", wiring.start_token), ("end", wiring.end_token))
        ]
        if wiring.pad == "none" and not any(ends):  # the network is never given nothing at all
            tokens = self._never_empty(tokens)
        elif any(ends):
            tokens = self.node("Concat", [*ends[0], tokens, *ends[1]], "tokens", axis=axis)
        self.count = self.node("Shape", [tokens], "count")
        at_least_one = self.node("Max", [self.count, self.constant("one", [1])], "length")
        if wiring.pad == "none":
            ones = self.node("Expand", [self.constant("one", [1]), self.count], "ones")
            return {"history": tokens, "length": at_least_one, "mask": ones}
        return {"length": at_least_one, **self._padded(tokens)}

    def _never_empty(self, tokens: str) -> str:
        """The tokens, or one padding where there is none."""
        zero, one = self.constant("zero", [0]), self.constant("one", [1])
        count = self.node("Shape", [tokens], "n_read")
        short = self.node("Sub", [one, self.node("Min", [count, one], "some")], "short")
        filler = self.constant("filler", [self.wiring.pad_value])
        filled = self.node("Slice", [filler, zero, short, zero], "filled")
        return self.node("Concat", [tokens, filled], "tokens", axis=0)

    def _padded(self, tokens: str) -> dict[str, str]:
        """Tokens and mask (T,)."""
        wiring, zero = self.wiring, self.constant("zero", [0])
        size = wiring.tokens
        empty = self.node("Sub", [self.constant("size", [size]), self.count], "empty")
        made = {}
        for role, inner, outer in (
            ("history", tokens, np.full(size, wiring.pad_value, np.int64)),
            ("mask", "", np.zeros(size, np.int64)),
        ):
            if role not in wiring.inputs:
                continue
            if not inner:
                ones = self.constant("ones", np.ones(size, np.int64))
                inner = self.node("Slice", [ones, zero, self.count, zero], "mask_ones")
            filler = self.constant(f"{role}_filler", outer)
            side = self.node("Slice", [filler, zero, empty, zero], f"{role}_padding")
            parts = [side, inner] if wiring.pad == "left" else [inner, side]
            made[role] = self.node("Concat", parts, f"{role}_padded", axis=0)
        return made

    def scores(self, output: str, shown: NDArray[Any], own: onnx.GraphProto) -> None:
        """The nodes from the network's output to the scores (I,).

        ``shown``: the output of one request; ``own``: the network's nodes and constants.
        """
        places = self.student.places
        if shown.ndim == 3 and shown.shape[1] > 1:
            output = self.node("Gather", [output, self._place(shown.shape[1])], "at_last", axis=1)
        if shown.dtype != np.float32:
            output = self.node("Cast", [output], "float_output", to=TensorProto.FLOAT)
        if places.item_table is not None:
            flat = self.node("Reshape", [output, self.constant("row", [1, -1])], "vector")
            output = self.node("MatMul", [flat, self._factor(places.item_table, own)], "product")
        scores = self.node("Reshape", [output, self.constant("flat", [-1])], "columns")
        columns, first = places.item_column, int(places.item_column[0])
        if _consecutive(columns):  # as they mostly are: 8 bytes an item less
            ends = [self.constant(f"column_{n}", [n]) for n in (first, first + columns.size)]
            scores = self.node("Slice", [scores, *ends, self.constant("zero", [0])], "scores")
        else:
            chosen = self.constant("item_column", np.maximum(columns, 0))
            scores = self.node("Gather", [scores, chosen], "scores")
        if self.n_known and self.wiring.empty == "popular":
            nothing = self.node("Equal", [self.n_known, self.constant("zero", [0])], "nothing")
            popularity = self.constant("popularity", self.student.popularity)
            scores = self.node("Where", [nothing, popularity, scores], "answered")
        self.nodes.append(helper.make_node("Identity", [scores], [NETWORK_OUTPUT]))

    def _factor(self, table: F32, own: onnx.GraphProto) -> str:
        """The item table (d, V): the network's own where it is the same."""
        for tensor in own.initializer:
            if tuple(tensor.dims) == table.shape and np.array_equal(numpy_helper.to_array(tensor), table):
                return self.node("Transpose", [tensor.name], "item_factor", perm=[1, 0])
        return self.constant("item_table", table.T)

    def _place(self, width: int) -> str:
        """The last token's place (1,)."""
        if self.wiring.pad == "left":
            return self.constant("last_place", [width - 1])
        one = self.constant("one", [1])
        return self.node("Sub", [self.node("Max", [self.count, one], "places"), one], "place")
