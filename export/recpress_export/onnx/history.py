"""A user's vector from a history, as ONNX nodes. What they compute is defined in history.py."""

from typing import Final

import numpy as np

from recpress_edge.artifacts.integers import QMAX, ZERO_POINT
from recpress_export.graph import FoldHistory, Table
from recpress_export.onnx import messages
from recpress_export.onnx.draft import OnnxDraft

_TO_END: Final = np.array([np.iinfo(np.int64).max], np.int64)
"""Of a slice: no end."""


def add_fold(draft: OnnxDraft, fold: FoldHistory, items: str, *, as_float: bool = False) -> str:
    """Nodes from ``items`` (n,), which may be empty, to the row (1, D): float32, or uint8 around 128.

    ``as_float``: an integer row as whole numbers of float32.
    Integer rows leave "peak" (1, 1) int64 behind for :func:`add_peak_scale`.
    """
    history = draft.tensor("history_emb", fold.history_emb)
    prior = draft.tensor("prior", fold.prior[None])
    integer = fold.history_emb.dtype == np.int8
    read = items if fold.weights is None else _last(draft, items, len(fold.weights) - 1)
    draft.node("Gather", [history, read], ["consumed"], axis=0)
    parts = [prior, "consumed"] if fold.weights is None else ["consumed", prior]
    draft.node("Concat", parts, ["bag"], axis=0)  # never empty
    bag = "bag"
    if fold.history_emb.dtype != np.float32:
        draft.node("Cast", [bag], ["wide_bag"], to=messages.INT32 if integer else messages.FLOAT)
        bag = "wide_bag"
    if fold.weights is not None:
        bag = _by_age(draft, bag, read, fold.weights)
    axis = draft.tensor("bag_axis", np.array([0], np.int64))
    draft.node("ReduceSum", [bag, axis], ["bag_sum" if integer else "row"], keepdims=1)
    if not integer:
        return "row"
    draft.node("Cast", ["bag_sum"], ["sum"], to=messages.INT64)
    return to_int8(draft, as_float=as_float)


def _last(draft: OnnxDraft, items: str, length: int) -> str:
    """The last ``length`` of items (n,), or all where there are fewer."""
    first = draft.tensor("minus_length", np.array([-length], np.int64))
    draft.node("Slice", [items, first, draft.tensor("to_end", _TO_END)], ["read_items"])
    return "read_items"


def _by_age(draft: OnnxDraft, bag: str, read: str, weights: Table) -> str:
    """Each row of the bag (m + 1, D), the prior last, times the weights of its age."""
    stored = draft.tensor("age_weights", weights)
    if weights.dtype == np.int8:
        draft.node("Cast", [stored], ["wide_weights"], to=messages.INT32)  # once, when the file is loaded
        stored = "wide_weights"
    draft.node("Shape", [read], ["n_read"])
    draft.node(
        "Sub", [draft.tensor("length", np.array([len(weights) - 1], np.int64)), "n_read"], ["n_unread"]
    )
    draft.node("Slice", [stored, "n_unread", "to_end"], ["read_weights"])
    draft.node("Mul", [bag, "read_weights"], ["weighted_bag"])
    return "weighted_bag"


def to_int8(draft: OnnxDraft, *, as_float: bool) -> str:
    """ "sum" (1, D) int64 as a row of int8, divided by its "peak" (1, 1)."""

    # In integers and not with QuantizeLinear: no CPU's division or rounding of floats has a say.
    def constant(name: str, value: int) -> str:
        return draft.tensor(name, np.array(value, np.int64))

    draft.node("Abs", ["sum"], ["size"])
    draft.node("ReduceMax", ["size"], ["largest"], keepdims=1)  # (1, 1)
    draft.node("Max", ["largest", constant("least_peak", 1)], ["peak"])
    draft.node("Mul", ["size", constant("twice_range", 2 * QMAX)], ["scaled_size"])
    draft.node("Add", ["scaled_size", "peak"], ["numerator"])
    draft.node("Add", ["peak", "peak"], ["denominator"])
    draft.node("Div", ["numerator", "denominator"], ["level"])
    draft.node("Sign", ["sum"], ["sign"])
    draft.node("Mul", ["sign", "level"], ["signed_level"])
    if as_float:
        draft.node("Cast", ["signed_level"], ["row"], to=messages.FLOAT)
        return "row"
    draft.node("Add", ["signed_level", constant("row_zero_point", ZERO_POINT)], ["stored_level"])
    draft.node("Cast", ["stored_level"], ["row"], to=messages.UINT8)
    return "row"


def add_peak_scale(draft: OnnxDraft, step: np.float32) -> str:
    """float32(peak) · step, (1,): what the returned scores are multiplied with."""
    draft.node("Cast", ["peak"], ["float_peak"], to=messages.FLOAT)
    draft.node("Mul", ["float_peak", draft.tensor("step", np.array(step, np.float32))], ["square_scale"])
    draft.node("Reshape", ["square_scale", draft.tensor("one", np.array([1], np.int64))], ["scale"])
    return "scale"
