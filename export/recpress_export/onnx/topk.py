"""Exact top-k of a long list in two steps, as ONNX nodes: the best blocks, then the best of their items.

A block is a run of neighbouring items and counts as much as its best one. The k best items lie in the k
best blocks (equal blocks: the lower first): were one of them in any other block, each of those k blocks
would hold an item that comes before it. Their candidates are laid out in the order of the items, so that
among equal scores the lower item still comes first. docs/adr/0007-two-level-topk.md has the measurements.
"""

from typing import Final

import numpy as np

from recpress_export.onnx.draft import OnnxDraft

BLOCK_ITEMS: Final = 64
TWO_LEVEL_ITEMS: Final = 100_000
"""From so many items on two levels are faster; with fewer a single TopK is."""


def pad_count(n_items: int) -> int:
    """Rows that fill the last block up. They are excluded like seen items, so nobody is given one."""
    return -n_items % BLOCK_ITEMS


def add_two_level(draft: OnnxDraft, scores: str, k: str, values: str, items: str) -> None:
    """Nodes from ``scores`` (n,), n a multiple of the block, to the k best ``values`` and their ``items``."""
    width = draft.tensor("block_items", np.array([BLOCK_ITEMS], np.int64))
    shape = draft.tensor("block_shape", np.array([-1, BLOCK_ITEMS], np.int64))
    flat = draft.tensor("one_axis", np.array([-1], np.int64))
    draft.node("Reshape", [scores, shape], ["blocks"])  # (n_blocks, 64)
    draft.node("ReduceMax", ["blocks"], ["block_best"], axes=[1], keepdims=0)
    draft.node("Shape", ["block_best"], ["n_blocks"])
    draft.node("Min", [k, "n_blocks"], ["n_chosen"])
    draft.node("TopK", ["block_best", "n_chosen"], ["_chosen_best", "chosen"], axis=0, largest=1, sorted=1)
    draft.node("TopK", ["chosen", "n_chosen"], ["in_order", "_order"], axis=0, largest=0, sorted=1)
    draft.node("Gather", ["blocks", "in_order"], ["chosen_blocks"], axis=0)
    draft.node("Reshape", ["chosen_blocks", flat], ["candidates"])
    draft.node("TopK", ["candidates", k], [values, "at"], axis=0, largest=1, sorted=1)
    # Candidate r · 64 + c is item in_order[r] · 64 + c.
    draft.node("Div", ["at", width], ["place"])
    draft.node("Gather", ["in_order", "place"], ["block"])
    draft.node("Sub", ["block", "place"], ["moved"])
    draft.node("Mul", ["moved", width], ["offset"])
    draft.node("Add", ["at", "offset"], [items])
