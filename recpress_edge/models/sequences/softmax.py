"""A softmax over the whole catalogue at every place: against the next item, and against a teacher's."""

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE_SCORES: Final = 2**18
"""Scores that are computed together: a megabyte, near a core's own cache."""


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """A teacher's part at the same places, over the same items."""

    states: Tensor
    """(P, e)"""
    items: Tensor
    """(I, e): its logits are states · items."""
    weight: float
    """w, from 0 to 1."""


class _MixedSoftmax(torch.autograd.Function):
    """Cross-entropy of a softmax over a product of tables, against labels and a teacher, and its gradient.

    Whole rows of scores would be read and written some ten times: each tile is done with while it is in
    the cache, and leaves its gradient behind.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, items: Tensor, labels: Tensor, response: Response | None) -> Tensor:
        total = states.new_zeros(())
        of_states, of_items = torch.empty_like(states), torch.zeros_like(items)
        weight = response.weight if response else 0.0
        rows = max(TILE_SCORES // len(items), 8)
        room = states.new_empty((min(rows, len(states)), len(items)))
        for start in range(0, len(states), rows):
            tile = slice(start, start + rows)
            part, label = states[tile], labels[tile, None]
            logits = torch.mm(part, items.T, out=room[: len(part)])
            total -= (1.0 - weight) * logits.gather(1, label).sum()
            chances = None
            if response:
                taught = response.states[tile] @ response.items.T
                chances, norm = _softmax(taught.clone())
                total += weight * (((taught - logits) * chances).sum() - norm.sum())
            shares, norm = _softmax(logits)
            total += norm.sum()
            if chances is not None:
                shares.sub_(chances, alpha=weight)
            shares.scatter_add_(1, label, shares.new_full(label.shape, weight - 1.0))
            torch.mm(shares, items, out=of_states[tile])
            of_items.addmm_(shares.T, part)
        ctx.save_for_backward(of_states, of_items)
        return total / len(states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        of_states, of_items = ctx.saved_tensors
        return grad / len(of_states) * of_states, grad / len(of_states) * of_items, None, None


def _softmax(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The softmax of each row, in place of the logits (n, I), and the logarithms of its sums (n, 1)."""
    top = logits.amax(dim=1, keepdim=True)
    sums = logits.sub_(top).exp_().sum(dim=1, keepdim=True)
    return logits.div_(sums), sums.log() + top


def mixed_loss(states: Tensor, items: Tensor, labels: Tensor, response: Response | None = None) -> Tensor:
    """(1 − w) · cross-entropy of the labels + w · KL(teacher ‖ student), mean over the places.

    The student's logits are states (P, d) · items (I, d), labels (P,) -> (). Without a response w is 0.
    Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2, at
    temperature 1.
    """
    result: Tensor = _MixedSoftmax.apply(states, items, labels, response)  # type: ignore[no-untyped-call]
    return result
