"""The losses over ranking lists in plain Python, from their definitions, and torch's numerical gradients."""

import math

import numpy as np
import pytest
import torch

from recpress_edge.distill import plackett_luce as ranking

EMPTY = -math.inf


def scores(seed: int, rows: int = 4, columns: int = 5) -> torch.Tensor:
    return 3 * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def plackett_luce(top: list[float], rest: list[float]) -> float:
    """Minus the log-likelihood that ``top`` is drawn first, in this order, from top and rest together."""
    left = [*top, *rest]
    total = 0.0
    for score in top:
        total -= math.log(math.exp(score) / sum(map(math.exp, left)))
        left.remove(score)
    return total


def test_relaxed_ranking_is_a_plackett_luce_likelihood():
    top, rest = scores(0), scores(1, columns=7)
    expected = sum(plackett_luce(t, r) for t, r in zip(top.tolist(), rest.tolist(), strict=True))
    assert ranking.relaxed_ranking_loss(top, rest).item() == pytest.approx(expected)


def test_relaxed_ranking_by_hand():
    # One interesting item at 0 and three uninteresting ones at 0: drawn first with probability 1/4.
    loss = ranking.relaxed_ranking_loss(torch.zeros(1, 1), torch.zeros(1, 3))
    assert loss.item() == pytest.approx(math.log(4))


def test_relaxed_ranking_of_short_lists():
    top = torch.tensor([[2.0, 1.0, EMPTY], [0.5, -1.0, 0.0], [EMPTY, EMPTY, EMPTY]])
    rest = torch.tensor([[0.0, EMPTY], [EMPTY, EMPTY], [1.0, EMPTY]])
    expected = plackett_luce([2.0, 1.0], [0.0]) + plackett_luce([0.5, -1.0, 0.0], [])
    assert ranking.relaxed_ranking_loss(top, rest).item() == pytest.approx(expected)


def test_relaxed_ranking_far_apart():
    """Scores 600 apart: the exponentials alone would leave any float."""
    loss = ranking.relaxed_ranking_loss(torch.tensor([[300.0, -300.0]]), torch.tensor([[-300.0]]))
    assert loss.item() == pytest.approx(math.log(2))


def test_top_list_loss_in_plain_python():
    s, weights = scores(0), torch.rand(5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    s[1, 3:] = EMPTY
    expected = -sum(
        w * log_sigmoid(x)
        for row in s.tolist()
        for x, w in zip(row, weights.tolist(), strict=True)
        if x != EMPTY
    )
    assert ranking.top_list_loss(s, weights).item() == pytest.approx(expected)


def test_position_weights():
    weights = ranking.position_weights(3, 2.0).tolist()
    raw = [math.exp(-r / 2.0) for r in (1, 2, 3)]
    assert weights == pytest.approx([w / sum(raw) for w in raw])


def test_discrepancy_weights_by_counting():
    top, sampled = scores(0), scores(1, columns=9)
    sampled[2, 4:] = EMPTY
    top[1, 0] = sampled[1, 3]  # a tie is not above
    got = ranking.discrepancy_weights(top, sampled, 1000, 0.002)
    for b in range(4):
        known = [x for x in sampled[b].tolist() if x != EMPTY]
        for k in range(5):
            rank = 1000 * sum(x > top[b, k].item() for x in known) / len(known)
            assert got[b, k].item() == pytest.approx(math.tanh(0.002 * max(rank - (k + 1), 0.0)), rel=1e-6)


def test_soft_label_loss_in_plain_python():
    s, labels = scores(0), torch.rand(4, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    s[0, 4] = EMPTY
    expected = 0.0
    for row, targets in zip(s.tolist(), labels.tolist(), strict=True):
        for x, q in zip(row, targets, strict=True):
            if x != EMPTY:
                probability = 1 / (1 + math.exp(-x))
                expected -= q * math.log(probability) + (1 - q) * math.log(1 - probability)
    assert ranking.soft_label_loss(s, labels).item() == pytest.approx(expected)


def test_pairs_loss_in_plain_python():
    better, worse = scores(0), scores(1)
    better[3, 2] = worse[0, 0] = EMPTY
    expected = -sum(
        log_sigmoid(a - b)
        for a, b in zip(better.ravel().tolist(), worse.ravel().tolist(), strict=True)
        if EMPTY not in (a, b)
    )
    assert ranking.pairs_loss(better, worse).item() == pytest.approx(expected)


LOSSES = {
    "relaxed": lambda a, b: ranking.relaxed_ranking_loss(a, b),
    "top list": lambda a, b: ranking.top_list_loss(a, torch.arange(5.0)),
    "soft labels": lambda a, b: ranking.soft_label_loss(a, torch.linspace(0, 1, 5)),
    "pairs": lambda a, b: ranking.pairs_loss(a, b),
}


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(name):
    """Also beside empty places, the gradient of which is zero and never NaN."""
    a, b = scores(0), scores(1)
    a[0, 4] = b[1, 2] = EMPTY
    a, b = a.requires_grad_(), b.requires_grad_()
    loss = LOSSES[name](a, b)
    for tensor, gradient in zip(
        (a, b), torch.autograd.grad(loss, (a, b), allow_unused=True, materialize_grads=True), strict=True
    ):
        for at in np.ndindex(4, 5):
            if not math.isfinite(tensor[at].item()):
                assert gradient[at].item() == 0.0
                continue
            values = []
            for step in (1e-6, -1e-6):
                moved = [t.detach().clone() for t in (a, b)]
                moved[0 if tensor is a else 1][at] += step
                values.append(LOSSES[name](*moved).item())
            assert gradient[at].item() == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-6)
