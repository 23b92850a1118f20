"""A teacher's distribution over the whole catalogue, seen items included."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from recpress_edge.models.ecae.method import StoredECAE
from recpress_edge.models.teacher import Teacher

SoftScores = Callable[[Tensor], Tensor]
"""Indices of train users (B,) -> the teacher's scores of all items (B, I)."""


def soft_scores(teacher: Teacher, device: str) -> SoftScores:
    """How a teacher scores the catalogue: an ECAE by both its networks, two tables by their product."""
    if teacher.catalogue is not None:
        return StoredECAE(teacher.catalogue, device).scores
    tables = teacher.product()
    users, items = (torch.from_numpy(table).to(device) for table in (tables.user_emb, tables.item_emb))

    def product(rows: Tensor) -> Tensor:
        return users[rows] @ items.T

    return product


def mixed_cross_entropy(
    scores: Tensor, items: Tensor, told: Tensor | None, share: float, temperature: float
) -> Tensor:
    """(1 − μ) CE(x, z) + μ CE(n softmax(told / T), z), the mean over users; scores and items (B, I) -> ().

    CE(p, z) = −Σ_i p_i log softmax(z)_i; n is the user's number of items, so that both weigh alike. Hinton,
    Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2. Without ``told`` (B, I)
    μ is 0.
    """
    wanted = items
    if told is not None:
        soft = items.sum(dim=1, keepdim=True) * torch.softmax(told / temperature, dim=1)
        wanted = (1.0 - share) * items + share * soft
    return -(wanted * F.log_softmax(scores, dim=1)).sum() / len(scores)
