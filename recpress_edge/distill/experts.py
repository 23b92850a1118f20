"""Distillation experts: small networks from student space to teacher space, chosen per entity.

The assignment term of HTD (Kang et al., "Topology Distillation for Recommender System", KDD 2021), which
is also the loss of DE (Kang et al., "DE-RRD", CIKM 2020). ``tests/oracle/plain_topology.py`` has the
plain definition, a dense loop over all experts; this form gives the same value and gradient.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from recpress_edge.core.rng import torch_seed

N_EXPERTS = 30
# An expert whose share of an entity is at most this is left out. Thirty such shares move the entity's
# hint by under 3e-5 of one expert's output, and in a batch far less: see tests/oracle.
DISPATCH_THRESHOLD = 1e-6
# Above this share of kept (entity, expert) pairs one concatenated product beats dispatching.
DENSE_SHARE = 0.4
# Rows handled at once in the concatenated product: forward and backward of a block stay in cache.
BLOCK_ROWS = 256
TEMPERATURE_END = 1e-10


def temperature_at(epoch: int, max_epoch: int) -> float:
    """τ = (1e-10)^(epoch / max_epoch): 1 at epoch 0, falling to 1e-10."""
    return float(TEMPERATURE_END ** (epoch / max_epoch))


class Experts(nn.Module):
    """Assignment network and experts of one side (users, or items).

    assignment (K, D); inner (K, d + 1, h) and outer (K, h + 1, D) hold each expert's two Linear layers,
    h = (D + d) // 2, the last row of each being its bias: one product then serves weight and bias.
    Initialised as nn.Linear is, from ``generator``.
    """

    def __init__(
        self, student_dim: int, teacher_dim: int, n_experts: int = N_EXPERTS, *, generator: torch.Generator
    ) -> None:
        super().__init__()
        hidden = (teacher_dim + student_dim) // 2
        self.n_experts = n_experts
        self.assignment = _linear_init((n_experts, teacher_dim), teacher_dim, generator)
        self.inner = _linear_init((n_experts, student_dim + 1, hidden), student_dim, generator)
        self.outer = _linear_init((n_experts, hidden + 1, teacher_dim), hidden, generator)

    def loss(
        self, student_rows: Tensor, teacher_rows: Tensor, temperature: float, generator: torch.Generator
    ) -> Tensor:
        """Σ_n ‖e_n^t − Σ_k z_nk f_k(e_n^s)‖², student_rows (N, d), teacher_rows (N, D) -> ()."""
        return self.loss_and_groups(student_rows, teacher_rows, temperature, generator)[0]

    def groups(self, teacher_rows: Tensor) -> Tensor:
        """Hard group of each entity, argmax α without noise or gradient: (N, D) -> (N,) int64."""
        with torch.no_grad():
            return (teacher_rows @ self.assignment.T).argmax(dim=1)

    def loss_and_groups(
        self, student_rows: Tensor, teacher_rows: Tensor, temperature: float, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The hint loss () and the hard groups (N,), which share the assignment's product."""
        noise = gumbel_noise(len(student_rows), self.n_experts, generator).to(student_rows)
        logits = teacher_rows @ self.assignment.T
        z = assignment_weights(logits, noise, temperature)
        loss = mixture_loss(student_rows, teacher_rows, z, self.inner, self.outer)
        return loss, logits.detach().argmax(dim=1)


def expert_sides(
    student_dim: int, teacher_dim: int, n_experts: int, seed: int, device: str
) -> tuple[Experts, Experts]:
    """Experts of the users and experts of the items, drawn by the stream "experts" of the seed."""
    generator = torch.Generator().manual_seed(torch_seed(seed, "experts"))
    users, items = (Experts(student_dim, teacher_dim, n_experts, generator=generator) for _ in range(2))
    return users.to(device), items.to(device)


