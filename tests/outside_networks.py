"""Small networks of other programs for the tests: ONNX files written node by node."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from recpress_edge.core.rng import stream

LENGTH = 6


def table(n_items: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    """Rows (n_items + 1, dim); row 0 is that of padding, which is not zero."""
    return stream(seed, "outside network").standard_normal((n_items + 1, dim), np.float32)


def mean_scores(rows: np.ndarray, history: Sequence[int], length: int = LENGTH) -> np.ndarray:
    """What the network of :func:`write_mean` answers: (V,), in its own places."""
    read = list(history)[-length:]
    return rows @ rows[read].mean(axis=0)


def write_mean(path: Path, rows: np.ndarray, **changes: Any) -> Path:
    """The mean of the read items' rows times every row, behind ``logits``; -1 takes any length.

    ``leaks``: the padding counts as an item. ``batch``: the batch axis. ``spoilt``: a number in place of the
    scores' factor 1. ``typed``: of the inputs. ``mixes``: rows of a batch are mixed. ``chance``: a random
    number is added. ``mask``: what the items of the history score, None: what they would.
    """
    flags = {"leaks": False, "batch": "batch", "spoilt": 1.0, "typed": TensorProto.INT64, "mixes": False}
    flags |= {"length": LENGTH, "opset": 18, "chance": False, "mask": None} | changes
    axes = [flags["batch"], flags["length"] if flags["length"] > 0 else "length"]
    constants = {
        "rows": rows,
        "by": np.ascontiguousarray(rows.T) * np.float32(flags["spoilt"]),
        "zero": np.array(0, np.int64),
        "one": np.array([1], np.int64),
        "last": np.array([-1], np.int64),
    }
    nodes = [
        helper.make_node("Cast", ["item_seq"], ["ids"], to=TensorProto.INT64),
        helper.make_node("Gather", ["rows", "ids"], ["embedded"]),  # (B, L, d)
        helper.make_node("Equal", ["ids", "zero"], ["is_padding"]),
        helper.make_node("Not", ["is_padding"], ["is_item"]),
        helper.make_node("Cast", ["is_item"], ["weight"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weight", "last"], ["wide"]),
        helper.make_node("Mul", ["embedded", "wide"], ["kept"]),
        helper.make_node("ReduceSum", ["embedded" if flags["leaks"] else "kept", "one"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["weight", "one"], ["count"], keepdims=1),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
        helper.make_node("MatMul", ["mean", "by"], ["logits" if not flags["mixes"] else "apart"]),
    ]
    if flags["mixes"]:
        constants["first"] = np.array([0], np.int64)
        constants["hundredth"] = np.array(1e-2, np.float32)
        nodes += [
            helper.make_node("ReduceSum", ["apart", "first"], ["others"], keepdims=1),
            helper.make_node("Mul", ["others", "hundredth"], ["some"]),
            helper.make_node("Add", ["apart", "some"], ["logits"]),
        ]
    if flags["chance"]:
        nodes[-1].output[0] = "sure"
        nodes.append(helper.make_node("RandomNormalLike", ["sure"], ["chance"], scale=0.01, seed=1.0))
        nodes.append(helper.make_node("Add", ["sure", "chance"], ["logits"]))
    if flags["mask"] is not None:
        constants["nought"] = np.array(0, np.float32)
        constants["wall"] = np.array(flags["mask"], np.float32)
        nodes[-1].output[0] = "unmasked"
        nodes += [
            helper.make_node("Mul", ["weight", "nought"], ["nothing"]),
            helper.make_node("Add", ["nothing", "wall"], ["walls"]),
            helper.make_node("ScatterElements", ["unmasked", "ids", "walls"], ["logits"], axis=1),
        ]
    inputs = [helper.make_tensor_value_info("item_seq", flags["typed"], axes)]
    outputs = [
        helper.make_tensor_value_info("mean", TensorProto.FLOAT, [axes[0], rows.shape[1]]),
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [axes[0], len(rows)]),
    ]
    tensors = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "mean", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", flags["opset"])], ir_version=8)
    onnx.save(model, path)
    return path
