"""Losses over ranking lists, of the methods that learn from a teacher's answers (response-based).

Every loss is a sum over its rows, so its weight belongs to a batch size. A score of -inf stands for a
place that a shorter list leaves empty: it adds nothing, and no gradient.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def relaxed_ranking_loss(top: Tensor, rest: Tensor) -> Tensor:
    """−Σ_k [s_k − log(Σ_{i≥k} e^{s_i} + Σ_j e^{s_j})]: the order inside ``top``, all of it above ``rest``.

    Kang et al., "DE-RRD", CIKM 2020 (RRD): the Plackett-Luce likelihood of the teacher's interesting items,
    cut off after them, so that the order among the uninteresting ones does not matter. As the authors'
    program a sum over users, not a mean.

    top (B, K), best first, rest (B, L) -> ().
    """
    present = top > -torch.inf
    # One exponential and a running sum: five times as fast as logcumsumexp. In float64, so that scores may
    # lie 700 apart before a denominator vanishes.
    top64, rest64 = top.double(), rest.double()
    peak = torch.maximum(top64.amax(dim=1), rest64.amax(dim=1)).detach().clamp_min(-1e30)[:, None]
    suffix = (top64 - peak).exp().flip(1).cumsum(dim=1).flip(1)  # (B, K): Σ over k and all below it
    beneath = (rest64 - peak).exp().sum(dim=1, keepdim=True)
    denominators = (suffix + beneath).masked_fill(~present, 1.0).log() + peak
    return (denominators - top64).masked_fill(~present, 0.0).sum().to(top.dtype)


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