def gumbel_noise(n_rows: int, n_experts: int, generator: torch.Generator) -> Tensor:
    """Standard Gumbel noise −log(−log u) (N, K), drawn where the generator lives.

    From a uniform: torch's exponential_ takes five times as long. u = 0 is lifted to half the step of
    float32 uniforms, which keeps the noise finite.
    """
    noise = torch.rand(n_rows, n_experts, generator=generator, device=generator.device)
    return noise.clamp_min_(2.0**-25).log_().neg_().log_().neg_()


def assignment_weights(logits: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """z = softmax((log(softmax(logits) + 1e-10) + noise) / τ), all (N, K)."""
    return (((logits.softmax(dim=1) + 1e-10).log() + noise) / temperature).softmax(dim=1)


def mixture_loss(
    student: Tensor,
    teacher: Tensor,
    z: Tensor,
    inner: Tensor,
    outer: Tensor,
    threshold: float = DISPATCH_THRESHOLD,
) -> Tensor:
    """Σ_n ‖t_n − Σ_k z_nk f_k(s_n)‖² over the experts with z > threshold; f_k is Linear, ReLU, Linear.

    student (N, d), teacher (N, D) without gradient, z (N, K), inner (K, d + 1, h), outer (K, h + 1, D) -> ().
    """
    target = _Target(teacher, threshold)
    loss: Tensor = _Mixture.apply(student, z, inner, outer, target)  # type: ignore[no-untyped-call]
    return loss


class _Target(NamedTuple):
    """What of the loss has no gradient."""

    teacher: Tensor
    threshold: float


class _Mixture(torch.autograd.Function):
    """The hint loss, its gradient computed in the same pass: the residual needs no second pass."""

    @staticmethod
    def forward(
        ctx: Any, student: Tensor, z: Tensor, inner: Tensor, outer: Tensor, target: _Target
    ) -> Tensor:
        teacher, threshold = target
        n_experts, inputs, hidden = inner.shape
        x = torch.cat([student, student.new_ones(len(student), 1)], dim=1)  # (N, d + 1)
        # A last hidden unit that is always one: outer's bias row then acts as a weight.
        w1 = inner.new_zeros(n_experts, inputs, hidden + 1)
        w1[:, :, :hidden] = inner
        w1[:, -1, hidden] = 1.0
        kept = (z <= threshold).logical_not_()  # a NaN is kept, to be seen in the loss
        pairs = kept.T.nonzero()  # (P, 2) of (expert, row), by expert
        if len(pairs) > DENSE_SHARE * z.numel():
            loss, *grads = _dense(x, teacher, z * kept, w1, outer)
        else:
            loss, *grads = _dispatched(x, teacher, z, pairs, w1, outer)
        ctx.grads = grads
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor | None, ...]:
        # Scaled in place and handed over, so that megabytes of expert gradient are not copied each step.
        dx, dz, dw1, dw2 = (grad.mul_(grad_output) for grad in ctx.grads)
        del ctx.grads
        return dx[:, :-1], dz, dw1[:, :, :-1], dw2, None


def _dense(x: Tensor, teacher: Tensor, z: Tensor, w1: Tensor, outer: Tensor) -> tuple[Tensor, ...]:
    """Every expert for every row as one product [z_k · relu(x W1_k)]_k @ W2, in blocks of rows."""
    n_experts, inputs, units = w1.shape
    w1_cat = w1.transpose(0, 1).reshape(inputs, n_experts * units)
    w2_cat = outer.view(n_experts * units, -1)
    loss = x.new_zeros(())
    dx, dz = torch.empty_like(x), torch.empty_like(z)
    dw1, dw2 = torch.zeros_like(w1_cat), torch.zeros_like(w2_cat)
    work = [x.new_empty(min(BLOCK_ROWS, len(x)), n_experts * units) for _ in range(3)]
    for first in range(0, len(x), BLOCK_ROWS):
        rows = slice(first, min(first + BLOCK_ROWS, len(x)))
        hidden, scaled, dhidden = (buffer[: rows.stop - first] for buffer in work)  # (b, K·h)
        by_expert = (-1, n_experts, units)
        share = z[rows, :, None]
        torch.mm(x[rows], w1_cat, out=hidden).relu_()
        torch.mul(hidden.view(by_expert), share, out=scaled.view(by_expert))
        residual = torch.addmm(teacher[rows], scaled, w2_cat, beta=-1)
        loss += residual.square().sum()
        residual.mul_(2.0)
        dw2.addmm_(scaled.T, residual)
        torch.mm(residual, w2_cat.T, out=dhidden)
        torch.mul(hidden, dhidden, out=scaled)
        torch.sum(scaled.view(by_expert), dim=2, out=dz[rows])
        dhidden.view(by_expert).mul_(share)
        _mask_inactive(dhidden, hidden)
        dw1.addmm_(x[rows].T, dhidden)
        torch.mm(dhidden, w1_cat.T, out=dx[rows])
    dw1 = dw1.view(inputs, n_experts, units).transpose(0, 1)
    return loss, dx, dz, dw1, dw2.view_as(outer)


