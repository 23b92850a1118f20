"""Adam for tables of which a step sees few rows: its cost follows the batch, not the tables."""

from collections.abc import Collection
from typing import Any, Final

import torch
from torch import Tensor, nn

from recpress_edge.core.errors import ConfigError
from recpress_edge.models.nn import BETA1, BETA2, EPSILON, Adam

ROWS_FROM: Final = 100_000
"""Rows of both tables from which a step by rows is the faster."""
_BLOCK_ROWS: Final = 2**15
"""Rows settled at a time: some megabytes."""


def is_by_rows(config: Any, n_rows: int, recipe: str | None) -> bool:
    """Whether tables of so many rows together are moved by rows.

    A recipe's rounding gives every row a gradient in every step: fine-tuning for it stays dense.
    """
    if config.optimizer == "rows" and recipe is not None:
        raise ConfigError(
            f'method.optimizer = "rows" cannot train for {recipe}: its scales depend on every row, so every '
            'row has a gradient. Leave method.optimizer out, or set "dense".'
        )
    if config.optimizer == "by-size":
        return recipe is None and n_rows >= ROWS_FROM
    return bool(config.optimizer == "rows")


def optimizer_for(
    model: nn.Module, tables: Collection[Tensor], learning_rate: float, weight_decay: float, *, by_rows: bool
) -> Adam:
    """Adam over the model; ``by_rows`` moves these of its parameters by rows."""
    if by_rows:
        return RowAdam(model, tables, learning_rate, weight_decay)
    return Adam(model, learning_rate, weight_decay)


class RowAdam(Adam):
    """Each row of a table has an Adam of its own, which counts the steps in which the row had a gradient.

    The gradients of its tables are sparse (``F.embedding(…, sparse=True)``); all other parameters are moved
    as by :class:`Adam`. Weight decay is lazy: a row that was left out of k − 1 steps gets k times its decay
    with its next gradient, or alone at the end of the epoch (:meth:`settle`). So over an epoch every row's
    gradients and decay have the same sums as in the dense form, which is the same objective, and a row with
    a gradient in every step moves exactly as there. What differs: a row that waits has no momentum.
    """

    form = "rows"

    def __init__(
        self, model: nn.Module, tables: Collection[Tensor], learning_rate: float, weight_decay: float
    ) -> None:
        super().__init__(model, learning_rate, weight_decay)
        kept = {id(table) for table in tables}
        self._tables = {name: p for name, p in self._parameters.items() if id(p) in kept}
        self._moments = {name: _moments_of(table) for name, table in self._tables.items()}
        self._step = 0
        """Steps since the last settlement."""
        self._seen: dict[str, Tensor] = {}
        """(N,) int32 of each table: the step that a row's decay has been paid for."""
        for name, table in self._tables.items():
            counts = torch.zeros(len(table), dtype=torch.int32, device=table.device)
            self._steps[name], self._seen[name] = counts, torch.zeros_like(counts)
            self._first[name], self._second[name] = self._moments[name].chunk(2, dim=1)

    @torch.no_grad()
    def step(self) -> None:
        """Move every row that has a gradient, and every other parameter."""
        self._step += 1
        for name, table in self._tables.items():
            if table.grad is None:
                continue
            places, inverse = torch.unique(table.grad._indices()[0], return_inverse=True)
            values = table.grad._values()
            grads = values.new_zeros(len(places), table.shape[1]).index_add_(0, inverse, values)
            table.grad = None
            waited = self._step - self._seen[name].index_select(0, places)
            self._seen[name].index_fill_(0, places, self._step)
            self._move(name, places, grads, waited)
        super().step()

    @torch.no_grad()
    def settle(self) -> None:
        """Pay all decay that is due; the state then says all that later steps depend on."""
        for name, seen in self._seen.items():
            if self.weight_decay:
                due = (seen < self._step).nonzero()[:, 0]
                for places in torch.split(due, _BLOCK_ROWS):
                    grads = self._tables[name].new_zeros(len(places), self._tables[name].shape[1])
                    self._move(name, places, grads, self._step - seen.index_select(0, places))
            seen.zero_()
        self._step = 0

    def _move(self, name: str, places: Tensor, grads: Tensor, waited: Tensor) -> None:
        """One step of the rows at ``places`` (R,), distinct: grads (R, D), steps since the last one (R,)."""
        table, moments, steps = self._tables[name].detach(), self._moments[name], self._steps[name]
        rows, moved = table.index_select(0, places), moments.index_select(0, places)
        count = steps.index_select(0, places).add_(1)
        if self.weight_decay:
            grads.addcmul_(rows, waited.to(rows.dtype)[:, None], value=self.weight_decay)
        first, second = moved.chunk(2, dim=1)
        first.lerp_(grads, 1 - BETA1)
        second.mul_(BETA2).addcmul_(grads, grads, value=1 - BETA2)
        exponent = count.to(torch.float64)
        size = (self.learning_rate / (1 - BETA1**exponent)).to(rows.dtype)[:, None]
        bias = (1 - BETA2**exponent).sqrt().to(rows.dtype)[:, None]
        rows.addcdiv_(first * size, second.sqrt().div_(bias).add_(EPSILON), value=-1)
        table.index_copy_(0, places, rows)
        moments.index_copy_(0, places, moved)
        steps.index_copy_(0, places, count)


def _moments_of(table: Tensor) -> Tensor:
    """Both moments of a row side by side (N, 2D): one access to memory reads or writes them."""
    return torch.zeros(len(table), 2 * table.shape[1], dtype=table.dtype, device=table.device)
