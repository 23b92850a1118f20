"""How far a student's layers are from its teacher's: an exact transport of one side's onto the other's."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from scipy.optimize import linprog
from torch import Tensor, nn

from recpress_edge.core.arrays import F64
from recpress_edge.distill.sequences.hint import hint_loss

LEAST_WEIGHT: Final = 1e-4
"""Of a layer whose weight adapts: one of 0 would move nothing, and could never come back."""


def cheapest_flow(costs: F64, left: F64, right: F64) -> F64:
    """What each left bin sends to each right one, (m, k), at the least Σ flow · costs.

    left (m,) and right (k,) are what the bins hold and take, of equal sums. Solved exactly, as a linear
    programme.
    """
    m, k = costs.shape
    sent = np.kron(np.eye(m), np.ones(k))  # (m, m k)
    taken = np.kron(np.ones(m), np.eye(k))  # (k, m k)
    found = linprog(
        costs.ravel(), A_eq=np.vstack([sent, taken[:-1]]), b_eq=np.concatenate([left, right[:-1]])
    )
    assert found.success, found.message
    flow: F64 = found.x.reshape(m, k)
    return flow


def transport_loss(distances: Tensor, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """The earth mover's distance over ground distances (m, k), and its flow, which has no gradient."""
    as_numpy = [part.detach().double().cpu().numpy() for part in (distances, left, right)]
    flow = torch.from_numpy(cheapest_flow(*as_numpy)).to(distances)
    return (flow * distances).sum(), flow


class LayerDistance(nn.Module):
    """Σ flow · distance between a student's layers and its teacher's, and between their embeddings.

    A distance is the mean squared one between a linear map of the student's states and the teacher's
    normalised ones. Chen et al., "AdaRec", arXiv 2107.07173, take KL between softmaxes over hidden units, and
    adapt the layers' weights from batch to batch; here both sides' are uniform unless ``adaptive``.

    maps: of the embeddings and of each layer, (e, d).
    """

    def __init__(self, layers: tuple[int, int], widths: tuple[int, int], *, adaptive: bool = False) -> None:
        """``layers`` and ``widths``: of the student, of the teacher."""
        super().__init__()
        dim, wide = widths
        self.maps = nn.ParameterList([torch.zeros(wide, dim) for _ in range(layers[0] + 1)])
        self.adaptive = adaptive
        self.weights = tuple(torch.full((n,), 1 / n) for n in layers)
        """Of the student's layers and of the teacher's; each sums to 1."""

    def forward(self, student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
        """Embeddings first, then layers: (P, d) each and (P, e) each -> ()."""
        maps = list(self.maps)
        distances = torch.stack(
            [
                torch.stack([hint_loss(states, mapping, wanted) for wanted in teacher[1:]])
                for states, mapping in zip(student[1:], maps[1:], strict=True)
            ]
        )
        moved, flow = transport_loss(distances, *self.weights)
        if self.adaptive:
            self._adapt(flow * distances.detach())
        return moved + hint_loss(student[0], maps[0], teacher[0])

    def _adapt(self, spent: Tensor) -> None:
        """Layers that are moved cheaply weigh more in the next batch; ``spent`` (m, k)."""
        for weights, paid in zip(self.weights, (spent.sum(dim=1), spent.sum(dim=0)), strict=True):
            each = (paid.to(weights) / weights).clamp(min=1e-6)  # of a unit of weight
            weights.copy_((each.sum() / each / 10.0).softmax(dim=0).clamp(min=LEAST_WEIGHT))
            weights.div_(weights.sum())
