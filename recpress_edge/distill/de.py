"""Distillation experts: small networks predict the teacher's embeddings (feature-based)."""

import torch
from torch import Tensor, nn

from recpress_edge.core.rng import torch_seed
from recpress_edge.distill.experts import Experts, expert_sides, temperature_at
from recpress_edge.distill.lists import teacher_tables
from recpress_edge.distill.settings import DEConfig
from recpress_edge.distill.terms import Batch, Rows, Term
from recpress_edge.models.method import TrainingInput


class TermOfExperts(Term):
    """Base of terms with experts for users and for items: temperature and noise of each epoch."""

    given: TrainingInput
    experts: tuple[Experts, Experts]

    def start(self, epoch: int, tables: tuple[Tensor, Tensor]) -> None:
        self.temperature = temperature_at(epoch, self.given.epochs)
        self.noise = torch.Generator(self.given.device).manual_seed(
            torch_seed(self.given.seed, "gumbel", epoch)
        )

    def learned(self) -> nn.Module:
        return nn.ModuleDict({"user_side": self.experts[0], "item_side": self.experts[1]})


class ExpertTerm(TermOfExperts):
    """Σ‖h_t − Σ_m z_m E_m(h_s)‖² over the batch's unique users, and half of it over its items.

    Kang et al., "DE-RRD: A Knowledge Distillation Framework for Recommender System", CIKM 2020. Unique
    positives and unique negatives each count half, as in the authors' program. The assignment has no bias
    (theirs has one): it is the module that HTD uses. Settings' temperature falls from 1 to 1e-10 over the
    whole schedule.
    """

    def __init__(self, given: TrainingInput, config: DEConfig) -> None:
        self.given = given
        self.weight = config.expert_weight
        teacher = teacher_tables(given)
        self.teacher = [
            torch.from_numpy(table).to(given.device) for table in (teacher.user_emb, teacher.item_emb)
        ]
        teacher_dim = self.teacher[0].shape[1]
        self.experts = expert_sides(given.dim, teacher_dim, config.experts, given.seed, given.device)

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
