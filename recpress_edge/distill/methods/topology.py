"""BPR students that also copy the teacher's topology (Kang et al., KDD 2021)."""

from abc import abstractmethod
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.core.rng import torch_seed
from recpress_edge.distill.config import FTDConfig, HTDConfig
from recpress_edge.distill.experts import expert_sides, temperature_at
from recpress_edge.distill.topology import full_topology_loss, hierarchical_topology_loss
from recpress_edge.models.adam import Adam
from recpress_edge.models.bpr import BPR, bpr_loss
from recpress_edge.models.config import BPRConfig
from recpress_edge.models.method import Job
from recpress_edge.models.quantised import stored_tables
from recpress_edge.models.teacher import Tables


class TopologyStudent(BPR):
    """BPR plus a term over the batch's entities: its unique users, then its unique items."""

    def __init__(self, job: Job, config: BPRConfig, topology_weight: float) -> None:
        super().__init__(job, config)
        self.topology_weight = topology_weight
        teacher = required_teacher(job)
        self.teacher_user_emb = torch.from_numpy(teacher.user_emb).to(job.device)
        self.teacher_item_emb = torch.from_numpy(teacher.item_emb).to(job.device)

    def batch_loss(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        unique_users, user_at = torch.unique(users, return_inverse=True)
        unique_items, item_at = torch.unique(torch.cat([positives, negatives]), return_inverse=True)
        user_emb, item_emb = stored_tables(self.job.recipe, self.mf.user_emb, self.mf.item_emb)
        user_rows = F.embedding(unique_users, user_emb)  # (Nu, d)
        item_rows = F.embedding(unique_items, item_emb)  # (Ni, d)
        pairs = F.embedding(item_at, item_rows)  # (2B, d)
        base = bpr_loss(F.embedding(user_at, user_rows), pairs[: len(users)], pairs[len(users) :])
        topology = self.topology_loss(
            (user_rows, item_rows),
            (
                F.embedding(unique_users, self.teacher_user_emb),
                F.embedding(unique_items, self.teacher_item_emb),
            ),
        )
        return base + self.topology_weight * topology

    @abstractmethod
    def topology_loss(self, student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
        """The term () over (users, items): student ((Nu, d), (Ni, d)), teacher ((Nu, D), (Ni, D))."""


class FTD(TopologyStudent):
    """Full topology distillation: every pairwise cosine of the batch."""

    def __init__(self, job: Job, config: FTDConfig) -> None:
        super().__init__(job, config, config.topology_weight)
        self.teacher_user_emb = F.normalize(self.teacher_user_emb)
        self.teacher_item_emb = F.normalize(self.teacher_item_emb)

    def topology_loss(self, student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
        # The constant has no gradient, and nothing reads the value of the loss.
        return full_topology_loss(
            torch.cat(student), torch.cat(teacher), teacher_is_unit=True, with_constant=False
        )


class HTD(TopologyStudent):
    """Hierarchical topology distillation: cosines to group prototypes and inside groups, and expert hints."""

    def __init__(self, job: Job, config: HTDConfig) -> None:
        super().__init__(job, config, config.topology_weight)
        self.gamma = config.gamma
        teacher_dim = self.teacher_user_emb.shape[1]
        self.experts = expert_sides(job.dim, teacher_dim, config.experts, job.seed, job.device)
        learned = nn.ModuleDict(
            {"mf": self.mf, "user_experts": self.experts[0], "item_experts": self.experts[1]}
        )
        # The authors' weight decay covers the experts and the assignment too.
        self.optimizer = Adam(learned, config.learning_rate, config.weight_decay)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        self.temperature = temperature_at(epoch, self.job.epochs)
        self.noise = torch.Generator(self.job.device).manual_seed(torch_seed(self.job.seed, "gumbel", epoch))
        yield from super().batch_losses(epoch)

    def topology_loss(self, student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
        return hierarchical_topology_loss(
            student, teacher, self.experts, self.temperature, self.noise, self.gamma
        )


def required_teacher(job: Job) -> Tables:
    """The tables of the job's teacher; the registry has made sure that there are some."""
    assert job.teacher is not None
    return job.teacher.embeddings()
