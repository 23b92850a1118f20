"""What a network of cells answers, in numpy and float64: slow, obvious, without torch; its shapes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from recpress_edge.artifacts.cell import ATTENTION, NONE, OPERATIONS, Cell, edges_of
from recpress_edge.core.arrays import F64, I64
from recpress_edge.core.errors import ConfigError
from recpress_edge.device.query import Query
from recpress_export.networks.kinds import Shapes
from recpress_export.networks.student import NetworkStudent
from recpress_export.networks.transformer import normed
from recpress_export.reference import Reference, Scores


def cell_of(architecture: Mapping[str, Any]) -> Cell:
    """The cell that a network stands on; ConfigError where it states none."""
    known = {key: architecture.get(key) for key in ("operations", "nodes", "cells")}
    if not isinstance(known["operations"], list):
        raise ConfigError(f"operations {known['operations']!r}, expected a list")
    for key in ("nodes", "cells"):
        if type(known[key]) is not int:
            raise ConfigError(f"{key} {known[key]!r}, expected a whole number")
    return Cell(tuple(map(str, known["operations"])), int(known["nodes"] or 0), int(known["cells"] or 0))


def edge_name(block: int, edge: int, operation: str) -> str:
    """What the names of an edge's parameters begin with."""
    return f"blocks.{block}.edges.{edge}.{operation}"


def cell_shapes(architecture: Mapping[str, Any]) -> Shapes:
    """Of the parameters that depend on the cell."""
    cell = cell_of(architecture)
    found: dict[str, tuple[str, ...]] = {"position_emb": ("L", "d")} if cell.attends else {}
    for block in range(cell.cells):
        found |= {f"blocks.{block}.node_weights": ("K",)}
        found |= {f"blocks.{block}.{name}": ("d",) for name in ("gain", "shift")}
        for edge, operation in enumerate(cell.operations):
            start, what = edge_name(block, edge, operation), OPERATIONS[operation]
            if operation == ATTENTION:
                found |= {f"{start}.qkv_weight": ("3d", "d"), f"{start}.qkv_bias": ("3d",)}
                found |= {f"{start}.mix_weight": ("d", "d"), f"{start}.mix_bias": ("d",)}
            elif what.weighted:
                found |= {f"{start}.weight": ("d", f"{what.taps}d"), f"{start}.bias": ("d",)}
    return found


def check_cell(architecture: Mapping[str, Any], lengths: Mapping[str, int]) -> None:
    """ConfigError where a network's facts do not fit its cell and the ``lengths`` of its shapes."""
    cell, dim = cell_of(architecture), lengths["d"]
    stated, attended = architecture.get("history_length"), lengths.get("L", 2)
    wanted = cell.items_read(attended) + 1
    if type(stated) is not int or stated != wanted:
        raise ConfigError(f"history_length {stated!r}, and its cell reads {wanted} tokens")
    for letter, length in lengths.items():
        if letter.endswith("d") and letter != "d" and length != int(letter[:-1]) * dim:
            raise ConfigError(f"a matrix of {length} rows or columns, expected {letter} with d = {dim}")
    if lengths["K"] != cell.nodes:
        raise ConfigError(f"{lengths['K']} weights of nodes, expected {cell.nodes}")


def adarec_reference(student: NetworkStudent) -> Reference:
    """Scores after a history, oldest item first."""
    p = {name: array.astype(np.float64) for name, array in student.arrays.items()}
    cell, table = cell_of(student.facts["architecture"]), p["item_emb"]
    items, dim = table[:-1], table.shape[1]

    def scores_of(asked: Query) -> Scores:
        tokens = np.array([len(items), *asked.seen[-student.items_read :]], np.int64)
        x = table[tokens] * np.sqrt(dim)
        if cell.attends:
            x = x + p["position_emb"][: len(tokens)]
        for block in range(cell.cells):
            x = _block(x, p, cell, block)
        return items @ normed(x[-1], p["final_gain"], p["final_shift"]), np.float32(1)

    return Reference(0, len(items), scores_of, sequence=True)


def _block(x: F64, p: Mapping[str, F64], cell: Cell, block: int) -> F64:
    """States (n, d) -> (n, d)."""
    states = [x]
    logits = p[f"blocks.{block}.node_weights"]
    shares = np.exp(logits - logits.max())
    for node in range(1, cell.nodes + 1):
        total = np.zeros_like(x)
        for edge, (at, source) in enumerate(edges_of(cell.nodes)):
            if at == node:
                operation = cell.operations[edge]
                start = edge_name(block, edge, operation)
                total += _operated(np.maximum(states[source], 0), operation, p, start)
        states.append(total)
    mixed = sum(share * state for share, state in zip(shares / shares.sum(), states[1:], strict=True))
    added: F64 = normed(mixed, p[f"blocks.{block}.gain"], p[f"blocks.{block}.shift"])
    return x + np.maximum(added, 0)


def _operated(x: F64, operation: str, p: Mapping[str, F64], start: str) -> F64:
    """States (n, d) -> (n, d)."""
    what, found = OPERATIONS[operation], np.zeros_like(x)
    if operation == NONE:
        return found
    if operation == ATTENTION:
        return _attended(x, p, start)
    for place in range(len(x)):
        taps: list[F64] = []
        for age in reversed(range(what.taps)):
            at = place - age * what.step
            taps.append(x[at] if at >= 0 else np.zeros_like(x[place]))
        if what.weighted:
            found[place] = p[f"{start}.weight"] @ np.concatenate(taps) + p[f"{start}.bias"]
        elif operation.startswith("max"):
            found[place] = np.max(taps, axis=0)
        else:
            found[place] = np.mean(taps, axis=0)
    return found


def _attended(x: F64, p: Mapping[str, F64], start: str) -> F64:
    query, key, value = np.hsplit(x @ p[f"{start}.qkv_weight"].T + p[f"{start}.qkv_bias"], 3)
    places: I64 = np.arange(len(x))
    logits = query @ key.T / np.sqrt(x.shape[1])
    logits[places[:, None] < places] = -np.inf
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    mixed = (weights / weights.sum(axis=1, keepdims=True)) @ value
    found: F64 = mixed @ p[f"{start}.mix_weight"].T + p[f"{start}.mix_bias"]
    return found
