"""Losses over ranking lists, for methods that learn from a teacher's rankings (response-based).

Every loss is a sum over its rows, so its weight belongs to a batch size. A score of -inf stands for a
place that a shorter list leaves empty: it adds nothing, and no gradient.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable


class _RelaxedRanking(torch.autograd.Function):
    """The loss and, in the same pass, its gradient: autograd's two dozen arrays take a third of an epoch.

    In float64, so that scores may lie 700 apart before a denominator vanishes.
    """

    @staticmethod
    def forward(ctx: Any, top: Tensor, rest: Tensor) -> Tensor:
        size = top.shape[1]
        empty = top == -torch.inf
        scores = torch.cat([top, rest], dim=1).double()
        peak = scores.amax(dim=1, keepdim=True).clamp_min_(-1e30)
        exponentials = (scores - peak).exp_()
        # One exponential and a running sum: five times as fast as logcumsumexp.
        suffix = exponentials[:, :size].flip(1).cumsum(dim=1).flip(1)  # (B, K): Σ over k and all below it
        denominators = suffix.add_(exponentials[:, size:].sum(dim=1, keepdim=True))
        terms = denominators.log().add_(peak).sub_(scores[:, :size]).masked_fill_(empty, 0.0)
        # Σ over the places at and before each, in whose denominators its score stands.
        shares = denominators.reciprocal_().masked_fill_(empty, 0.0).cumsum(dim=1)  # (B, K)
        exponentials[:, :size].mul_(shares).sub_(1.0).masked_fill_(empty, 0.0)
        exponentials[:, size:].mul_(shares[:, -1:])
        ctx.size = size
        ctx.save_for_backward(exponentials.to(top.dtype))
        return terms.sum().to(top.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        (slopes,) = ctx.saved_tensors
        scaled = slopes * grad
        return scaled[:, : ctx.size], scaled[:, ctx.size :]


def relaxed_ranking_loss(top: Tensor, rest: Tensor) -> Tensor:
    """−Σ_k [s_k − log(Σ_{i≥k} e^{s_i} + Σ_j e^{s_j})]: the order inside ``top``, all of it above ``rest``.

    Kang et al., "DE-RRD", CIKM 2020 (RRD): the Plackett-Luce likelihood of the teacher's interesting items,
    cut off after them, so that the order among the uninteresting ones does not matter. As the authors'
    program a sum over users, not a mean.

    top (B, K), best first, K at least 1, rest (B, L) -> ().
    """
    loss: Tensor = _RelaxedRanking.apply(top, rest)  # type: ignore[no-untyped-call]
    return loss


def top_list_loss(scores: Tensor, weights: Tensor) -> Tensor:
    """−Σ w log σ(s): the teacher's best items count as positives, the better the more (RD).

    Tang and Wang, "Ranking Distillation", KDD 2018. scores (B, K), weights (B, K) or (K,) -> ().
    """
    present = scores > -torch.inf
    return -(F.logsigmoid(_filled(scores, present)) * weights).masked_fill(~present, 0.0).sum()


def position_weights(size: int, sharpness: float) -> Tensor:
    """e^{−r / sharpness} for r = 1..size, summing to 1: (K,). The weight by position of RD."""
    return torch.softmax(-torch.arange(1, size + 1) / sharpness, dim=0)


def discrepancy_weights(scores: Tensor, sampled: Tensor, n_items: int, steepness: float) -> Tensor:
    """tanh(steepness · max(student's rank − teacher's rank, 0)): what the student ranks too low (RD).

    The student's rank is estimated from sampled items: n_items · (share of them that score above).
    Without gradient. scores (B, K) best first, sampled (B, L) -> (B, K).
    """
    with torch.no_grad():
        ascending = sampled.sort(dim=1).values  # empty places, -inf, come first
        above = sampled.shape[1] - torch.searchsorted(ascending, scores.contiguous(), right=True)
        present = (sampled > -torch.inf).sum(dim=1, keepdim=True).clamp_min(1)
        rank = n_items * above / present
        own = torch.arange(1, scores.shape[1] + 1, device=scores.device)
        return torch.tanh(steepness * (rank - own).clamp_min(0.0))


def soft_label_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """−Σ [q log σ(s) + (1 − q) log σ(−s)], the binary cross-entropy against soft labels (CD).

    Lee et al., "Collaborative Distillation for Top-N Recommendation", ICDM 2019. scores, labels (B, K) -> ().
    """
    present = scores > -torch.inf
    s = _filled(scores, present)
    return -(labels * F.logsigmoid(s) + (1.0 - labels) * F.logsigmoid(-s)).masked_fill(~present, 0.0).sum()


def pairs_loss(better: Tensor, worse: Tensor) -> Tensor:
    """−Σ log σ(s⁺ − s⁻) over pairs drawn inside popularity groups (UnKD).

    Chen et al., "Unbiased Knowledge Distillation for Recommendation", WSDM 2023. better, worse (B, N) -> ().
    """
    present = (better > -torch.inf) & (worse > -torch.inf)
    gap = _filled(better, present) - _filled(worse, present)
    return -F.logsigmoid(gap).masked_fill(~present, 0.0).sum()


def _filled(scores: Tensor, present: Tensor) -> Tensor:
    """Empty places as a number that is finite, so that no gradient is NaN, and vanishes under exp."""
    return scores.masked_fill(~present, -1e30)
