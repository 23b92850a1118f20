"""Distillation experts: shapes, initial values, assignment and temperature."""

import math

import pytest
import torch

from recpress_edge.distill.experts import Experts, assignment_weights, gumbel_noise, temperature_at


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_temperature_falls_from_one_to_1e10():
    assert temperature_at(0, 100) == 1.0
    assert temperature_at(10, 100) == pytest.approx(0.1)
    assert temperature_at(100, 100) == pytest.approx(1e-10)


def test_parameters_are_initialised_as_linear_layers_are():
    side = Experts(10, 200, 30, generator=generator())
    assert side.assignment.shape == (30, 200)
    assert side.inner.shape == (30, 11, 105)
    assert side.outer.shape == (30, 106, 200)
    for parameter, fan_in in ((side.assignment, 200), (side.inner, 10), (side.outer, 105)):
        bound = 1 / math.sqrt(fan_in)
        assert parameter.abs().max() <= bound
        # A uniform on ±bound has standard deviation bound / √3.
        assert parameter.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.03)


def test_same_generator_seed_same_experts():
    one, two, other = (Experts(4, 8, 3, generator=generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(one.outer, two.outer)
    assert not torch.equal(one.outer, other.outer)


def test_groups_are_the_largest_logit_without_noise_or_gradient():
    side = Experts(2, 3, 3, generator=generator())
    with torch.no_grad():
        side.assignment.copy_(torch.eye(3))
    teacher = torch.tensor([[5.0, 1.0, 0.0], [0.0, 0.1, 2.0], [-1.0, -0.5, -2.0]], requires_grad=True)
    groups = side.groups(teacher)
    assert groups.tolist() == [0, 2, 1]
    assert not groups.requires_grad
    _, shared = side.loss_and_groups(torch.zeros(3, 2), teacher.detach(), 1.0, generator())
    assert shared.tolist() == [0, 2, 1]


def test_loss_by_hand():
    """Two experts that give constants, and no noise to speak of at the assignment's strength."""
    side = Experts(1, 1, 2, generator=generator())
    with torch.no_grad():
        side.assignment.copy_(torch.tensor([[1000.0], [-1000.0]]))
        side.inner.zero_()
        side.outer.zero_()
        side.outer[0, -1], side.outer[1, -1] = 3.0, 7.0
    teacher = torch.tensor([[1.0], [-2.0]])  # expert 0 says 3, expert 1 says 7
    loss = side.loss(torch.zeros(2, 1), teacher, 0.01, generator())
    assert loss.item() == pytest.approx((1 - 3) ** 2 + (-2 - 7) ** 2)


def test_loss_draws_fresh_noise_from_the_generator():
    side = Experts(2, 3, 3, generator=generator())
    student, teacher = torch.randn(5, 2, generator=generator(1)), torch.randn(5, 3, generator=generator(2))
    noise = generator(3)
    first, second = side.loss(student, teacher, 0.5, noise), side.loss(student, teacher, 0.5, noise)
    again = side.loss(student, teacher, 0.5, generator(3))
    assert first.item() != second.item()
    assert first.item() == again.item()


def test_assignment_becomes_one_hot():
    noise = gumbel_noise(200, 5, generator())
    logits = torch.randn(200, 5, generator=generator(1))
    z = assignment_weights(logits, noise, 1e-10)
    assert torch.equal(z.sum(dim=1), torch.ones(200))
    assert torch.equal(z.argmax(dim=1), (logits.log_softmax(dim=1) + noise).argmax(dim=1))
    assert (z.max(dim=1).values == 1.0).all()


def test_gumbel_noise_is_standard_gumbel():
    noise = gumbel_noise(20_000, 5, generator())
    assert noise.isfinite().all()
    # Mean: Euler's constant; variance: π² / 6. Ten standard errors each.
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.04)
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, abs=0.12)
    assert (noise < 0).double().mean().item() == pytest.approx(math.exp(-1), abs=0.015)


def test_gradients_reach_every_parameter():
    side = Experts(3, 6, 4, generator=generator())
    student = torch.randn(50, 3, generator=generator(1), requires_grad=True)
    side.loss(student, torch.randn(50, 6, generator=generator(2)), 1.0, generator(3)).backward()
    for tensor in (student, *side.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.abs().sum() > 0
