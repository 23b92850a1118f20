"""Adam for tables of which a step sees few rows: its cost follows the batch, not the tables."""

from collections.abc import Collection
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from recpress_edge.core.arrays import F32
from recpress_edge.core.errors import ConfigError
from recpress_edge.models.nn import BETA1, BETA2, EPSILON, Adam

ROWS_FROM: Final = 100_000
"""Rows of both tables from which a step by rows is the faster."""
_EVEN: Final = 40_000
"""Steps of a row from which both corrections are 1 in float64: .999 to this power is below 2⁻⁵³."""
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


class WholeRows:
    """The rows of a table (N, D), read and written whole.

    On a CPU numpy moves each as one item of so many bytes, in a third of the time of torch's indexing.
    """

    def __init__(self, table: Tensor) -> None:
        self._table = table.detach()
        self._items: Any = None
        if table.device.type == "cpu":
            numbers = self._table.numpy()  # the same memory
            self._type = numbers.dtype
            self._items = _as_items(numbers)

    def take(self, places: Tensor) -> Tensor:
        """A copy of the rows at ``places`` (R,): (R, D)."""
        if self._items is None:
            return self._table.index_select(0, places)
        width = self._table.shape[1]
        return torch.from_numpy(self._items.take(places.numpy()).view(self._type).reshape(len(places), width))

    def put(self, places: Tensor, rows: Tensor) -> None:
        """Write rows (R, D) to ``places`` (R,), distinct."""
        if self._items is None:
            self._table.index_copy_(0, places, rows)
        else:
            np.put(self._items, places.numpy(), _as_items(rows.numpy()))


def _as_items(numbers: F32) -> Any:
    """Rows (N, D) as N items, each of all bytes of a row."""
    return numbers.view(np.dtype((np.void, numbers.shape[1] * numbers.itemsize)))[:, 0]


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
        exponents = torch.arange(_EVEN + 1, dtype=torch.float64, device=next(iter(tables)).device)
        self._corrections = 1 - BETA1**exponents, (1 - BETA2**exponents).sqrt()
        """By a row's number of steps."""
        self._seen: dict[str, Tensor] = {}
        """(N,) int32 of each table: the step that a row's decay has been paid for."""
        for name, table in self._tables.items():
            counts = torch.zeros(len(table), dtype=torch.int32, device=table.device)
            self._steps[name], self._seen[name] = counts, torch.zeros_like(counts)
            self._first[name], self._second[name] = self._moments[name].chunk(2, dim=1)
        self._rows = {
            name: (WholeRows(table), WholeRows(self._moments[name])) for name, table in self._tables.items()
        }

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
        steps, (table, moments) = self._steps[name], self._rows[name]
        rows, moved = table.take(places), moments.take(places)
        count = steps.index_select(0, places).add_(1)
        if self.weight_decay:
            grads.addcmul_(rows, waited.to(rows.dtype)[:, None], value=self.weight_decay)
        first, second = moved.chunk(2, dim=1)
        first.lerp_(grads, 1 - BETA1)
        second.mul_(BETA2).addcmul_(grads, grads, value=1 - BETA2)
        begun, bias = (known.index_select(0, count.clamp(max=_EVEN)) for known in self._corrections)
        size = (self.learning_rate * bias / begun).to(rows.dtype)[:, None]
        rows.addcdiv_(first * size, second.sqrt().add_((EPSILON * bias).to(rows.dtype)[:, None]), value=-1)
        table.put(places, rows)
        moments.put(places, moved)
        steps.index_copy_(0, places, count)


def _moments_of(table: Tensor) -> Tensor:
    """Both moments of a row side by side (N, 2D): one access to memory reads or writes them."""
    return torch.zeros(len(table), 2 * table.shape[1], dtype=table.dtype, device=table.device)
