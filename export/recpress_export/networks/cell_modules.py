"""torch modules of networks of cells, to be traced."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.artifacts.cell import ATTENTION, NONE, OPERATIONS, edges_of
from recpress_export.networks.cells import cell_of, edge_name
from recpress_export.networks.modules import Traceable, ends, layer_norm, parameter, with_rows
from recpress_export.networks.student import NetworkStudent

_LEAST: int = 8
"""Tokens that a traced file takes at least: of fewer, torch makes a constant of their number."""


def adarec_module(student: NetworkStudent, rows: int | None) -> Traceable:
    """Tokens (1, L) -> scores (rows,); without ``rows`` tokens (1, n) -> (I,)."""
    length = student.history_length
    if rows is not None:
        return Traceable(CellsPadded(student, rows), torch.full((1, length), student.n_items))
    example = torch.zeros(1, min(7, max(length, 3)), dtype=torch.int64)
    most = max(length, _LEAST)
    return Traceable(CellsOfLength(student), example, {1: torch.export.Dim("n", min=2, max=most)})


class TracedCells(nn.Module):
    """All cells: embedded tokens (1, n, d) -> states (1, n, d). No state depends on what follows."""

    def __init__(self, student: NetworkStudent) -> None:
        super().__init__()
        self.cell = cell_of(student.facts["architecture"])
        self.n_items = student.n_items
        for name, array in student.arrays.items():
            if name != "item_emb":  # a parameter's name has no dots
                self.register_parameter(_flat(name), parameter(array))

    def part(self, name: str) -> Tensor:
        """A parameter by its name in the model."""
        return self.get_parameter(_flat(name))

    def states(self, x: Tensor) -> Tensor:
        """Before the last norm."""
        if self.cell.attends:
            x = x + self.part("position_emb")[: x.shape[1]]
        for block in range(self.cell.cells):
            x = self._block(x, block)
        return x

    def final(self, state: Tensor) -> Tensor:
        """(1, d) -> (1, d)"""
        return layer_norm(state, self.part("final_gain"), self.part("final_shift"))

    def _block(self, x: Tensor, block: int) -> Tensor:
        states = [x]
        for node in range(1, self.cell.nodes + 1):
            total = torch.zeros_like(x)
            for edge, (at, source) in enumerate(edges_of(self.cell.nodes)):
                operation = self.cell.operations[edge]
                if at == node and operation != NONE:
                    start = edge_name(block, edge, operation)
                    total = total + self._operated(torch.relu(states[source]), operation, start)
            states.append(total)
        shares = self.part(f"blocks.{block}.node_weights").softmax(dim=0)
        mixed = torch.zeros_like(x)
        for place, state in enumerate(states[1:]):
            mixed = mixed + shares[place] * state
        added = layer_norm(mixed, self.part(f"blocks.{block}.gain"), self.part(f"blocks.{block}.shift"))
        return x + torch.relu(added)

    def _operated(self, x: Tensor, operation: str, start: str) -> Tensor:
        what = OPERATIONS[operation]
        if operation == ATTENTION:
            return self._attended(x, start)
        if what.taps == 1:
            return x
        taps = [_before(x, age * what.step) for age in reversed(range(what.taps))]
        if what.weighted:
            return F.linear(torch.cat(taps, dim=-1), self.part(f"{start}.weight"), self.part(f"{start}.bias"))
        found = taps[0]
        for tap in taps[1:]:
            found = torch.maximum(found, tap) if operation.startswith("max") else found + tap
        return found if operation.startswith("max") else found / what.taps

    def _attended(self, x: Tensor, start: str) -> Tensor:
        dim, length = x.shape[2], x.shape[1]
        pairs = F.linear(x, self.part(f"{start}.qkv_weight"), self.part(f"{start}.qkv_bias"))
        query, key, value = pairs[..., :dim], pairs[..., dim : 2 * dim], pairs[..., 2 * dim :]
        logits = (query @ key.transpose(-1, -2)) * dim**-0.5
        later = torch.ones(length, length, dtype=torch.bool).triu(1)
        mixed = logits.masked_fill(later, -1e9).softmax(dim=-1) @ value
        return F.linear(mixed, self.part(f"{start}.mix_weight"), self.part(f"{start}.mix_bias"))


class CellsOfLength(TracedCells):
    """tokens (1, n) -> scores (I,), for any n; one item table (d, I + 1), looked up by column."""

    def __init__(self, student: NetworkStudent) -> None:
        super().__init__(student)
        self.item_emb = parameter(student.arrays["item_emb"].T)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.item_emb.index_select(1, tokens[0]).T * self.item_emb.shape[0] ** 0.5
        state = self.final(self.states(x[None])[:, -1])
        return (state @ self.item_emb)[0, : self.n_items]


class CellsPadded(TracedCells):
    """tokens (1, L) -> scores (rows,): for a runtime with fixed shapes; I fills the places behind."""

    def __init__(self, student: NetworkStudent, rows: int) -> None:
        super().__init__(student)
        self.item_emb = parameter(with_rows(student.arrays["item_emb"], rows))

    def forward(self, tokens: Tensor) -> Tensor:
        x = F.embedding(tokens, self.item_emb) * self.item_emb.shape[1] ** 0.5
        last, _ = ends(tokens, self.n_items)
        state = self.final((last @ self.states(x))[:, 0])
        return F.linear(state, self.item_emb)[0]


def _flat(name: str) -> str:
    return name.replace(".", "_")


def _before(x: Tensor, places: int) -> Tensor:
    """What stood so many places before: (1, n, d) -> (1, n, d), zeros at the beginning."""
    return F.pad(x, (0, 0, places, 0))[:, : x.shape[1]] if places else x
