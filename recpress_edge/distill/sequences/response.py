"""What a student of sequences learns at a place: the next item, and a teacher's distribution over items."""

from dataclasses import dataclass
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

TILE_SCORES: Final = 2**17
"""Scores that are computed together: half a megabyte, near a core's own cache."""


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
        for start in range(0, len(states), rows):
            tile = slice(start, start + rows)
            part, label = states[tile], labels[tile, None]
            logits = part @ items.T
            norm = logits.logsumexp(dim=1)  # (n,)
            total += norm.sum() - (1.0 - weight) * logits.gather(1, label).sum()
            shares = (logits - norm[:, None]).exp_()
            if response:
                taught = F.log_softmax(response.states[tile] @ response.items.T, dim=1)
                chances = taught.exp()
                total += weight * ((taught - logits) * chances).sum()
                shares.sub_(chances, alpha=weight)
            shares.scatter_add_(1, label, shares.new_full(label.shape, weight - 1.0))
            of_states[tile] = shares @ items
            of_items.addmm_(shares.T, part)
        ctx.save_for_backward(of_states, of_items)
        return total / len(states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        of_states, of_items = ctx.saved_tensors
        return grad / len(of_states) * of_states, grad / len(of_states) * of_items, None, None


def mixed_loss(states: Tensor, items: Tensor, labels: Tensor, response: Response | None = None) -> Tensor:
    """(1 − w) · cross-entropy of the labels + w · KL(teacher ‖ student), mean over the places.

    The student's logits are states (P, d) · items (I, d), labels (P,) -> (). Without a response w is 0.
    Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2, at
    temperature 1.
    """
    result: Tensor = _MixedSoftmax.apply(states, items, labels, response)  # type: ignore[no-untyped-call]
    return result


def hint_loss(states: Tensor, mapping: Tensor, teacher_states: Tensor) -> Tensor:
    """Mean squared distance between mapped states and the teacher's, each normalised over its dimensions.

    states (P, d), mapping (e, d), teacher_states (P, e) -> ().
    """
    wanted = F.layer_norm(teacher_states, teacher_states.shape[-1:])
    return F.mse_loss(F.linear(states, mapping), wanted)