def _dispatched(
    x: Tensor, teacher: Tensor, z: Tensor, pairs: Tensor, w1: Tensor, outer: Tensor
) -> tuple[Tensor, ...]:
    """Only these pairs, (P, 2) of (expert, row) sorted by expert."""
    expert, row = pairs.unbind(dim=1)
    sizes = torch.bincount(expert, minlength=len(w1)).tolist()
    xs = x.index_select(0, row)
    share = z[row, expert][:, None]  # (P, 1)
    hidden, parts = xs.new_empty(len(row), w1.shape[2]), xs.new_empty(len(row), outer.shape[2])
    dhidden, dxs, dw1, dw2 = (torch.empty_like(like) for like in (hidden, xs, w1, outer))
    first, second = w1.unbind(), outer.unbind()

    for a, w, out in zip(
        torch.split_with_sizes(xs, sizes), first, torch.split_with_sizes(hidden, sizes), strict=True
    ):
        torch.mm(a, w, out=out)
    hidden.relu_()
    scaled = hidden * share
    for a, w, out in zip(
        torch.split_with_sizes(scaled, sizes), second, torch.split_with_sizes(parts, sizes), strict=True
    ):
        torch.mm(a, w, out=out)
    residual = teacher.neg().index_add_(0, row, parts)
    loss = residual.square().sum()
    torch.index_select(residual.mul_(2.0), 0, row, out=parts)
    for a, g, out in zip(
        torch.split_with_sizes(scaled, sizes), torch.split_with_sizes(parts, sizes), dw2.unbind(), strict=True
    ):
        torch.mm(a.T, g, out=out)
    for g, w, out in zip(
        torch.split_with_sizes(parts, sizes), second, torch.split_with_sizes(dhidden, sizes), strict=True
    ):
        torch.mm(g, w.T, out=out)
    dz = torch.zeros_like(z)
    dz[row, expert] = torch.mul(hidden, dhidden, out=scaled).sum(dim=1)
    _mask_inactive(dhidden.mul_(share), hidden)
    for a, g, out in zip(
        torch.split_with_sizes(xs, sizes), torch.split_with_sizes(dhidden, sizes), dw1.unbind(), strict=True
    ):
        torch.mm(a.T, g, out=out)
    for g, w, out in zip(
        torch.split_with_sizes(dhidden, sizes), first, torch.split_with_sizes(dxs, sizes), strict=True
    ):
        torch.mm(g, w.T, out=out)
    return loss, torch.zeros_like(x).index_add_(0, row, dxs), dz, dw1, dw2


def _mask_inactive(grad: Tensor, hidden: Tensor) -> None:
    """The gradient of ReLU, in place: zero where the unit was off."""
    torch.ops.aten.threshold_backward.grad_input(grad, hidden, 0, grad_input=grad)


def _linear_init(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> nn.Parameter:
    """Uniform in ±1/√fan_in, as nn.Linear draws weights and biases."""
    bound = 1.0 / math.sqrt(fan_in)
    values = torch.rand(shape, generator=generator, device=generator.device)
    return nn.Parameter(values * (2.0 * bound) - bound)
