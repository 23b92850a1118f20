"""Topology distillation: match the similarities among a batch's entities, without any N×N matrix.

Kang et al., "Topology Distillation for Recommender System", KDD 2021. The entities of a batch are its
unique users, then its unique items (positives and negatives together). Every loss here equals its
plain definition in ``tests/oracle/plain_topology.py``, value and gradient.
"""

from abc import abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import normalize

from recpress_edge.distill.de import TermOfExperts
from recpress_edge.distill.experts import Experts, expert_sides
from recpress_edge.distill.lists import teacher_tables
from recpress_edge.distill.settings import FTDConfig, HTDConfig
from recpress_edge.distill.terms import Batch, Rows, Term
from recpress_edge.models.method import TrainingInput

# Groups are compared in tiles of at most this many rows: a tile of similarities stays in cache, and
# many small groups share one product instead of paying for a Python step each.
TILE_ROWS = 128


def full_topology_loss(
    student: Tensor, teacher: Tensor, *, teacher_is_unit: bool = False, with_constant: bool = True
) -> Tensor:
    """Match every pairwise cosine between entities of the batch (FTD).

    ‖TTᵀ − SSᵀ‖² = ‖TᵀT‖² − 2‖TᵀS‖² + ‖SᵀS‖² for row-normalised S and T: N·D·d work instead of N²·D.
    A sum over all ordered pairs (diagonal included, where it is zero), so a weight tuned at one batch
    size does not carry to another.

    student (N, d), teacher (N, D) -> (). ``teacher_is_unit``: the teacher's rows have length one already
    (it is fixed, so once is enough). ``with_constant=False`` leaves out ‖TᵀT‖², which has no gradient and
    costs more than the rest: for training, where only the gradient is used.
    """
    s = normalize(student)
    t = teacher if teacher_is_unit else normalize(teacher)
    loss = (s.T @ s).square().sum() - 2.0 * (t.T @ s).square().sum()
    return loss + (t.T @ t).square().sum() if with_constant else loss


def group_topology_loss(student: Tensor, teacher: Tensor, groups: Tensor, n_groups: int) -> Tensor:
    """Match the cosines to every group's prototype, and those inside each group (HTD's H and M terms).

    Prototypes are means of the members' embeddings in the batch, in each space, without gradient; groups
    empty in the batch are skipped. H compares every entity (as the authors' program does; the paper leaves
    out a group's own members) with every prototype. M compares ordered pairs of one group whose teacher
    similarity is above zero (also as their program does).

    student (N, d), teacher (N, D), groups (N,) int64 in 0..n_groups - 1 -> ().
    """
    with torch.no_grad():
        teacher_unit = normalize(teacher)
        # Cosines ignore length, so sums serve as means; an empty group's zero row gives 0 - 0.
        student_prototype, teacher_prototype = (
            normalize(rows.new_zeros(n_groups, rows.shape[1]).index_add_(0, groups, rows))
            for rows in (student.detach(), teacher)
        )  # (G, d), (G, D)
        teacher_cosine = teacher_unit @ teacher_prototype.T  # (N, G)
    student_unit = normalize(student)
    to_prototypes = (student_unit @ student_prototype.T - teacher_cosine).square().sum()
    within: Tensor = _WithinGroups.apply(student_unit, teacher_unit, groups, n_groups)  # type: ignore[no-untyped-call]
    return to_prototypes + within


def hierarchical_topology_loss(
    student: tuple[Tensor, Tensor],
    teacher: tuple[Tensor, Tensor],
    experts: tuple[Experts, Experts],
    temperature: float,
    generator: torch.Generator,
    gamma: float = 0.5,
) -> Tensor:
    """γ (H + M) + (1 − γ) Σ over both sides of the experts' hint loss (HTD), to be weighted by λ.

    Each pair is (users, items): the batch's unique users and its unique items. Users and items have
    experts, hence groups, of their own; H and M run over all of them together.

    student ((Nu, d), (Ni, d)), teacher ((Nu, D), (Ni, D)) -> ()
    """
    hints = []
    groups = []
    offset = 0
    for student_rows, teacher_rows, side in zip(student, teacher, experts, strict=True):
        hint, group = side.loss_and_groups(student_rows, teacher_rows, temperature, generator)
        hints.append(hint)
        groups.append(group + offset)
        offset += side.n_experts
    topology = group_topology_loss(torch.cat(student), torch.cat(teacher), torch.cat(groups), offset)
    return gamma * topology + (1.0 - gamma) * (hints[0] + hints[1])


