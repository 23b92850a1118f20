"""NeuMF students: the pointwise loss of NeuMF with distillation terms beside it."""

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.distill.config import HTDConfig
from recpress_edge.distill.experts import expert_sides
from recpress_edge.distill.methods.de import ExpertTerm, TermOfExperts
from recpress_edge.distill.methods.rrd import user_list_term
from recpress_edge.distill.network_config import DENeuMFConfig, FTDNeuMFConfig, HTDNeuMFConfig, RRDNeuMFConfig
from recpress_edge.distill.sources import teacher_tables
from recpress_edge.distill.terms import Batch, Rows, Term
from recpress_edge.distill.topology import full_topology_loss, hierarchical_topology_loss
from recpress_edge.models.adam import Adam
from recpress_edge.models.method import Job
from recpress_edge.models.neumf import NeuMF, NeuMFMethod, Pointwise

ROWS_PER_DIM = 3
"""A row that stands for a user or an item is its GMF and its MLP embedding: d + 2d."""


@dataclass(frozen=True, slots=True)
class NetworkRows(Rows):
    """A NeuMF as distillation losses see it."""

    network: NeuMF

    def user_rows(self, users: Tensor) -> Tensor:
        return self.network.user_rows(users)

    def item_rows(self, items: Tensor) -> Tensor:
        return self.network.item_rows(items)

    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        return self.network.pair_scores(users, items)


class DistilledNeuMF(NeuMFMethod):
    """NeuMF plus weighted terms; they see its pair scores, and its embeddings side by side as rows."""

    def __init__(self, job: Job, config: Pointwise, terms: Mapping[str, Term]) -> None:
        super().__init__(job, config)
        self.terms = terms
        learned = {name: module for name, term in terms.items() if (module := term.learned()) is not None}
        if learned:
            modules = nn.ModuleDict({"network": self.network, **learned})
            self.optimizer = Adam(modules, config.learning_rate, config.weight_decay)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        train = self.job.train
        with torch.no_grad():
            rows = (
                self.network.user_rows(torch.arange(train.n_users, device=self.job.device)),
                self.network.item_rows(torch.arange(train.n_items, device=self.job.device)),
            )
        for term in self.terms.values():
            term.start(epoch, rows)
        yield from super().batch_losses(epoch)

    def batch_loss(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        loss = super().batch_loss(users, positives, negatives)
        student, batch = NetworkRows(self.network), Batch(users, positives, negatives.flatten())
        for term in self.terms.values():
            loss = loss + term.weight * term.loss(student, batch)
        return loss


class TopologyTerm(Term):
    """What the rows of a batch's unique users and items should have in common with the teacher's."""

    def __init__(self, job: Job, weight: float) -> None:
        self.job = job
        self.weight = weight
        teacher = teacher_tables(job)
        self.user_emb, self.item_emb = (
            torch.from_numpy(table).to(job.device) for table in (teacher.user_emb, teacher.item_emb)
        )

    def start(self, epoch: int, tables: tuple[Tensor, Tensor]) -> None:
        """Nothing is drawn."""

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

    def __init__(self, job: Job, weight: float) -> None:
        super().__init__(job, weight)
        self.user_emb, self.item_emb = F.normalize(self.user_emb), F.normalize(self.item_emb)

    def topology_loss(self, student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
        # The constant has no gradient, and nothing reads the value of the loss.
        return full_topology_loss(
            torch.cat(student), torch.cat(teacher), teacher_is_unit=True, with_constant=False
        )


class HierarchicalTopologyTerm(TermOfExperts, TopologyTerm):
    """Cosines to group prototypes and inside groups, and expert hints (HTD; Kang et al., KDD 2021)."""

    def __init__(self, job: Job, config: HTDConfig) -> None:
        super().__init__(job, config.topology_weight)
        self.gamma = config.gamma
        teacher_dim = self.user_emb.shape[1]
        self.experts = expert_sides(ROWS_PER_DIM * job.dim, teacher_dim, config.experts, job.seed, job.device)

    def topology_loss(self, student: tuple[Tensor, Tensor], teacher: tuple[Tensor, Tensor]) -> Tensor:
        return hierarchical_topology_loss(
            student, teacher, self.experts, self.temperature, self.noise, self.gamma
        )


class RRDNeuMF(DistilledNeuMF):
    """A NeuMF student beside relaxed ranking distillation."""

    def __init__(self, job: Job, config: RRDNeuMFConfig) -> None:
        super().__init__(job, config, {"lists": user_list_term(job, config)})


class FTDNeuMF(DistilledNeuMF):
    """A NeuMF student beside full topology distillation."""

    def __init__(self, job: Job, config: FTDNeuMFConfig) -> None:
        super().__init__(job, config, {"topology": FullTopologyTerm(job, config.topology_weight)})


class HTDNeuMF(DistilledNeuMF):
    """A NeuMF student beside hierarchical topology distillation."""

    def __init__(self, job: Job, config: HTDNeuMFConfig) -> None:
        super().__init__(job, config, {"topology": HierarchicalTopologyTerm(job, config)})


class DENeuMF(DistilledNeuMF):
    """A NeuMF student beside distillation experts."""

    def __init__(self, job: Job, config: DENeuMFConfig) -> None:
        wide = dataclasses.replace(job, dim=ROWS_PER_DIM * job.dim)
        term = ExpertTerm(wide, teacher_tables(job), config.expert_weight, config.experts)
        super().__init__(job, config, {"experts": term})
