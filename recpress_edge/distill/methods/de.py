"""Distillation experts: the teacher's embeddings, told by small networks (feature-based)."""

import torch
from torch import Tensor, nn

from recpress_edge.core.rng import torch_seed
from recpress_edge.distill.experts import Experts, expert_sides, temperature_at
from recpress_edge.distill.ranking_config import DEConfig
from recpress_edge.distill.sources import teacher_tables
from recpress_edge.distill.terms import Batch, DistilledBPR, Rows, Term
from recpress_edge.models.method import Job
from recpress_edge.models.teacher import Tables


class TermOfExperts(Term):
    """A term with experts of both sides: each epoch has its temperature and its noise."""

    job: Job
    experts: tuple[Experts, Experts]

    def start(self, epoch: int, tables: tuple[Tensor, Tensor]) -> None:
        self.temperature = temperature_at(epoch, self.job.epochs)
        self.noise = torch.Generator(self.job.device).manual_seed(torch_seed(self.job.seed, "gumbel", epoch))

    def learned(self) -> nn.Module:
        return nn.ModuleDict({"user_side": self.experts[0], "item_side": self.experts[1]})


class ExpertTerm(TermOfExperts):
    """Σ‖h_t − Σ_m z_m E_m(h_s)‖² over the batch's unique users, and half of it over its items.

    Kang et al., "DE-RRD: A Knowledge Distillation Framework for Recommender System", CIKM 2020. Unique
    positives and unique negatives each count half, as in the authors' program. The assignment has no bias
    (theirs has one): it is the module that HTD uses. Settings' temperature falls from 1 to 1e-10 over the
    whole schedule.
    """

    def __init__(self, job: Job, teacher: Tables, weight: float, n_experts: int) -> None:
        self.job = job
        self.weight = weight
        self.teacher = [
            torch.from_numpy(table).to(job.device) for table in (teacher.user_emb, teacher.item_emb)
        ]
        teacher_dim = self.teacher[0].shape[1]
        self.experts = expert_sides(job.dim, teacher_dim, n_experts, job.seed, job.device)

    def loss(self, student: Rows, batch: Batch) -> Tensor:
        users, positives, negatives = (
            torch.unique(part) for part in (batch.users, batch.positives, batch.negatives)
        )
        items = torch.cat([positives, negatives])  # an item that is both counts twice, each with its noise
        of_users = self._hint(0, student.user_rows(users), users)
        return of_users + 0.5 * self._hint(1, student.item_rows(items), items)

    def _hint(self, side: int, rows: Tensor, indices: Tensor) -> Tensor:
        teacher = self.teacher[side].index_select(0, indices)
        return self.experts[side].loss(rows, teacher, self.temperature, self.noise)


class DE(DistilledBPR):
    """BPR beside distillation experts."""

    def __init__(self, job: Job, config: DEConfig) -> None:
        term = ExpertTerm(job, teacher_tables(job), config.expert_weight, config.experts)
        super().__init__(job, config, {"experts": term})
