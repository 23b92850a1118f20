"""Cells of convolutions, pools and attention over a sequence: operations, costs, reach, JSON. No torch.

A cell has nodes; node n reads the cell's input and all nodes before it, each through an operation. So K
nodes have K (K + 1) / 2 edges, in the order of their nodes. Chen et al., "AdaRec", arXiv 2107.07173, made
causal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from recpress_edge.core.errors import ConfigError, unknown_name
from recpress_edge.core.files import read_json

CELL_SCHEMA: Final = "recpress.cell/1"
CostUnit = Literal["macs", "bytes"]
JOINT: Final = "+"
"""Between operations, where a cell is written as one word."""
NO_REACH: Final = -1
"""Of what reads no token at all."""
ENDLESS: Final = 2**31
"""Of what reads every token."""
MOST_NODES: Final = 8
MOST_CELLS: Final = 64
"""More are no small network: the edges of a million nodes, which a file may state, would fill the memory."""
_FLOAT: Final = 4


@dataclass(frozen=True, slots=True)
class Operation:
    """What an edge does to a sequence of states."""

    taps: int = 0
    """Places that a state is made from, its own the last; 0 for one that reads none or all."""
    step: int = 1
    """Places from one tap to the next."""
    weighted: bool = False
    """Whether each tap has a matrix (a convolution)."""

    @property
    def reach(self) -> int:
        """Places that it looks back."""
        return (self.taps - 1) * self.step


ATTENTION: Final = "attention"
NONE: Final = "none"
OPERATIONS: Final[Mapping[str, Operation]] = {
    NONE: Operation(),
    "skip": Operation(1),
    "average3": Operation(3),
    "max3": Operation(3),
    "conv3": Operation(3, weighted=True),
    "conv5": Operation(5, weighted=True),
    "dilated3": Operation(3, 2, weighted=True),
    "dilated5": Operation(5, 2, weighted=True),
    ATTENTION: Operation(),
}
"""By name. All are causal: a state depends on its own place and on earlier ones."""


def edges_of(nodes: int) -> tuple[tuple[int, int], ...]:
    """(node, source) of each edge; node and source count from 1, and source 0 is the cell's input."""
    return tuple((node, source) for node in range(1, nodes + 1) for source in range(node))


def macs_of(operation: str, dim: int, length: int) -> int:
    """Multiplications and additions of a token, where ``length`` tokens are read; a pool compares or adds."""
    what = OPERATIONS[operation]
    if operation == ATTENTION:
        return 4 * dim * dim + 2 * length * dim
    if what.weighted:
        return what.taps * dim * dim
    return what.taps * dim if what.taps > 1 else 0


def weights_of(operation: str, dim: int) -> int:
    """Numbers that it learns, biases included."""
    what = OPERATIONS[operation]
    if operation == ATTENTION:
        return 4 * dim * dim + 4 * dim
    return what.taps * dim * dim + dim if what.weighted else 0


def cost_of_operation(operation: str, unit: CostUnit, dim: int, length: int) -> int:
    """Of one edge of one cell: MACs a token, or bytes in float32."""
    if unit == "macs":
        return macs_of(operation, dim, length)
    return _FLOAT * weights_of(operation, dim)


@dataclass(frozen=True, slots=True)
class Cell:
    """The operations of a cell's edges; the same cell stands several times, one upon the other."""

    operations: tuple[str, ...]
    """In the order of :func:`edges_of`."""
    nodes: int
    cells: int

    def __post_init__(self) -> None:
        if not (1 <= self.nodes <= MOST_NODES and 1 <= self.cells <= MOST_CELLS):
            raise ConfigError(
                f"a cell has 1 to {MOST_NODES} nodes and stands 1 to {MOST_CELLS} times, got {self.nodes} "
                f"nodes and {self.cells} cells"
            )
        for name in self.operations:
            if name not in OPERATIONS:
                raise unknown_name("operation of a cell", name, list(OPERATIONS))
        wanted = len(edges_of(self.nodes))
        if len(self.operations) != wanted:
            raise ConfigError(
                f"a cell of {self.nodes} nodes has {wanted} edges, and {len(self.operations)} operations are "
                f"given: {self}. Give {wanted}, or set method.nodes."
            )

    @classmethod
    def named(cls, text: str, nodes: int, cells: int) -> "Cell":
        """A cell from one word: 'conv3+skip+max3'."""
        return cls(tuple(text.split(JOINT)), nodes, cells)

    def __str__(self) -> str:
        return JOINT.join(self.operations)

    @property
    def attends(self) -> bool:
        """Whether any edge is attention: then each answer depends on every token."""
        return ATTENTION in self.operations

    @property
    def receptive_field(self) -> int:
        """Tokens that a state depends on, its own included; ENDLESS with attention."""
        if self.attends:
            return ENDLESS
        reach = [0]
        for node in range(1, self.nodes + 1):
            incoming = [
                _reach_of(name, reach[source])
                for (at, source), name in zip(edges_of(self.nodes), self.operations, strict=True)
                if at == node and name != NONE
            ]
            reach.append(max(incoming, default=NO_REACH))
        return 1 + self.cells * max(reach)

    def items_read(self, history_length: int) -> int:
        """Items of a history that answers depend on; ``history_length``: tokens of a cell that attends."""
        return history_length - 1 if self.attends else self.receptive_field

    def cost(self, unit: CostUnit, dim: int, length: int) -> int:
        """Of all edges of all cells."""
        edges = sum(cost_of_operation(name, unit, dim, length) for name in self.operations)
        return self.cells * edges

    def facts(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {"operations": list(self.operations), "nodes": self.nodes, "cells": self.cells}


def _reach_of(name: str, source: int) -> int:
    """Of an operation over a state with that reach. Nothing stays nothing, but for a convolution's bias: that
    is a state at every place, and what reads it sees where the sequence begins."""
    what = OPERATIONS[name]
    if source == NO_REACH:
        return 0 if what.weighted else NO_REACH
    return source + what.reach


def cell_document(cell: Cell, found: Mapping[str, Any]) -> dict[str, Any]:
    """A cell as a file: what it is, and how it was found."""
    return {"schema": CELL_SCHEMA, **cell.facts(), **found}


def read_cell(path: Path) -> Cell:
    """The cell of such a file; anything else is a :class:`ConfigError` that says what is wrong."""
    if not path.is_file():
        raise ConfigError(f"--cell {path}: no such file")
    return cell_in(read_json(path), str(path))


def cell_in(document: Any, where: str) -> Cell:
    """The cell that a parsed file states."""
    if not isinstance(document, dict) or document.get("schema") != CELL_SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise ConfigError(
            f"--cell {where}: schema {found!r}, expected {CELL_SCHEMA!r}. "
            "distill --student adarec_dim32 writes such a file, cell.json, beside its model."
        )
    operations, nodes, cells = (document.get(key) for key in ("operations", "nodes", "cells"))
    if not isinstance(operations, list) or not all(isinstance(name, str) for name in operations):
        raise ConfigError(f"--cell {where}: operations must be a list of names, got {operations!r}")
    if type(nodes) is not int or type(cells) is not int:
        raise ConfigError(
            f"--cell {where}: nodes and cells must be whole numbers, got {nodes!r} and {cells!r}"
        )
    try:
        return Cell(tuple(operations), nodes, cells)
    except ConfigError as error:
        raise ConfigError(f"--cell {where}: {error}") from None
