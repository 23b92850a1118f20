"""The definitions of FTD and HTD as the paper writes them: N×N matrices and every expert for every entity.

The oracle tests hold the fast forms of :mod:`recpress_edge.distill.topology` and
:mod:`recpress_edge.distill.experts` equal to these; ``benchmarks/topology_speed.py`` times both.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from recpress_edge.distill.experts import Experts, assignment_weights, gumbel_noise


def full_topology_loss_plain(student: Tensor, teacher: Tensor) -> Tensor:
    """‖A_t − A_s‖²_F over all cosines: student (N, d), teacher (N, D) -> ()."""
    s, t = normalize(student), normalize(teacher)
    return (t @ t.T - s @ s.T).square().sum()


def group_topology_loss_plain(student: Tensor, teacher: Tensor, groups: Tensor, n_groups: int) -> Tensor:
    """‖H_t − H_s‖² + ‖M ∘ (A_t − A_s)‖²: student (N, d), teacher (N, D), groups (N,) -> ()."""
    s, t = normalize(student), normalize(teacher)
    present = [k for k in range(n_groups) if bool((groups == k).any())]
    with torch.no_grad():
        s_prototype = torch.stack([student[groups == k].mean(dim=0) for k in present])
        t_prototype = torch.stack([teacher[groups == k].mean(dim=0) for k in present])
    to_prototypes = t @ normalize(t_prototype).T - s @ normalize(s_prototype).T  # (N, G)
    a_t, a_s = t @ t.T, s @ s.T  # (N, N)
    same = (groups[:, None] == groups[None, :]) & (a_t > 0)
    return to_prototypes.square().sum() + (same * (a_t - a_s)).square().sum()


def mixture_loss_plain(student: Tensor, teacher: Tensor, z: Tensor, inner: Tensor, outer: Tensor) -> Tensor:
    """Σ_n ‖t_n − Σ_k z_nk f_k(s_n)‖², all K experts: z (N, K), inner (K, d+1, h), outer (K, h+1, D)."""
    hint = torch.zeros_like(teacher)
    for k in range(z.shape[1]):
        hidden = torch.relu(student @ inner[k, :-1] + inner[k, -1])
        hint = hint + z[:, k, None] * (hidden @ outer[k, :-1] + outer[k, -1])
    return (teacher - hint).square().sum()


def hierarchical_topology_loss_plain(
    student: tuple[Tensor, Tensor],
    teacher: tuple[Tensor, Tensor],
    experts: tuple[Experts, Experts],
    temperature: float,
    generator: torch.Generator,
    gamma: float = 0.5,
) -> Tensor:
    """γ (H + M) + (1 − γ) Σ over both sides of the hint loss; each pair is (users, items)."""
    hints = student[0].new_zeros(())
    for student_rows, teacher_rows, side in zip(student, teacher, experts, strict=True):
        noise = gumbel_noise(len(student_rows), side.n_experts, generator).to(student_rows)
        z = assignment_weights(teacher_rows @ side.assignment.T, noise, temperature)
        hints = hints + mixture_loss_plain(student_rows, teacher_rows, z, side.inner, side.outer)
    users, items = (side.groups(rows) for side, rows in zip(experts, teacher, strict=True))
    groups = torch.cat([users, items + experts[0].n_experts])
    n_groups = experts[0].n_experts + experts[1].n_experts
    topology = group_topology_loss_plain(torch.cat(student), torch.cat(teacher), groups, n_groups)
    return gamma * topology + (1.0 - gamma) * hints
