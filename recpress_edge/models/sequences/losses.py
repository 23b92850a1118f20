"""What a model of sequences learns at a place: the next item against a few drawn ones.

positives (P,) are scores of the next items, negatives (P, k) those of items that the user has not; every loss
is a mean over the places.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def sampled_ce_loss(positives: Tensor, negatives: Tensor) -> Tensor:
    """−s⁺ + log Σ e^s over the next item and the drawn ones (Klenitskiy and Vasilev, RecSys 2023)."""
    logits = torch.cat([positives[:, None], negatives], dim=1)
    return (logits.logsumexp(dim=1) - positives).mean()


def bce_loss(positives: Tensor, negatives: Tensor) -> Tensor:
    """−log σ(s⁺) − Σ log σ(−s⁻); with one negative it is SASRec's own (Kang and McAuley, ICDM 2018)."""
    return -(F.logsigmoid(positives) + F.logsigmoid(-negatives).sum(dim=1)).mean()


def gbce_loss(positives: Tensor, negatives: Tensor, n_items: int, calibration: float) -> Tensor:
    """−[β log σ(s⁺) + Σ log σ(−s⁻)] / (k + 1) (gSASRec: Petrov and Macdonald, RecSys 2023, section 5).

    α = k / (I − 1) is the share of the others that is drawn, and β = α (t (1 − 1/α) + 1/α): 1 at t = 0, which
    is :func:`bce_loss` over k + 1, and α at t = 1, where σ(s) is the chance of an item. The paper computes
    γ = −log(σ(s⁺)^(−β) − 1) in float64 and takes log σ(γ); that is β log σ(s⁺), which loses no digits.
    """
    drawn = negatives.shape[1]
    share = min(drawn / max(n_items - 1, 1), 1.0)
    power = share * (calibration * (1.0 - 1.0 / share) + 1.0 / share)
    terms = power * F.logsigmoid(positives) + F.logsigmoid(-negatives).sum(dim=1)
    return -terms.mean() / (drawn + 1)
