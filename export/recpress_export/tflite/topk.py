"""Exact top-k for TFLite, whose TOPK_V2 over a whole catalogue costs more than all the rest.

A block is a run of ``width`` neighbouring items and counts as much as its best one (MAX_POOL_2D). As in
two_level.py the k best items lie in the k best blocks (equal blocks: the lower first), and among equal
scores the lower item comes first as long as candidates are laid out in the order of the items: so the
chosen blocks are put into ascending order before their items are gathered.

MAX_POOL_2D is fast over rows of many channels, so the table is stored with item ``b · width + r`` at place
``r · n_blocks + b``: row r of (width, n_blocks) holds every block's r-th item.
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recpress_export.tflite.flatbuffer import FlatModel

TWO_LEVEL_ITEMS: Final = 10_000
"""From so many items on two levels are faster. Time of two over one on x86 without VNNI, dim 20, k 50,
XNNPACK and built-in kernels: 1.21 and 1.20 at 4,000 items, 1.06 and 1.10 at 8,000, .89 and 1.00 at 16,000,
.71 and .85 at 100,000.
"""
_USUAL_K: Final = 50
_ROWS: Final = 4
"""The product's fast kernel takes rows four at a time."""


@dataclass(frozen=True, slots=True)
class TableLayout:
    """Where items are in the stored table. It has more places than items; the rest is never returned."""

    n_items: int
    width: int
    """Items in a block; 1: no blocks, items are stored in their own order."""
    n_blocks: int

    @property
    def size(self) -> int:
        return self.width * self.n_blocks

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the scores: an image of ``width`` rows, one column and a channel for each block, or a list."""
        return (1, self.width, 1, self.n_blocks) if self.width > 1 else (self.size,)

    def arrange(self, table: NDArray[Any]) -> NDArray[Any]:
        """The table (I, D) as it is stored, (size, D), filled up with zeros."""
        padded = np.pad(table, ((0, self.size - len(table)), (0, 0)))
        blocks = padded.reshape(self.n_blocks, self.width, -1)
        return np.ascontiguousarray(blocks.swapaxes(0, 1)).reshape(self.size, -1)


def layout_of(n_items: int, *, two_level: bool) -> TableLayout:
    """About 2 sqrt(k · I) blocks, each a quarter of what the best k of them bring to choose from.

    With half as many a request takes 4 % longer (25,181 items, dim 10 and 20, XNNPACK), with twice as many
    2 %. One place at least is left over; unused entries of the seen input point at it.
    """
    width = max(round(n_items / (2 * math.sqrt(_USUAL_K * n_items))), 2) if two_level else 1
    n_blocks = math.ceil((n_items + 1) / width)
    return TableLayout(n_items, width, math.ceil(n_blocks / _ROWS) * _ROWS)


def add_top(
    model: FlatModel, _: TableLayout, scores: int, k: int, values: str, items: str
) -> tuple[int, int]:
    """One TOPK_V2 over all ``scores`` (size,); equal scores: the lower place first."""
    top = model.tensor(values, [1], np.float32, any_length=0)
    at = model.tensor(items, [1], np.int32, any_length=0)
    model.operator("TOPK_V2", [scores, k], [top, at])
    return top, at


def add_two_level_top(
    model: FlatModel, layout: TableLayout, scores: int, k: int, values: str, items: str
) -> tuple[int, int]:
    """The k best of ``scores`` (size,), laid out as (width, n_blocks), and their items."""
    width, n_blocks = layout.width, layout.n_blocks

    def whole(name: str, *values: int) -> int:
        return model.constant(name, np.array(values, np.int32))

    def integers(name: str) -> int:
        return model.tensor(name, [1], np.int32, any_length=0)

    def op(name: str, inputs: list[int], output: int, **options: Any) -> int:
        model.operator(name, inputs, [output], **options)
        return output

    def reshape(tensor: int, name: str, *shape: int, any_length: int | None = None) -> int:
        output = model.tensor(name, [max(n, 1) for n in shape], np.float32, any_length=any_length)
        return op("RESHAPE", [tensor, whole(f"{name}_shape", *shape)], output, newShape=list(shape))

    best = op(
        "MAX_POOL_2D",
        [scores],
        model.tensor("block_best_image", [1, 1, 1, n_blocks], np.float32),
        padding=1,  # VALID
        filterHeight=width,
        filterWidth=1,
        strideH=width,
        strideW=1,
    )
    n_chosen = op("MINIMUM", [k, whole("all_blocks", n_blocks)], model.tensor("n_chosen", [1], np.int32))
    chosen = integers("chosen")
    chosen_best = model.tensor("chosen_best", [1], np.float32, any_length=0)
    model.operator("TOPK_V2", [reshape(best, "block_best", n_blocks), n_chosen], [chosen_best, chosen])
    ascending = integers("negative_ascending")
    model.operator(
        "TOPK_V2", [op("NEG", [chosen], integers("negative")), n_chosen], [ascending, integers("order")]
    )
    blocks = op("NEG", [ascending], integers("blocks"))
    columns = op(
        "GATHER",
        [scores, blocks],
        model.tensor("columns", [1, width, 1, 1], np.float32, any_length=3),
        axis=3,
    )
    by_block = op(
        "TRANSPOSE",
        [columns, whole("swap", 3, 1, 0, 2)],
        model.tensor("by_block", [1, width, 1, 1], np.float32, any_length=0),
    )
    candidates = reshape(by_block, "candidates", -1, any_length=0)
    top = model.tensor(values, [1], np.float32, any_length=0)
    at = integers("at")
    model.operator("TOPK_V2", [candidates, k], [top, at])
    # Candidate c · width + r is item blocks[c] · width + r.
    per_block = whole("items_per_block", width)
    place = op("FLOOR_DIV", [at, per_block], integers("place"))
    moved = op("SUB", [op("GATHER", [blocks, place], integers("block")), place], integers("moved"))
    found = op("ADD", [at, op("MUL", [moved, per_block], integers("shift"))], integers(items))
    return top, found