class _WithinGroups(torch.autograd.Function):
    """Σ over ordered pairs of one group with teacher cosine > 0 of (student cosine − teacher cosine)²."""

    @staticmethod
    def forward(
        ctx: Any, student_unit: Tensor, teacher_unit: Tensor, groups: Tensor, n_groups: int
    ) -> Tensor:
        order = torch.argsort(groups)
        sizes = torch.bincount(groups, minlength=n_groups).tolist()
        s, t = student_unit.index_select(0, order), teacher_unit.index_select(0, order)
        g = groups.index_select(0, order)
        loss = s.new_zeros(())
        grad = torch.zeros_like(s)
        for start, stop, several in _spans(sizes):
            for first in range(start, stop, TILE_ROWS):
                last = min(first + TILE_ROWS, stop)
                # Similarities are symmetric: the tile's rows against themselves and all later rows.
                gap = _gap(s[first:last], s[first:stop], t[first:last], t[first:stop])
                if several:
                    gap.masked_fill_(g[first:last, None] != g[None, first:stop], 0.0)
                grad[first:last].addmm_(gap, s[first:stop])
                loss += gap.square().sum()
                if last < stop:
                    later = gap[:, last - first :]
                    grad[last:stop].addmm_(later.T, s[first:last])
                    loss += later.square().sum()
        ctx.grad = torch.empty_like(grad).index_copy_(0, order, grad.mul_(4.0))
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None, None]:
        return ctx.grad * grad_output, None, None, None


def _gap(s: Tensor, s_others: Tensor, t: Tensor, t_others: Tensor) -> Tensor:
    """Student minus teacher cosines where the teacher's is above zero, else zero: (n, m)."""
    target = torch.mm(t, t_others.T)
    gap = torch.addmm(target, s, s_others.T, beta=-1)
    # threshold_backward(a, b, 0) is a where b > 0 and zero elsewhere, in one pass.
    torch.ops.aten.threshold_backward.grad_input(gap, target, 0, grad_input=gap)
    return gap


def _spans(sizes: list[int]) -> list[tuple[int, int, bool]]:
    """Runs of whole groups of at most ``TILE_ROWS`` rows, or one larger group: (start, stop, several)."""
    spans: list[tuple[int, int, bool]] = []
    start = stop = members = 0
    for size in sizes:
        if not size:
            continue
        if members and stop + size - start > TILE_ROWS:
            spans.append((start, stop, members > 1))
            start, members = stop, 0
        stop += size
        members += 1
    if members:
        spans.append((start, stop, members > 1))
    return spans


class TopologyTerm(Term):
    """What the rows of a batch's unique users and items should have in common with the teacher's."""

    def __init__(self, given: TrainingInput, config: FTDConfig) -> None:
        self.given = given
        self.weight = config.topology_weight
        teacher = teacher_tables(given)
        self.user_emb, self.item_emb = (
            torch.from_numpy(table).to(given.device) for table in (teacher.user_emb, teacher.item_emb)
        )

    def loss(self, student: Rows, batch: Batch) -> Tensor:
        users, items = torch.unique(batch.users), torch.unique(torch.cat([batch.positives, batch.negatives]))
        return self.topology_loss(
            (student.user_rows(users), student.item_rows(items)),
            (F.embedding(users, self.user_emb), F.embedding(items, self.item_emb)),
        )

    @abstractmethod
    def topology_loss(self, student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
        """The term () over (users, items): student ((Nu, R), (Ni, R)), teacher ((Nu, D), (Ni, D))."""


class FullTopologyTerm(TopologyTerm):
    """Every pairwise cosine (FTD; Kang et al., KDD 2021)."""

    def __init__(self, given: TrainingInput, config: FTDConfig) -> None:
        super().__init__(given, config)
        self.user_emb, self.item_emb = F.normalize(self.user_emb), F.normalize(self.item_emb)

    def topology_loss(self, student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
        # The constant has no gradient, and nothing reads the value of the loss.
        return full_topology_loss(
            torch.cat(student), torch.cat(teacher), teacher_is_unit=True, with_constant=False
        )


class HierarchicalTopologyTerm(TermOfExperts, TopologyTerm):
    """Cosines to group prototypes and inside groups, and expert hints (HTD; Kang et al., KDD 2021)."""

    def __init__(self, given: TrainingInput, config: HTDConfig) -> None:
        super().__init__(given, config)
        self.gamma = config.gamma
        teacher_dim = self.user_emb.shape[1]
        self.experts = expert_sides(given.dim, teacher_dim, config.experts, given.seed, given.device)

    def topology_loss(self, student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
        return hierarchical_topology_loss(
            student, teacher, self.experts, self.temperature, self.noise, self.gamma
        )
