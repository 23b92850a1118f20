"""BPR students with distillation terms beside it: what a term sees, and the student that adds them up.

A term sees the student through three calls only, so that it serves any student that answers them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recpress_edge.distill.draws import EMPTY, I64
from recpress_edge.distill.listed import listed_products
from recpress_edge.models.adam import Adam
from recpress_edge.models.bpr import BPR, bpr_loss
from recpress_edge.models.config import BPRConfig
from recpress_edge.models.method import Job
from recpress_edge.models.quantised import stored_tables


class Rows(ABC):
    """A student as its losses see it."""

    @abstractmethod
    def user_rows(self, users: Tensor) -> Tensor:
        """What represents these users: (B,) -> (B, R)."""

    @abstractmethod
    def item_rows(self, items: Tensor) -> Tensor:
        """What represents these items: (B,) -> (B, R)."""

    @abstractmethod
    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of each user with its items: users (B,), items (B,) or (B, K) -> as items."""

    def user_lists(self, users: Tensor, items: Tensor) -> Tensor:
        """Scores of the items listed for each user, -inf at EMPTY places: (B,), (B, K) -> (B, K)."""
        return _without_empty(self.pair_scores(users, items.clamp_min(0)), items)

    def item_lists(self, items: Tensor, users: Tensor) -> Tensor:
        """Scores of the users listed for each item, -inf at EMPTY places: (B,), (B, K) -> (B, K)."""
        each = items.repeat_interleave(users.shape[1])
        scores = self.pair_scores(users.clamp_min(0).flatten(), each)
        return _without_empty(scores.view(users.shape), users)


@dataclass(frozen=True, slots=True)
class TableRows(Rows):
    """A factorised student: user_emb (U, d), item_emb (I, d), as its recipe stores them."""

    user_emb: Tensor
    item_emb: Tensor

    def user_rows(self, users: Tensor) -> Tensor:
        return F.embedding(users, self.user_emb)

    def item_rows(self, items: Tensor) -> Tensor:
        return F.embedding(items, self.item_emb)

    def pair_scores(self, users: Tensor, items: Tensor) -> Tensor:
        if items.dim() == 2:
            return listed_products(self.user_rows(users), self.item_emb, items)
        return (self.user_rows(users) * self.item_rows(items)).sum(dim=1)

    def item_lists(self, items: Tensor, users: Tensor) -> Tensor:
        scores = listed_products(self.item_rows(items), self.user_emb, users.clamp_min(0))
        return _without_empty(scores, users)


def _without_empty(scores: Tensor, listed: Tensor) -> Tensor:
    return scores.masked_fill(listed == EMPTY, -torch.inf)


@dataclass(frozen=True, slots=True)
class Batch:
    """Indices of one step, (B,) each."""

    users: Tensor
    positives: Tensor
    negatives: Tensor


class Term(ABC):
    """One distillation loss beside a student's own, to be weighted."""

    weight: float

    @abstractmethod
    def start(self, epoch: int, tables: tuple[Tensor, Tensor]) -> None:
        """Draw what the epoch needs; ``tables`` are the student's, without gradient."""

    @abstractmethod
    def loss(self, student: Rows, batch: Batch) -> Tensor:
        """The term () of a batch, a sum."""

    def learned(self) -> nn.Module | None:
        """Parameters beside the student's; None for none."""
        return None

    def memory(self) -> dict[str, Tensor]:
        """What it remembers from one epoch to the next."""
        return {}


def on_device(drawn: I64, device: str) -> Tensor:
    """Drawn indices as a tensor."""
    return torch.from_numpy(drawn).to(device)


class DistilledBPR(BPR):
    """BPR plus weighted terms, each with a name of its own."""

    def __init__(self, job: Job, config: BPRConfig, terms: Mapping[str, Term]) -> None:
        super().__init__(job, config)
        self.terms = terms
        learned = {name: module for name, term in terms.items() if (module := term.learned()) is not None}
        if learned:
            # As in the authors' programs, weight decay covers what the terms learn too.
            modules = nn.ModuleDict({"mf": self.mf, **learned})
            self.optimizer = Adam(modules, config.learning_rate, config.weight_decay)

    def batch_losses(self, epoch: int) -> Iterator[Tensor]:
        for term in self.terms.values():
            term.start(epoch, self.tables())
        yield from super().batch_losses(epoch)

    def batch_loss(self, users: Tensor, positives: Tensor, negatives: Tensor) -> Tensor:
        student = TableRows(*stored_tables(self.job.recipe, self.mf.user_emb, self.mf.item_emb))
        batch = Batch(users, positives, negatives)
        item_rows = student.item_rows(torch.cat([positives, negatives]))  # (2B, d)
        base = bpr_loss(student.user_rows(users), item_rows[: len(users)], item_rows[len(users) :])
        for term in self.terms.values():
            base = base + term.weight * term.loss(student, batch)
        return base

    def memory(self) -> dict[str, Tensor]:
        return {
            f"{name}/{part}": value
            for name, term in self.terms.items()
            for part, value in term.memory().items()
        }
