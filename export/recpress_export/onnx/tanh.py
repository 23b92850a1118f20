"""A user's vector from a hidden layer with a tanh, as ONNX nodes: artifacts/tanh_history.py defines it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recpress_edge.artifacts.tanh_history import MOST_SUM
from recpress_export.onnx import messages
from recpress_export.onnx.draft import OnnxDraft
from recpress_export.onnx.history import to_int8


def add_tanh(
    draft: OnnxDraft, tables: Mapping[str, NDArray[Any]], items: str, *, as_float: bool = False
) -> str:
    """Nodes from ``items`` (n,), which may be empty, to the row (1, D): float32, or uint8 around 128.

    ``as_float``: an integer row as whole numbers of float32.
    Integer rows leave "peak" (1, 1) int64 behind for ``add_peak_scale``.
    """
    integer = "tanh" in tables
    history = draft.tensor("history_emb", tables["history_emb"])
    draft.node("Gather", [history, items], ["bag"], axis=0)
    bag = "bag"
    if tables["history_emb"].dtype != np.float32:
        draft.node("Cast", [bag], ["wide_bag"], to=messages.INT64 if integer else messages.FLOAT)
        bag = "wide_bag"
    draft.node("ReduceSum", [bag, draft.tensor("bag_axis", np.array([0], np.int64))], ["total"], keepdims=1)
    root = _root(draft, tables["roots"], items)
    if integer:
        return _levels(draft, tables, root, as_float=as_float)
    draft.node("Mul", ["total", root], ["scaled_total"])
    prior = draft.tensor("prior", tables["prior"][None])
    if tables["prior"].dtype != np.float32:
        draft.node("Cast", [prior], ["wide_prior"], to=messages.FLOAT)
        prior = "wide_prior"
    draft.node("Add", ["scaled_total", prior], ["drive"])
    draft.node("Tanh", ["drive"], ["row"])
    return "row"


def _root(draft: OnnxDraft, roots: NDArray[Any], items: str) -> str:
    """The root of the number of items (1,): int64 or float32."""
    stored = draft.tensor("roots", roots)
    draft.node("Shape", [items], ["n_read"])
    draft.node(
        "Min", ["n_read", draft.tensor("last_root", np.array([len(roots) - 1], np.int64))], ["counted"]
    )
    draft.node("Gather", [stored, "counted"], ["stored_root"], axis=0)
    if roots.dtype == np.float32:
        return "stored_root"
    draft.node("Cast", ["stored_root"], ["root"], to=messages.INT64)
    return "root"


def _levels(draft: OnnxDraft, tables: Mapping[str, NDArray[Any]], root: str, *, as_float: bool) -> str:
    # In integers throughout: no CPU's division, root or tanh has a say.
    def constant(name: str, value: int) -> str:
        return draft.tensor(name, np.array(value, np.int64))

    def widened(name: str, table: NDArray[Any]) -> str:
        draft.node("Cast", [draft.tensor(name, table)], [f"wide_{name}"], to=messages.INT64)
        return f"wide_{name}"

    stride = tables["stride"].item()
    draft.node("Max", ["total", constant("least_sum", -MOST_SUM)], ["above_least"])
    draft.node("Min", ["above_least", constant("most_sum", MOST_SUM)], ["held_total"])
    draft.node("Mul", ["held_total", root], ["scaled_total"])
    draft.node("Add", ["scaled_total", widened("prior", tables["prior"][None])], ["drive"])
    draft.node("Abs", ["drive"], ["drive_size"])
    draft.node("Add", ["drive_size", "drive_size"], ["twice_drive"])
    draft.node("Add", ["twice_drive", constant("stride", stride)], ["drive_numerator"])
    draft.node("Div", ["drive_numerator", constant("twice_stride", 2 * stride)], ["any_place"])
    draft.node("Min", ["any_place", constant("last_place", len(tables["tanh"]) - 1)], ["place"])
    draft.node("Gather", [draft.tensor("tanh", tables["tanh"]), "place"], ["stored_tanh"], axis=0)
    draft.node("Cast", ["stored_tanh"], ["tanh_size"], to=messages.INT64)
    draft.node("Sign", ["drive"], ["drive_sign"])
    draft.node("Mul", ["drive_sign", "tanh_size"], ["tanh_level"])
    draft.node("Mul", ["tanh_level", widened("dim_weights", tables["dim_weights"])], ["sum"])
    return to_int8(draft, as_float=as_float)
